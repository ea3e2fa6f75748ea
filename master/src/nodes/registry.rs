use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt as _, Addr, AsyncContext, Context, Handler, Message,
    Recipient, ResponseActFuture, WrapFuture as _,
};
use common::link::{BuildOrder, Hello, PodReport, ToAgent, ToMaster, Welcome};
use common::resources::{Function, Node, Pod, Resource as _};
use tokio::sync::mpsc;

use super::actor::{Attach, Detach, Keep, Leave, NodeActor, NodeSeen, Order, PodSeen, PodUnseen};
use super::builder::{BuildTarget, Candidate, choose};
use super::metrics::PodCounts;
use super::shelves::Shelves;
use super::{Bases, Grants, NodeBook};
use crate::clock::Clock;
use crate::functions::Functions;
use crate::images::{Images, NodeLost};
use crate::objects::{Change, Objects};
use crate::platform::Platform;
use crate::supervisor::{ChildDown, Down, Guard, Listed, Mailbox, Nursery, RestartPolicy, follow};

/// What the actors of nodes use.
pub struct NodesTools {
    /// The API's objects.
    pub objects: Objects,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How nodes are reached.
    pub book: NodeBook,
    /// Which blobs nodes may fetch.
    pub grants: Grants,
    /// Hears of builds.
    pub images: Mailbox<Images>,
    /// Hears at once of pods that are ready.
    pub functions: Mailbox<Functions>,
    /// The function bases that connected nodes have.
    pub bases: Bases,
    /// Whether images are pushed, so that nodes are asked for their bases.
    pub has_registry: bool,
    /// Counts pods.
    pub counts: PodCounts,
    /// Counts the master's starts.
    pub epoch: u64,
    /// After so long without its agent a node is not ready.
    pub not_ready_after: Duration,
    /// After so long beyond that its pods are replaced elsewhere.
    pub replace_after: Duration,
}

/// Functions that were built within this time are told to the nodes together.
const GATHER: Duration = Duration::from_millis(200);

/// The room of the nodes.
pub struct Nodes {
    tools: Arc<NodesTools>,
    pub(crate) children: Option<Nursery<NodeActor>>,
    pods: HashMap<String, BTreeMap<String, Arc<Pod>>>,
    builds: HashMap<String, u32>,
    connected: HashMap<String, Linked>,
    /// Their objects as last seen.
    nodes: HashMap<String, Arc<Node>>,
    shelves: Shelves,
    /// Whether the nodes will be told of layers soon.
    telling: bool,
    sessions: u64,
    /// An agent that was told of no pods would end all it has.
    listed: Listed,
    _guard: Guard,
}

/// An agent's session, and what its node builds.
struct Linked {
    session: u64,
    platform: Platform,
}

/// An agent greets.
#[derive(Message)]
#[rtype(result = "Result<Connected, Refused>")]
pub struct Connect {
    /// Who it is; the name was checked against its certificate.
    pub hello: Box<Hello>,
    /// The pods it has.
    pub inventory: Vec<PodReport>,
    /// What is sent here goes to the agent.
    pub outbox: mpsc::Sender<ToAgent>,
}

/// A session stands.
pub struct Connected {
    /// Names the session.
    pub session: u64,
    /// The answer to the greeting.
    pub welcome: Welcome,
    /// Takes what the agent says from now on.
    pub recipient: Recipient<FromAgent>,
}

/// A session is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the room of the nodes is starting; dial again")]
pub struct Refused;

/// An agent said something.
#[derive(Message)]
#[rtype(result = "()")]
pub struct FromAgent {
    /// The session it came by.
    pub session: u64,
    /// What it said.
    pub body: ToMaster,
}

/// A session ended.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Disconnected {
    /// The node.
    pub node: String,
    /// The session.
    pub session: u64,
    /// Nothing was heard for so long before it ended.
    pub silent: Duration,
}

/// Give a build to a connected node. Answers its name and what it builds for, or `None` when there is
/// no node that could.
#[derive(Message)]
#[rtype(result = "Option<(String, Platform)>")]
pub struct Dispatch {
    /// The build; the platform is filled in.
    pub order: Box<BuildOrder>,
    /// Whom it may be for.
    pub target: BuildTarget,
}

#[derive(Message)]
#[rtype(result = "()")]
enum Seen {
    Function(Box<Change<Function>>),
    Node(Change<Node>),
    Pod(Change<Pod>),
}

#[derive(Message)]
#[rtype(result = "()")]
struct Restart(String);

impl Nodes {
    /// The room, with the tools its children use.
    #[must_use]
    pub fn new(tools: Arc<NodesTools>, guard: Guard) -> Self {
        Self {
            tools,
            children: None,
            pods: HashMap::new(),
            builds: HashMap::new(),
            connected: HashMap::new(),
            nodes: HashMap::new(),
            shelves: Shelves::default(),
            telling: false,
            sessions: 0,
            listed: Listed::lacking([Pod::KIND.plural]),
            _guard: guard,
        }
    }

