//! The actor of one node. `orders` is what its agent is told, `reports` what the agent says, `departures`
//! which pods leave the node and when (`stay`, the pure decision), also when the agent is away.

mod departures;
mod messages;
mod orders;
mod reports;
mod stay;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use actix::{Actor, ActorContext, Context, Handler, SpawnHandle};
use common::link::{PodReport, ToAgent};
use common::resources::{Node, Pod, PodPhase};
use jiff::Timestamp;
use tokio::sync::mpsc;

pub(super) use messages::{Attach, Detach, Keep, Leave, NodeSeen, Order, PodSeen, PodUnseen};
pub(super) use stay::{NOT_READY, UNREACHABLE};

use super::registry::NodesTools;
use crate::nodes::write::State;
use crate::supervisor::Guard;

/// The actor of one node.
pub struct NodeActor {
    name: String,
    pods: BTreeMap<String, Arc<Pod>>,
    /// The node's object as last seen.
    node: Option<Arc<Node>>,
    session: Option<Session>,
    /// Reports being written, and for each pod the one to write next.
    writing: HashMap<String, Option<PodReport>>,
    /// A write of the node's state that is under way, and the state that comes next.
    writing_node: Option<Option<State>>,
    /// Pods of which it is being written that they leave, by uid.
    departing: HashSet<String>,
    /// Pods the agent was told to run in this session.
    told: BTreeSet<String>,
    /// Counts the times the agent came or went, so that a clock set in one absence does not strike in
    /// the next.
    absence: u64,
    /// When the actor was started: what drove pods away before it gets a little more time.
    began: Timestamp,
    /// The next look at which pods leave.
    review: Option<SpawnHandle>,
    /// The agent ends.
    closing: bool,
    /// The node was deleted: the actor ends when none of its pods is left.
    deleted: bool,
    tools: Arc<NodesTools>,
    guard: Guard,
}

struct Session {
    id: u64,
    outbox: mpsc::Sender<ToAgent>,
    /// Whether the agent has been sent all that it shall run. It ends what is missing there, so it is told of no pod before.
    begun: bool,
}

impl NodeActor {
    /// The actor of a node with these pods.
    pub(super) fn new(
        name: String,
        node: Option<Arc<Node>>,
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
            node,
            session: None,
            writing: HashMap::new(),
            writing_node: None,
            departing: HashSet::new(),
            told: BTreeSet::new(),
            absence: 0,
            began: tools.clock.now(),
            review: None,
            closing: false,
            deleted: false,
            tools,
            guard,
        }
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
        self.watch_absence(self.tools.not_ready_after, ctx);
        self.review(ctx);
    }
}

impl Handler<NodeSeen> for NodeActor {
    type Result = ();

    fn handle(&mut self, NodeSeen(node): NodeSeen, ctx: &mut Self::Context) {
        self.node = Some(node);
        self.review(ctx);
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
        let new = self.pods.insert(uid, Arc::clone(&pod)).is_none();
        if !was_deleting {
            self.steer(&pod, ctx);
        }
        if new {
            self.review(ctx);
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
        if self.deleted && self.pods.is_empty() {
            ctx.stop();
        }
    }
}
