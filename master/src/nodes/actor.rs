use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, WrapFuture};
use common::link::{
    BuildOrder, Hello, LayerToKeep, PodReport, PodState, SILENCE, ToAgent, ToMaster,
};
use common::resources::{Pod, PodPhase, timestamp};
use tokio::sync::mpsc;

use super::assignment::{AssignmentError, assignment};
use super::registry::{FromAgent, NodesTools};
use super::report;
use super::write::{remove_pod, write_node, write_report};
use crate::functions::ReadySooner;
use crate::images::BuildNews;
use crate::objects::ObjectError;
use crate::store::Durability::Eventual;
use crate::supervisor::Guard;

/// After so long without its agent a node's pods are given up and replaced elsewhere.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// Wait before a pod's assignment or status is tried again after the store failed.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Wait before the pods of a deleted node are looked through again.
const LEAVE_AGAIN: Duration = Duration::from_secs(2);

/// The actor of one node.
pub struct NodeActor {
    name: String,
    pods: BTreeMap<String, Arc<Pod>>,
    session: Option<Session>,
    /// Reports being written, and for each pod the one to write next.
    writing: HashMap<String, Option<PodReport>>,
    /// Pods the agent was told to run in this session.
    told: BTreeSet<String>,
    /// Counts the times the agent came or went, so that a clock set in one absence does not strike in
    /// the next.
    absence: u64,
    /// The node was deleted: the actor ends when none of its pods is left.
    leaving: bool,
    tools: Arc<NodesTools>,
    guard: Guard,
}

struct Session {
    id: u64,
    outbox: mpsc::Sender<ToAgent>,
}

/// A session begins.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Attach {
    pub(super) session: u64,
    pub(super) hello: Box<Hello>,
    pub(super) inventory: Vec<PodReport>,
    pub(super) outbox: mpsc::Sender<ToAgent>,
}

/// A session ended.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Detach {
    pub(super) session: u64,
}

/// The node was deleted.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Leave;

/// A pod of this node is this now.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct PodSeen(pub(super) Arc<Pod>);

/// A pod of this node has no object any more.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct PodUnseen(pub(super) String);

/// A build for this node.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Order(pub(super) BuildOrder);

/// The layers that this node should have.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Keep(pub(super) Vec<LayerToKeep>);

#[derive(Message)]
#[rtype(result = "()")]
struct Assigned {
    uid: String,
    result: Result<common::link::PodAssignment, AssignmentError>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Written {
    uid: String,
    result: Result<(), ObjectError>,
}

impl NodeActor {
    /// The actor of a node with these pods.
    pub(super) fn new(
        name: String,
        pods: Vec<Arc<Pod>>,
        tools: Arc<NodesTools>,
        guard: Guard,
    ) -> Self {
        let pods = pods
            .into_iter()
            .map(|pod| (pod.metadata.uid.clone(), pod))
            .collect();
        Self {
            name,
            pods,
            session: None,
            writing: HashMap::new(),
            told: BTreeSet::new(),
            absence: 0,
            leaving: false,
            tools,
            guard,
        }
    }

    /// Sends to the agent. An agent that does not read loses its session; it dials again and both
    /// sides tell all they know.
    fn send(&mut self, message: ToAgent) {
        self.tools.grants.note(&self.name, &message);
        let full = |session: &Session| session.outbox.try_send(message).is_err();
        if self.session.as_ref().is_some_and(full) {
            tracing::warn!(node = self.name, "agent does not keep up; its session ends");
            self.session = None;
        }
    }

    /// Tells the agent what to do about a pod.
    fn steer(&mut self, pod: &Arc<Pod>, ctx: &mut Context<Self>) {
        let uid = pod.metadata.uid.clone();
        if self.session.is_none() {
            return;
        }
        if pod.metadata.deletion_timestamp.is_some() {
            self.told.remove(&uid);
            let grace = pod.spec.termination_grace_period_seconds.unwrap_or(30);
            let grace_seconds = u32::try_from(grace).unwrap_or(0);
            self.send(ToAgent::RemovePod { uid, grace_seconds });
        } else if runs(pod) && self.told.insert(uid.clone()) {
            self.assign(Arc::clone(pod), ctx);
        }
    }

    fn assign(&mut self, pod: Arc<Pod>, ctx: &mut Context<Self>) {
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let assign = async move {
            let result = assignment(&tools.objects, &pod).await;
            addr.do_send(Assigned {
                uid: pod.metadata.uid.clone(),
                result,
            });
        };
        ctx.spawn(assign.into_actor(self));
    }

    /// Writes a report into its pod's status: reports of one pod one after the other, the newest
    /// last, so that none overtakes another.
    fn write(&mut self, report: PodReport, ctx: &mut Context<Self>) {
        if let Some(next) = self.writing.get_mut(&report.uid) {
            *next = Some(report);
            return;
        }
        self.writing.insert(report.uid.clone(), None);
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let node = self.name.clone();
        let write = async move {
            let uid = report.uid.clone();
            let result = write_report(&tools, &node, &report).await;
            addr.do_send(Written { uid, result });
        };
        ctx.spawn(write.into_actor(self));
    }