    fn ensure_child(&mut self, node: &str) -> Option<Addr<NodeActor>> {
        let pods = self
            .pods
            .get(node)
            .map(|pods| pods.values().cloned().collect());
        let (tools, name) = (Arc::clone(&self.tools), node.to_owned());
        let object = self.nodes.get(node).cloned();
        let children = self.children.as_mut()?;
        let child = children.start(node, |guard| {
            NodeActor::new(name, object, pods.unwrap_or_default(), tools, guard).start()
        });
        Some(child.clone())
    }

    fn function_seen(&mut self, change: Change<Function>, ctx: &mut Context<Self>) {
        let new = match change {
            Change::Restarted(functions) => {
                self.shelves = Shelves::default();
                functions
                    .iter()
                    .fold(false, |new, one| self.shelves.set(one) | new)
            }
            Change::Applied(function) => self.shelves.set(&function),
            Change::Deleted(function) => {
                self.shelves.remove(&function);
                false
            }
        };
        if new {
            self.tell_soon(ctx);
        }
    }

    fn tell_soon(&mut self, ctx: &mut Context<Self>) {
        if self.telling {
            return;
        }
        self.telling = true;
        ctx.run_later(GATHER, |nodes, _| nodes.tell_layers());
    }

    /// Tells each connected node which layers it should have.
    fn tell_layers(&mut self) {
        self.telling = false;
        let none = BTreeMap::new();
        for (node, linked) in &self.connected {
            let object = self.nodes.get(node);
            let labels = object.map_or(&none, |node| &node.metadata.labels);
            let layers = self.shelves.of(&linked.platform, labels);
            if let Some(child) = self.child(node).filter(|_| !layers.is_empty()) {
                child.do_send(Keep(layers));
            }
        }
    }

    fn node_applied(&mut self, node: Node) {
        self.tools.book.set(&node);
        let (name, node) = (node.metadata.name.clone(), Arc::new(node));
        self.nodes.insert(name.clone(), Arc::clone(&node));
        match self.child(&name) {
            Some(child) => child.do_send(NodeSeen(node)),
            None => {
                self.ensure_child(&name);
            }
        }
    }

    fn node_removed(&mut self, name: &str) {
        self.nodes.remove(name);
        self.tools.book.remove(name);
        if let Some(child) = self.child(name) {
            child.do_send(Leave);
        }
    }

    fn node_seen(&mut self, change: Change<Node>) {
        match change {
            Change::Restarted(nodes) => {
                let there: BTreeSet<_> = nodes.iter().map(|n| n.metadata.name.clone()).collect();
                let gone = self.nodes.keys().filter(|name| !there.contains(*name));
                for name in gone.cloned().collect::<Vec<_>>() {
                    self.node_removed(&name);
                }
                nodes.into_iter().for_each(|node| self.node_applied(node));
            }
            Change::Applied(node) => self.node_applied(node),
            Change::Deleted(node) => self.node_removed(&node.metadata.name),
        }
    }

    fn pod_seen(&mut self, change: Change<Pod>) {
        match change {
            Change::Restarted(pods) => {
                let mut gone = std::mem::take(&mut self.pods);
                for pod in pods {
                    if let Some(known) = gone.get_mut(node_of(&pod)) {
                        known.remove(&pod.metadata.uid);
                    }
                    self.pod_applied(pod);
                }
                for pod in gone.into_values().flat_map(BTreeMap::into_values) {
                    self.pod_removed(&pod);
                }
                self.listed.saw(Pod::KIND.plural);
            }
            Change::Applied(pod) => self.pod_applied(pod),
            Change::Deleted(pod) => self.pod_removed(&pod),
        }
    }

    fn pod_applied(&mut self, pod: Pod) {
        let node = node_of(&pod).to_owned();
        if node.is_empty() {
            return;
        }
        let pod = Arc::new(pod);
        let pods = self.pods.entry(node.clone()).or_default();
        pods.insert(pod.metadata.uid.clone(), Arc::clone(&pod));
        // Also for a node that was deleted just before the pod was placed there: its actor gives the pod
        // up when no agent comes.
        if let Some(child) = self.ensure_child(&node) {
            child.do_send(PodSeen(pod));
        }
    }

    fn pod_removed(&mut self, pod: &Pod) {
        let node = node_of(pod);
        if let Some(pods) = self.pods.get_mut(node) {
            pods.remove(&pod.metadata.uid);
        }
        if let Some(child) = self.child(node) {
            child.do_send(PodUnseen(pod.metadata.uid.clone()));
        }
    }

    fn child(&self, node: &str) -> Option<&Addr<NodeActor>> {
        self.children.as_ref()?.get(node)
    }
}

