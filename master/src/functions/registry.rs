use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message, ResponseFuture};
use common::resources::{FUNCTION_LABEL, Function, Pod, REVISION_LABEL, Resource as _};

use super::Tools;
use super::actor::{FunctionActor, PodChanged, PodReady, PodRemoved, Removed, Updated, Wake};
use super::objects::replica_set_uid;
use super::plan::Event;
use crate::key::ObjectKey;
use crate::objects::Change;
use crate::router::{Publish, Route, Withdraw};
use crate::supervisor::{AskError, ChildDown, Down, Guard, Listed, Nursery, RestartPolicy, follow};

/// The room of the functions: watches their objects and keeps an actor for each.
pub struct Functions {
    tools: Arc<Tools>,
    pub(crate) children: Option<Nursery<FunctionActor>>,
    /// The objects as last seen: what a restarted child begins with.
    functions: HashMap<ObjectKey, Arc<Function>>,
    pods: HashMap<ObjectKey, BTreeMap<String, Arc<Pod>>>,
    /// A child that did not know its pods would start others in their places.
    listed: Listed,
    _guard: Guard,
}

/// Asks for the route of a function that the table may not show yet.
#[derive(Message)]
#[rtype(result = "Result<Option<Arc<Route>>, AskError>")]
pub struct Find(pub ObjectKey);

/// A call found no slot.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Demanded(pub ObjectKey);

/// Something the gateway found out about a function's pod.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Report {
    /// The function.
    pub function: ObjectKey,
    /// What it found.
    pub event: Event,
}

/// A pod's node says that it is ready. The watch will tell the same; calls that wait need not.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ReadySooner(pub Arc<Pod>);

#[derive(Message)]
#[rtype(result = "()")]
enum Seen {
    Function(Box<Change<Function>>),
    Pod(Box<Change<Pod>>),
}

#[derive(Message)]
#[rtype(result = "()")]
struct Restart {
    key: ObjectKey,
    id: String,
}

impl Functions {
    /// The room, with the tools its children use.
    #[must_use]
    pub fn new(tools: Arc<Tools>, guard: Guard) -> Self {
        Self {
            tools,
            children: None,
            functions: HashMap::new(),
            pods: HashMap::new(),
            listed: Listed::lacking([Pod::KIND.plural]),
            _guard: guard,
        }
    }

    /// Starts the child of a function that has none, with its pods, once they are known.
    fn ensure_child(&mut self, key: &ObjectKey) {
        if !self.listed.is_complete() {
            return;
        }
        let Some(function) = self.functions.get(key).cloned() else {
            return;
        };
        let uid = function.metadata.uid.clone();
        let known = self.pods.get(key).into_iter().flat_map(BTreeMap::values);
        let pods: Vec<_> = known.filter(|pod| belongs(pod, &uid)).cloned().collect();
        let tools = Arc::clone(&self.tools);
        let Some(children) = &mut self.children else {
            return;
        };
        children.start(&child_id(key, &uid), |guard| {
            FunctionActor::new(key.clone(), function, pods, tools, guard).start()
        });
    }

    fn function_seen(&mut self, change: Change<Function>) {
        match change {
            Change::Restarted(functions) => {
                let there: BTreeSet<_> = functions.iter().map(ObjectKey::of).collect();
                let mut gone: Vec<_> = self.functions.keys().cloned().collect();
                gone.retain(|key| !there.contains(key));
                for function in functions {
                    self.applied(function);
                }
                for key in gone {
                    self.removed(&key);
                }
                self.withdraw_orphans();
            }
            Change::Applied(function) => self.applied(function),
            Change::Deleted(function) => self.removed(&ObjectKey::of(&function)),
        }
    }

    fn applied(&mut self, function: Function) {
        let key = ObjectKey::of(&function);
        let known = self.functions.get(&key).map(|old| old.metadata.uid.clone());
        if known.is_some_and(|uid| uid != function.metadata.uid) {
            // Deleted and made anew; the watch showed only the outcome.
            self.removed(&key);
        }
        let function = Arc::new(function);
        self.functions.insert(key.clone(), Arc::clone(&function));
        match self.child(&key) {
            Some(child) => child.do_send(Updated(function)),
            None => self.ensure_child(&key),
        }
    }

