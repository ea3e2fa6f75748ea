//! What a node's agent is told: which pods it shall run, builds, layers.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix::{AsyncContext, Context, Handler, Message, WrapFuture};
use common::link::{PodAssignment, ToAgent};
use common::resources::{Pod, timestamp};

use super::{Attach, Keep, NodeActor, Order, Session, runs};
use crate::nodes::assignment::{AssignmentError, assignment, known};
use crate::nodes::report;
use crate::store::Durability::Eventual;

#[derive(Message)]
#[rtype(result = "()")]
struct Assigned {
    uid: String,
    result: Result<PodAssignment, AssignmentError>,
}

/// All that the node shall run, put together.
#[derive(Message)]
#[rtype(result = "()")]
struct Desire {
    session: u64,
    assignments: Vec<PodAssignment>,
}

impl NodeActor {
    /// Sends to the agent. An agent that does not read loses its session; it dials again and both
    /// sides tell all they know.
    pub(super) fn send(&mut self, message: ToAgent) {
        self.tools.grants.note(&self.name, &message);
        let full = |session: &Session| session.outbox.try_send(message).is_err();
        if self.session.as_ref().is_some_and(full) {
            tracing::warn!(node = self.name, "agent does not keep up; its session ends");
            self.session = None;
        }
    }

    /// Tells the agent what to do about a pod.
    pub(super) fn steer(&mut self, pod: &Arc<Pod>, ctx: &mut Context<Self>) {
        let uid = pod.metadata.uid.clone();
        if !self.session.as_ref().is_some_and(|session| session.begun) {
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

    /// Puts together all that the agent shall run, for the beginning of a session. It has `reported` some already.
    fn desire(&self, session: u64, reported: BTreeSet<String>, ctx: &mut Context<Self>) {
        let pods: Vec<_> = self.pods.values().cloned().collect();
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let desired = async move {
            let mut assignments = Vec::new();
            for pod in pods.iter().filter(|pod| runs(pod)) {
                let of_pod = match assignment(&tools.objects, pod).await {
                    // What a pod was started with may be gone by now.
                    Err(_) if reported.contains(&pod.metadata.uid) => known(pod),
                    other => other,
                };
                match of_pod {
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
                session,
                assignments,
            });
        };
        ctx.spawn(desired.into_actor(self));
    }

    /// A pod that the agent does not have is started again: it is not ready before.
    fn reset(&self, pod: Arc<Pod>, ctx: &mut Context<Self>) {
        let tools = Arc::clone(&self.tools);
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
}

impl Handler<Attach> for NodeActor {
    type Result = ();

    fn handle(&mut self, attach: Attach, ctx: &mut Self::Context) {
        self.session = Some(Session {
            id: attach.session,
            outbox: attach.outbox,
            begun: false,
        });
        self.told.clear();
        self.absence += 1;
        self.closing = false;
        self.deleted = false;
        self.tools.grants.begin(&self.name);
        self.write_node(crate::nodes::write::State::Here(attach.hello), ctx);
        let reported: BTreeSet<_> = attach.inventory.iter().map(|pod| pod.uid.clone()).collect();
        for report in attach.inventory {
            self.write(report, ctx);
        }
        let lost = |pod: &&Arc<Pod>| pod.is_ready() && !reported.contains(&pod.metadata.uid);
        for pod in self.pods.values().filter(lost).cloned() {
            self.reset(pod, ctx);
        }
        self.desire(attach.session, reported, ctx);
    }
}

impl Handler<Desire> for NodeActor {
    type Result = ();

    fn handle(&mut self, desire: Desire, ctx: &mut Self::Context) {
        let Some(session) = &mut self.session else {
            return;
        };
        if session.id != desire.session {
            return;
        }
        session.begun = true;
        let mut assignments = desire.assignments;
        // Some may have been deleted since.
        assignments.retain(|pod| self.pods.get(&pod.uid).is_some_and(|pod| runs(pod)));
        self.told
            .extend(assignments.iter().map(|pod| pod.uid.clone()));
        self.send(ToAgent::Desired(assignments));
        // Pods that came or changed while the set was put together.
        for pod in self.pods.values().cloned().collect::<Vec<_>>() {
            self.steer(&pod, ctx);
        }
    }
}

impl Handler<Assigned> for NodeActor {
    type Result = ();

    fn handle(&mut self, Assigned { uid, result }: Assigned, ctx: &mut Self::Context) {
        let Some(pod) = self.pods.get(&uid).cloned() else {
            return;
        };
        // What was begun in an earlier session is looked up again.
        if !self.session.as_ref().is_some_and(|session| session.begun) && result.is_ok() {
            return;
        }
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
                    tracing::error!(pod = pod.metadata.name, %error, "could not assign a pod");
                }
            },
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