    /// Calls that wait need not wait until a pod's object says that it is ready.
    fn tell_sooner(&self, report: &PodReport) {
        let Some(pod) = self.pods.get(&report.uid) else {
            return;
        };
        if report.state != PodState::Ready || pod.is_ready() {
            return;
        }
        let mut pod = Pod::clone(pod);
        if report::apply(&mut pod, report, &timestamp(self.tools.clock.now())) {
            // Where it is lost the watch tells it.
            self.tools.functions.tell(ReadySooner(Arc::new(pod)));
        }
    }

    fn write_node(&self, ctx: &mut Context<Self>, hello: Option<Box<Hello>>) {
        let (tools, name) = (Arc::clone(&self.tools), self.name.clone());
        let write = async move {
            if let Err(error) = write_node(&tools, &name, hello.as_deref()).await {
                tracing::warn!(node = name, %error, "could not write a node's state");
            }
        };
        ctx.spawn(write.into_actor(self));
    }

    /// The agent stayed away: its pods are given up, so that others take their place.
    fn give_up(&mut self, ctx: &mut Context<Self>) {
        if self.session.is_some() {
            return;
        }
        for pod in self.pods.values() {
            let (tools, pod) = (Arc::clone(&self.tools), Arc::clone(pod));
            let remove = async move {
                if let Err(error) = remove_pod(&tools, &pod).await {
                    tracing::warn!(pod = pod.metadata.name, %error, "could not give a pod up");
                }
            };
            ctx.spawn(remove.into_actor(self));
        }
    }

    /// Gives the pods of a deleted node up until none is left.
    fn leave(&mut self, ctx: &mut Context<Self>) {
        if !self.leaving {
            return;
        }
        if self.pods.is_empty() {
            ctx.stop();
            return;
        }
        self.give_up(ctx);
        ctx.run_later(LEAVE_AGAIN, Self::leave);
    }

    /// Shows the node as gone when its agent stays away, and gives its pods up when it stays away for
    /// longer.
    fn watch_absence(&self, ctx: &mut Context<Self>) {
        let absence = self.absence;
        ctx.run_later(SILENCE, move |actor, ctx| {
            if actor.absence == absence {
                actor.write_node(ctx, None);
            }
        });
        ctx.run_later(SILENCE + GIVE_UP_AFTER, move |actor, ctx| {
            if actor.absence == absence {
                actor.give_up(ctx);
            }
        });
    }
}

/// Whether an agent shall run the pod.
fn runs(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none() && !pod.status.phase.is_some_and(PodPhase::is_final)
}

impl Actor for NodeActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.guard.tie(self, ctx);
        ctx.set_mailbox_capacity(4096);
        // The agent of a node that is known from before gets this long to dial.
        self.watch_absence(ctx);
    }
}

impl Handler<Attach> for NodeActor {
    type Result = ();