    /// The function's child takes its pods along and ends by itself; a function of the same name made
    /// meanwhile gets a child and a route of its own.
    fn removed(&mut self, key: &ObjectKey) {
        if let Some(child) = self.child(key) {
            child.do_send(Removed);
        }
        self.functions.remove(key);
        self.tools.router.tell(Withdraw(key.clone()));
    }

    /// Withdraws routes whose functions went while nobody watched.
    fn withdraw_orphans(&self) {
        for route in self.tools.routes.snapshot().iter() {
            if !self.functions.contains_key(route.key()) {
                self.tools.router.tell(Withdraw(route.key().clone()));
            }
        }
    }

    fn pod_seen(&mut self, change: Change<Pod>) {
        match change {
            Change::Restarted(pods) => {
                let there: HashSet<_> = pods.iter().map(|pod| &pod.metadata.uid).collect();
                let mut gone: Vec<(ObjectKey, String)> = Vec::new();
                for (key, known) in &self.pods {
                    let missing = known.keys().filter(|uid| !there.contains(uid));
                    gone.extend(missing.map(|uid| (key.clone(), uid.clone())));
                }
                for pod in pods {
                    self.pod_applied(pod);
                }
                for (key, uid) in gone {
                    self.pod_removed(&key, &uid);
                }
                if self.listed.saw(Pod::KIND.plural) {
                    for key in self.functions.keys().cloned().collect::<Vec<_>>() {
                        self.ensure_child(&key);
                    }
                }
            }
            Change::Applied(pod) => self.pod_applied(pod),
            Change::Deleted(pod) => {
                if let Some(key) = owner(&pod) {
                    self.pod_removed(&key, &pod.metadata.uid);
                }
            }
        }
    }

    fn pod_applied(&mut self, pod: Pod) {
        let Some(key) = owner(&pod) else { return };
        let pod = Arc::new(pod);
        let pods = self.pods.entry(key.clone()).or_default();
        pods.insert(pod.metadata.uid.clone(), Arc::clone(&pod));
        if let Some(child) = self.child_of(&key, &pod) {
            child.do_send(PodChanged(pod));
        }
    }

    fn pod_removed(&mut self, key: &ObjectKey, uid: &str) {
        let Some(pods) = self.pods.get_mut(key) else {
            return;
        };
        let pod = pods.remove(uid);
        if pods.is_empty() {
            self.pods.remove(key);
        }
        if let Some(child) = pod.and_then(|pod| self.child_of(key, &pod)) {
            child.do_send(PodRemoved(uid.to_owned()));
        }
    }

    /// The child of the function that has the name now.
    fn child(&self, key: &ObjectKey) -> Option<&Addr<FunctionActor>> {
        let uid = &self.functions.get(key)?.metadata.uid;
        self.children.as_ref()?.get(&child_id(key, uid))
    }

    /// The child whose pod this is: of the function that has the name now, or of one that is ending.
    fn child_of(&self, key: &ObjectKey, pod: &Pod) -> Option<&Addr<FunctionActor>> {
        let current = self.functions.get(key).map(|now| &now.metadata.uid);
        if current.is_some_and(|uid| belongs(pod, uid)) {
            return self.child(key);
        }
        let prefix = format!("{key}/");
        let children = self.children.as_ref()?;
        let uid_of = |id: &str| id.strip_prefix(&prefix).map(str::to_owned);
        let mut children = children.iter();
        let found = children.find(|(id, _)| uid_of(id).is_some_and(|uid| belongs(pod, &uid)));
        found.map(|(_, child)| child)
    }

    /// Changes must not be lost, so they go past the mailbox's bound; there are never more of them than
    /// the watch delivered.
    fn tell<M>(&self, key: &ObjectKey, message: M)
    where
        M: Message<Result = ()> + Send + 'static,
        FunctionActor: Handler<M>,
    {
        if let Some(child) = self.child(key) {
            child.do_send(message);
        }
    }

    fn watch(&self, ctx: &mut Context<Self>) {
        let objects = &self.tools.objects;
        let function = |change| Seen::Function(Box::new(change));
        follow(objects.watch::<Function>(), function, self, ctx);
        follow(
            objects.watch::<Pod>(),
            |pod| Seen::Pod(Box::new(pod)),
            self,
            ctx,
        );
    }
}

