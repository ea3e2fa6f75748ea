use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message};
use common::link::PodAssignment;
use common::resources::{Node, Pod, PodPhase, Quantity, Resource};

use super::{Needs, NodeView, Unschedulable, place};
use crate::nodes::{ASSIGNMENT_ANNOTATION, is_ready};
use crate::objects::{Change, Objects};
use crate::platform::Platform;
use crate::supervisor::{Guard, follow};

/// A placed pod whose object does not show up counts so long.
const ASSUMED_FOR: Duration = Duration::from_secs(10);

/// Keeps what nodes offer and pods take.
pub struct Scheduler {
    objects: Objects,
    nodes: BTreeMap<String, NodeView>,
    /// What each pod takes, by its name in its namespace; pods placed a moment ago among them.
    taken: HashMap<String, Taken>,
    /// Pods placed whose objects have not shown up yet.
    assumed: HashSet<String>,
    _guard: Guard,
}

struct Taken {
    node: String,
    cpu_milli: u64,
    memory_bytes: u64,
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
            nodes: BTreeMap::new(),
            taken: HashMap::new(),
            assumed: HashSet::new(),
            _guard: guard,
        }
    }

    fn take(&mut self, pod: String, taken: Taken) {
        self.release(&pod);
        if let Some(node) = self.nodes.get_mut(&taken.node) {
            node.cpu_taken += taken.cpu_milli;
            node.memory_taken += taken.memory_bytes;
            node.pods += 1;
        }
        self.taken.insert(pod, taken);
    }

    fn release(&mut self, pod: &str) {
        let Some(taken) = self.taken.remove(pod) else {
            return;
        };
        if let Some(node) = self.nodes.get_mut(&taken.node) {
            node.cpu_taken = node.cpu_taken.saturating_sub(taken.cpu_milli);
            node.memory_taken = node.memory_taken.saturating_sub(taken.memory_bytes);
            node.pods = node.pods.saturating_sub(1);
        }
    }

    fn node_seen(&mut self, change: Change<Node>) {
        match change {
            Change::Restarted(nodes) => {
                self.nodes.clear();
                nodes.into_iter().for_each(|node| self.node_applied(&node));
            }
            Change::Applied(node) => self.node_applied(&node),
            Change::Deleted(node) => {
                self.nodes.remove(&node.metadata.name);
            }
        }
    }

    fn node_applied(&mut self, node: &Node) {
        let mut view = view(node);
        for taken in self.taken.values().filter(|taken| taken.node == view.name) {
            view.cpu_taken += taken.cpu_milli;
            view.memory_taken += taken.memory_bytes;
            view.pods += 1;
        }
        self.nodes.insert(view.name.clone(), view);
    }

    fn pod_seen(&mut self, change: Change<Pod>) {
        match change {
            Change::Restarted(pods) => {
                let known: Vec<_> = self.taken.keys().cloned().collect();
                known.iter().for_each(|pod| self.release(pod));
                pods.iter().for_each(|pod| self.pod_applied(pod));
            }
            Change::Applied(pod) => self.pod_applied(&pod),
            Change::Deleted(pod) => self.release(&key(&pod)),
        }
    }

    fn pod_applied(&mut self, pod: &Pod) {
        self.assumed.remove(&key(pod));
        if pod.status.phase.is_some_and(PodPhase::is_final) {
            self.release(&key(pod));
            return;
        }
        let assignment = pod.metadata().annotations.get(ASSIGNMENT_ANNOTATION);
        let assignment =
            assignment.and_then(|text| serde_json::from_str::<PodAssignment>(text).ok());
        if let (Some(node), Some(assignment)) = (&pod.spec.node_name, assignment) {
            let taken = Taken {
                node: node.clone(),
                cpu_milli: assignment.cpu_milli,
                memory_bytes: assignment.memory_bytes,
            };
            self.take(key(pod), taken);
        }
    }
}

fn key(pod: &Pod) -> String {
    // Pod names carry random suffixes; that two namespaces share one is not worth a longer key.
    pod.metadata.name.clone()
}

fn view(node: &Node) -> NodeView {
    let amount = |name: &str| {
        node.status
            .allocatable
            .get(name)
            .and_then(|text| text.parse::<Quantity>().ok())
    };
    let closes = |effect: &str| effect == "NoSchedule" || effect == "NoExecute";
    NodeView {
        name: node.metadata.name.clone(),
        ready: is_ready(node),
        closed: node.spec.unschedulable
            || node.spec.taints.iter().any(|taint| closes(&taint.effect)),
        platform: Platform::of(node),
        labels: node.metadata.labels.clone(),
        cpu_milli: amount("cpu").map_or(0, |q| q.milli()),
        memory_bytes: amount("memory").map_or(0, |q| q.whole()),
        max_pods: amount("pods").map_or(0, |q| u32::try_from(q.whole()).unwrap_or(u32::MAX)),
        ..NodeView::default()
    }
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
        let node = place(self.nodes.values(), &needs)?.to_owned();
        let taken = Taken {
            node: node.clone(),
            cpu_milli: needs.cpu_milli,
            memory_bytes: needs.memory_bytes,
        };
        self.take(pod.clone(), taken);
        self.assumed.insert(pod.clone());
        ctx.run_later(ASSUMED_FOR, move |scheduler, _| {
            if scheduler.assumed.remove(&pod) {
                scheduler.release(&pod);
            }
        });
        let platform = self.nodes.get(&node).map(|view| view.platform.clone());
        Ok(Placed {
            node,
            platform: platform.unwrap_or_default(),
        })
    }
}
