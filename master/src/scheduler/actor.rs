use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message};
use common::link::PodAssignment;
use common::resources::{Node, Pod, PodPhase, Resource};

use super::{Needs, NodeFacts, Roster, Taken, Unschedulable, code_of};
use crate::nodes::ASSIGNMENT_ANNOTATION;
use crate::objects::{Change, Objects};
use crate::platform::Platform;
use crate::supervisor::{Guard, follow};

/// A placed pod whose object does not show up counts so long.
const ASSUMED_FOR: Duration = Duration::from_secs(10);

/// Keeps what nodes offer and pods take.
pub struct Scheduler {
    objects: Objects,
    /// Nodes and pods; pods placed a moment ago among them.
    roster: Roster,
    /// Pods placed whose objects have not shown up yet.
    assumed: HashSet<String>,
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
            _guard: guard,
        }
    }

    fn node_seen(&mut self, change: Change<Node>) {
        match change {
            Change::Restarted(nodes) => {
                let names = nodes.iter().map(|node| node.metadata.name.as_str());
                self.roster.keep(&names.collect());
                nodes.iter().for_each(|node| self.node_applied(node));
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

impl Handler<Place> for Scheduler {
    type Result = Result<Placed, Unschedulable>;

    fn handle(&mut self, Place { pod, needs }: Place, ctx: &mut Self::Context) -> Self::Result {
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
        ctx.run_later(ASSUMED_FOR, move |scheduler, _| {
            if scheduler.assumed.remove(&pod) {
                scheduler.roster.release(&pod);
            }
        });
        let facts = self.roster.facts(&node);
        Ok(Placed {
            node: node.to_string(),
            platform: facts
                .map(|facts| facts.platform.clone())
                .unwrap_or_default(),
        })
    }
}