/// Names a child: a function deleted and made anew has another one.
fn child_id(key: &ObjectKey, uid: &str) -> String {
    format!("{key}/{uid}")
}

/// Whether a pod is an instance of the function with this uid.
fn belongs(pod: &Pod, uid: &str) -> bool {
    let revision = pod.metadata.labels.get(REVISION_LABEL);
    let owner = revision.map(|revision| replica_set_uid(uid, revision));
    pod.metadata.controller().map(|owner| &owner.uid) == owner.as_ref()
}

/// The function a pod is an instance of.
fn owner(pod: &Pod) -> Option<ObjectKey> {
    let function = pod.metadata.labels.get(FUNCTION_LABEL)?;
    Some(ObjectKey::new(&pod.metadata.namespace, function))
}

impl Actor for Functions {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4096);
        self.children = Some(Nursery::new(RestartPolicy::LEAF, ctx.address().recipient()));
        self.watch(ctx);
    }
}

impl Handler<Seen> for Functions {
    type Result = ();

    fn handle(&mut self, seen: Seen, _: &mut Self::Context) {
        match seen {
            Seen::Function(change) => self.function_seen(*change),
            Seen::Pod(change) => self.pod_seen(*change),
        }
    }
}

impl Handler<ChildDown> for Functions {
    type Result = ();

    fn handle(&mut self, down: ChildDown, ctx: &mut Self::Context) {
        let now = self.tools.clock.now();
        let Some(children) = &mut self.children else {
            return;
        };
        let mut parts = down.id.splitn(3, '/');
        let (Some(namespace), Some(name)) = (parts.next(), parts.next()) else {
            return;
        };
        let key = ObjectKey::new(namespace, name);
        match children.on_down(&down, now, rand::random()) {
            Down::RestartAfter(delay) => {
                tracing::error!(function = %key, ?delay, "function's actor fell; starting it again");
                ctx.notify_later(Restart { key, id: down.id }, delay);
            }
            Down::Escalate => ctx.terminate(),
            Down::Stale | Down::Stopped => {}
        }
    }
}

impl Handler<Restart> for Functions {
    type Result = ();

    fn handle(&mut self, Restart { key, id }: Restart, _: &mut Self::Context) {
        let current = self
            .functions
            .get(&key)
            .map(|f| child_id(&key, &f.metadata.uid));
        if current.as_ref() == Some(&id) {
            self.ensure_child(&key);
        } else if let Some(children) = &mut self.children {
            // Its function is gone; its pods go with their owner.
            children.forget(&id);
        }
    }
}

impl Handler<Demanded> for Functions {
    type Result = ();

    fn handle(&mut self, Demanded(key): Demanded, _: &mut Self::Context) {
        self.tell(&key, Wake);
    }
}

impl Handler<ReadySooner> for Functions {
    type Result = ();

    fn handle(&mut self, ReadySooner(pod): ReadySooner, _: &mut Self::Context) {
        let child = owner(&pod).and_then(|key| self.child_of(&key, &pod));
        if let Some(child) = child {
            child.do_send(PodReady(pod));
        }
    }
}

impl Handler<Report> for Functions {
    type Result = ();

    fn handle(&mut self, Report { function, event }: Report, _: &mut Self::Context) {
        self.tell(&function, super::actor::Happened(event));
    }
}

impl Handler<Find> for Functions {
    type Result = ResponseFuture<Result<Option<Arc<Route>>, AskError>>;

    fn handle(&mut self, Find(key): Find, _: &mut Self::Context) -> Self::Result {
        let known = self.functions.get(&key).cloned();
        let tools = Arc::clone(&self.tools);
        Box::pin(async move {
            let function = match known {
                Some(function) => function,
                // The watch may be a moment behind the write that a client has just seen confirmed.
                None => match tools
                    .objects
                    .get::<Function>(&key.namespace, &key.name)
                    .await
                {
                    Ok(Some(function)) => Arc::new(function),
                    Ok(None) => return Ok(None),
                    Err(error) => {
                        tracing::warn!(function = %key, %error, "could not look a function up");
                        return Err(AskError::Down("functions"));
                    }
                },
            };
            let settings = tools.route_settings(&function);
            let publish = Publish { key, settings };
            tools
                .router
                .ask(publish, Tools::ASK_DEADLINE)
                .await
                .map(Some)
        })
    }
}