fn node_of(pod: &Pod) -> &str {
    pod.spec.node_name.as_deref().unwrap_or_default()
}

impl Actor for Nodes {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4096);
        self.children = Some(Nursery::new(RestartPolicy::LEAF, ctx.address().recipient()));
        let objects = &self.tools.objects;
        follow(objects.watch::<Node>(), Seen::Node, self, ctx);
        follow(objects.watch::<Pod>(), Seen::Pod, self, ctx);
        follow(
            objects.watch::<Function>(),
            |change| Seen::Function(Box::new(change)),
            self,
            ctx,
        );
    }
}

impl Handler<Seen> for Nodes {
    type Result = ();

    fn handle(&mut self, seen: Seen, ctx: &mut Self::Context) {
        match seen {
            Seen::Function(change) => self.function_seen(*change, ctx),
            Seen::Node(change) => self.node_seen(change),
            Seen::Pod(change) => self.pod_seen(change),
        }
    }
}

impl Nodes {
    fn connect(&mut self, connect: Connect, ctx: &mut Context<Self>) -> Result<Connected, Refused> {
        if connect.outbox.is_closed() {
            // Its session did not wait so long.
            return Err(Refused);
        }
        self.tell_soon(ctx);
        let node = connect.hello.node.clone();
        self.sessions += 1;
        let session = self.sessions;
        let child = self.ensure_child(&node).ok_or(Refused)?;
        self.tools.images.tell(NodeLost(node.clone()));
        let linked = Linked {
            session,
            platform: Platform::new(&connect.hello.arch, &connect.hello.python),
        };
        self.tools.bases.set(&connect.hello);
        self.connected.insert(node, linked);
        let welcome = Welcome {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch: self.tools.epoch,
            registry: self.tools.has_registry,
        };
        let attach = Attach {
            session,
            hello: connect.hello,
            inventory: connect.inventory,
            outbox: connect.outbox,
        };
        child.do_send(attach);
        Ok(Connected {
            session,
            welcome,
            recipient: child.recipient(),
        })
    }
}

impl Handler<Connect> for Nodes {
    type Result = ResponseActFuture<Self, Result<Connected, Refused>>;

    fn handle(&mut self, connect: Connect, _: &mut Self::Context) -> Self::Result {
        let listed = self.listed.wait().into_actor(self);
        Box::pin(listed.map(|(), nodes, ctx| nodes.connect(connect, ctx)))
    }
}

impl Handler<Disconnected> for Nodes {
    type Result = ();

    fn handle(&mut self, gone: Disconnected, _: &mut Self::Context) {
        let Disconnected {
            node,
            session,
            silent,
        } = gone;
        let current = |linked: &Linked| linked.session == session;
        if self.connected.get(&node).is_some_and(current) {
            self.connected.remove(&node);
            self.builds.remove(&node);
            self.tools.bases.remove(&node);
            self.tools.images.tell(NodeLost(node.clone()));
        }
        if let Some(child) = self.child(&node) {
            child.do_send(Detach { session, silent });
        }
    }
}

impl Handler<Dispatch> for Nodes {
    type Result = Option<(String, Platform)>;

    fn handle(&mut self, dispatch: Dispatch, _: &mut Self::Context) -> Self::Result {
        let Dispatch { mut order, target } = dispatch;
        let children = self.children.as_ref()?;
        let alive = self.connected.iter();
        let candidates: Vec<_> = alive
            .filter(|(node, _)| children.get(node).is_some())
            .map(|(node, linked)| Candidate {
                node,
                platform: &linked.platform,
                given: self.builds.get(node).copied().unwrap_or(0),
            })
            .collect();
        let (node, platform) = choose(&candidates, &target)?;
        order.arch.clone_from(&platform.arch);
        order.python.clone_from(&platform.python);
        let node = node.to_owned();
        children.get(&node)?.do_send(Order(*order));
        *self.builds.entry(node.clone()).or_default() += 1;
        Some((node, platform))
    }
}

impl Handler<ChildDown> for Nodes {
    type Result = ();

    fn handle(&mut self, down: ChildDown, ctx: &mut Self::Context) {
        let now = self.tools.clock.now();
        let Some(children) = &mut self.children else {
            return;
        };
        match children.on_down(&down, now, rand::random()) {
            Down::RestartAfter(delay) => {
                tracing::error!(
                    node = down.id,
                    ?delay,
                    "node's actor fell; starting it again"
                );
                ctx.notify_later(Restart(down.id), delay);
            }
            Down::Escalate => ctx.terminate(),
            Down::Stale | Down::Stopped => {}
        }
    }
}

impl Handler<Restart> for Nodes {
    type Result = ();

    fn handle(&mut self, Restart(node): Restart, _: &mut Self::Context) {
        self.ensure_child(&node);
    }
}