    fn handle(&mut self, attach: Attach, ctx: &mut Self::Context) {
        self.session = Some(Session {
            id: attach.session,
            outbox: attach.outbox,
        });
        self.told.clear();
        self.absence += 1;
        self.leaving = false;
        self.tools.grants.begin(&self.name);
        self.write_node(ctx, Some(attach.hello));
        let reported: BTreeSet<_> = attach.inventory.iter().map(|pod| pod.uid.clone()).collect();
        for report in attach.inventory {
            self.write(report, ctx);
        }
        let pods: Vec<_> = self.pods.values().cloned().collect();
        for pod in pods
            .iter()
            .filter(|pod| pod.is_ready() && !reported.contains(&pod.metadata.uid))
        {
            let (tools, pod) = (Arc::clone(&self.tools), Arc::clone(pod));
            let reset = async move {
                let now = timestamp(tools.clock.now());
                let (namespace, name) = (&pod.metadata.namespace, &pod.metadata.name);
                let write = |pod: &mut Pod| report::restart(pod, &now);
                let written = tools
                    .objects
                    .modify::<Pod>(namespace, name, Eventual, write)
                    .await;
                if let Err(error) = written {
                    tracing::warn!(pod = name, %error, "could not reset a pod's state");
                }
            };
            ctx.spawn(reset.into_actor(self));
        }
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let desired = async move {
            let mut assignments = Vec::new();
            for pod in pods.iter().filter(|pod| runs(pod)) {
                match assignment(&tools.objects, pod).await {
                    Ok(assignment) => assignments.push(assignment),
                    Err(error) => {
                        let uid = pod.metadata.uid.clone();
                        addr.do_send(Assigned {
                            uid,
                            result: Err(error),
                        });
                    }
                }
            }
            addr.do_send(Desire {
                session: attach.session,
                assignments,
            });
        };
        ctx.spawn(desired.into_actor(self));
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Desire {
    session: u64,
    assignments: Vec<common::link::PodAssignment>,
}

impl Handler<Desire> for NodeActor {
    type Result = ();

    fn handle(&mut self, desire: Desire, ctx: &mut Self::Context) {
        if self
            .session
            .as_ref()
            .is_none_or(|session| session.id != desire.session)
        {
            return;
        }
        self.told
            .extend(desire.assignments.iter().map(|pod| pod.uid.clone()));
        self.send(ToAgent::Desired(desire.assignments));
        // Pods that came or changed while the set was put together.
        for pod in self.pods.values().cloned().collect::<Vec<_>>() {
            self.steer(&pod, ctx);
        }
    }
}

impl Handler<Detach> for NodeActor {
    type Result = ();

    fn handle(&mut self, Detach { session }: Detach, ctx: &mut Self::Context) {
        let newer = |current: &Session| current.id != session;
        if self.session.as_ref().is_some_and(newer) {
            return;
        }
        self.session = None;
        self.absence += 1;
        self.watch_absence(ctx);
    }
}

impl Handler<Leave> for NodeActor {
    type Result = ();

    fn handle(&mut self, _: Leave, ctx: &mut Self::Context) {
        // Dropping its outbox ends the session; a node that is still there joins anew.
        self.session = None;
        self.leaving = true;
        self.leave(ctx);
    }
}

impl Handler<PodSeen> for NodeActor {
    type Result = ();

    fn handle(&mut self, PodSeen(pod): PodSeen, ctx: &mut Self::Context) {
        let uid = pod.metadata.uid.clone();
        let was_deleting = self
            .pods
            .get(&uid)
            .is_some_and(|old| old.metadata.deletion_timestamp.is_some());
        self.pods.insert(uid, Arc::clone(&pod));
        if !was_deleting {
            self.steer(&pod, ctx);
        }
    }
}

impl Handler<PodUnseen> for NodeActor {
    type Result = ();

    fn handle(&mut self, PodUnseen(uid): PodUnseen, ctx: &mut Self::Context) {
        self.told.remove(&uid);
        if let Some(pod) = self.pods.remove(&uid)
            && pod.metadata.deletion_timestamp.is_none()
        {
            self.send(ToAgent::RemovePod {
                uid,
                grace_seconds: 0,
            });
        }
        if self.leaving && self.pods.is_empty() {
            ctx.stop();
        }
    }
}

impl Handler<Order> for NodeActor {
    type Result = ();

    fn handle(&mut self, Order(order): Order, _: &mut Self::Context) {
        self.send(ToAgent::Build(Box::new(order)));
    }
}

impl Handler<Keep> for NodeActor {
    type Result = ();

    fn handle(&mut self, Keep(layers): Keep, _: &mut Self::Context) {
        self.send(ToAgent::KeepLayers(layers));
    }
}

impl Handler<Assigned> for NodeActor {
    type Result = ();

    fn handle(&mut self, Assigned { uid, result }: Assigned, ctx: &mut Self::Context) {
        let Some(pod) = self.pods.get(&uid).cloned() else {
            return;
        };
        match result {
            Ok(assignment) => {
                if runs(&pod) {
                    self.send(ToAgent::EnsurePod(Box::new(assignment)));
                }
            }
            Err(error) => match error.reason() {
                Some(reason) => self.write(report::failed(&pod, reason, &error.to_string()), ctx),
                None => {
                    self.told.remove(&uid);
                    ctx.run_later(RETRY_AFTER, move |actor, ctx| actor.steer(&pod, ctx));
                }
            },
        }
    }
}

impl Handler<Written> for NodeActor {
    type Result = ();

    fn handle(&mut self, Written { uid, result }: Written, ctx: &mut Self::Context) {
        if let Err(error) = result {
            tracing::warn!(pod = uid, %error, "could not write a pod's state");
        }
        if let Some(Some(next)) = self.writing.remove(&uid) {
            self.write(next, ctx);
        }
    }
}

impl Handler<FromAgent> for NodeActor {
    type Result = ();

    fn handle(&mut self, FromAgent { session, body }: FromAgent, ctx: &mut Self::Context) {
        if self
            .session
            .as_ref()
            .is_none_or(|current| current.id != session)
        {
            return;
        }
        match body {
            ToMaster::Pod(mut report) => {
                // An agent that never had a pod knows only its uid.
                if let (true, Some(pod)) = (report.name.is_empty(), self.pods.get(&report.uid)) {
                    report.namespace.clone_from(&pod.metadata.namespace);
                    report.name.clone_from(&pod.metadata.name);
                }
                let known = self.pods.get(&report.uid).is_some_and(|pod| pod.is_ready());
                if let (PodState::Ready, false, Some(cold)) = (report.state, known, &report.cold) {
                    self.tools.counts.started(cold);
                }
                self.tell_sooner(&report);
                self.write(*report, ctx);
            }
            ToMaster::Inventory(reports) => {
                for report in reports {
                    self.write(report, ctx);
                }
            }
            ToMaster::Build(report) => {
                self.tools.images.tell(BuildNews {
                    node: self.name.clone(),
                    report: *report,
                });
            }
            ToMaster::Usage(_) | ToMaster::Hello(_) | ToMaster::Ack => {}
        }
    }
}
