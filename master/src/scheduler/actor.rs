use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorFutureExt as _, AsyncContext, Context, Handler, Message, ResponseActFuture,
    WrapFuture as _,
};
use common::link::PodAssignment;
use common::resources::{Node, Pod, PodPhase, Resource};

use super::{Needs, NodeFacts, Roster, Taken, Unschedulable, code_of};
use crate::nodes::ASSIGNMENT_ANNOTATION;
use crate::objects::{Change, Objects};
use crate::platform::Platform;
use crate::supervisor::{Guard, Listed, follow};

/// A placed pod whose object does not show up counts so long.
const ASSUMED_FOR: Duration = Duration::from_secs(10);
/// How often those that do not are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(1);

/// Keeps what nodes offer and pods take.
pub struct Scheduler {
    objects: Objects,
    /// Nodes and pods; pods placed a moment ago among them.
    roster: Roster,
    /// Pods placed whose objects have not shown up yet.
    assumed: HashSet<String>,
    /// The same in the order of their placing, and when each is forgotten.
    assumed_until: VecDeque<(Instant, String)>,
    /// Without all nodes and pods it would place pods where there is no room.
    listed: Listed,
    _guard: Guard,
}

/// Asks for the node of a pod.
#[derive(Message)]
#[rtype(result = "Result<Placed, Unschedulable>")]
pub struct Place {
    /// The pod's name; it counts as taken from now on.
    pub pod: String,
    /// What it takes.
    pub needs: Needs,
}

/// Where a pod goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The node.
    pub node: String,
    /// What it runs machine code of.
    pub platform: Platform,
}

#[derive(Message)]
#[rtype(result = "()")]
enum Seen {
    Node(Change<Node>),
    Pod(Change<Pod>),
}

impl Scheduler {
    /// A scheduler that knows nothing yet.
    #[must_use]
    pub fn new(objects: Objects, guard: Guard) -> Self {
        Self {
            objects,
            roster: Roster::default(),
            assumed: HashSet::new(),
            assumed_until: VecDeque::new(),
            listed: Listed::lacking([Node::KIND.plural, Pod::KIND.plural]),
            _guard: guard,
        }
    }

    fn node_seen(&mut self, change: Change<Node>) {
        match change {
            Change::Restarted(nodes) => {
                let names = nodes.iter().map(|node| node.metadata.name.as_str());
                self.roster.keep(&names.collect());
                nodes.iter().for_each(|node| self.node_applied(node));
                self.listed.saw(Node::KIND.plural);
            }
            Change::Applied(node) => self.node_applied(&node),
            Change::Deleted(node) => self.roster.remove(&node.metadata.name),
        }
    }

    fn node_applied(&mut self, node: &Node) {
        self.roster.set(&node.metadata.name, NodeFacts::of(node));
    }

    fn pod_seen(&mut self, change: Change<Pod>) {
        match change {
            Change::Restarted(pods) => {
                let there: BTreeSet<_> = pods.iter().map(key).collect();
                let gone = self.roster.pods().map(|(pod, _)| pod);
                let gone: Vec<_> = gone
                    .filter(|pod| !there.contains(pod.as_str()))
                    .cloned()
                    .collect();
                for pod in gone.iter().filter(|pod| !self.assumed.contains(*pod)) {
                    self.roster.release(pod);
                }
                pods.iter().for_each(|pod| self.pod_applied(pod));
                self.listed.saw(Pod::KIND.plural);
            }
            Change::Applied(pod) => self.pod_applied(&pod),
            Change::Deleted(pod) => self.roster.release(key(&pod)),
        }
    }

    fn pod_applied(&mut self, pod: &Pod) {
        self.assumed.remove(key(pod));
        if pod.status.phase.is_some_and(PodPhase::is_final) {
            self.roster.release(key(pod));
            return;
        }
        let assignment = pod.metadata().annotations.get(ASSIGNMENT_ANNOTATION);
        let assignment =
            assignment.and_then(|text| serde_json::from_str::<PodAssignment>(text).ok());
        if let (Some(node), Some(assignment)) = (&pod.spec.node_name, assignment) {
            let taken = Taken {
                node: Arc::from(node.as_str()),
                function: function(&assignment.namespace, &assignment.function),
                cpu_milli: assignment.cpu_milli,
                memory_bytes: assignment.memory_bytes,
                code: Some(code_of(&assignment.origin)),
            };
            self.roster.take(key(pod).to_owned(), taken);
        }
    }
}

fn key(pod: &Pod) -> &str {
    // Pod names carry random suffixes; that two namespaces share one is not worth a longer key.
    &pod.metadata.name
}

/// Names a function for [`Needs::function`].
#[must_use]
pub fn function(namespace: &str, name: &str) -> Arc<str> {
    Arc::from(format!("{namespace}/{name}"))
}

impl Actor for Scheduler {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4096);
        ctx.run_interval(FORGET_EVERY, |scheduler, _| scheduler.forget_assumed());
        follow(self.objects.watch::<Node>(), Seen::Node, self, ctx);
        follow(self.objects.watch::<Pod>(), Seen::Pod, self, ctx);
    }
}

impl Handler<Seen> for Scheduler {
    type Result = ();

    fn handle(&mut self, seen: Seen, _: &mut Self::Context) {
        match seen {
            Seen::Node(change) => self.node_seen(change),
            Seen::Pod(change) => self.pod_seen(change),
        }
    }
}

impl Scheduler {
    fn place(&mut self, Place { pod, needs }: Place) -> Result<Placed, Unschedulable> {
        let node = Arc::clone(self.roster.place(&needs)?);
        let taken = Taken {
            node: Arc::clone(&node),
            function: needs.function,
            cpu_milli: needs.cpu_milli,
            memory_bytes: needs.memory_bytes,
            code: None,
        };
        self.roster.take(pod.clone(), taken);
        self.assumed.insert(pod.clone());
        self.assumed_until
            .push_back((Instant::now() + ASSUMED_FOR, pod));
        let facts = self.roster.facts(&node);
        Ok(Placed {
            node: node.to_string(),
            platform: facts
                .map(|facts| facts.platform.clone())
                .unwrap_or_default(),
        })
    }

    /// Forgets pods that were placed long ago and never showed up. One timer for all: an actor looks at each of its
    /// timers whenever it does something.
    fn forget_assumed(&mut self) {
        let now = Instant::now();
        let over = self
            .assumed_until
            .partition_point(|(until, _)| *until <= now);
        for (_, pod) in self.assumed_until.drain(..over) {
            if self.assumed.remove(&pod) {
                self.roster.release(&pod);
            }
        }
    }
}

impl Handler<Place> for Scheduler {
    type Result = ResponseActFuture<Self, Result<Placed, Unschedulable>>;

    fn handle(&mut self, place: Place, _: &mut Self::Context) -> Self::Result {
        let listed = self.listed.wait().into_actor(self);
        Box::pin(listed.map(|(), scheduler, _| scheduler.place(place)))
    }
}
