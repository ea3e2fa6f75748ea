use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use common::resources::{Condition, Function, Node, set_condition, timestamp};

use super::job::{Job, JobKey};
use super::log::BuildLogs;
use super::messages::{Again, Gone, LookAgain, Offer, Relook, Seen, Told};
use super::metrics::BuildCounts;
use super::need::{Ground, Grounds, need, schedulable, verdict};
use super::pushes::Push;
use super::stand;
use super::store::ImageStore;
use crate::blobs::Blobs;
use crate::clock::Clock;
use crate::functions::build_id;
use crate::key::ObjectKey;
use crate::nodes::{Bases, Nodes, is_ready};
use crate::objects::{Change, EventKind, Objects, insist};
use crate::platform::Platform;
use crate::store::Durability::Durable;
use crate::supervisor::{Guard, Mailbox, follow};

/// Wait before a build is offered again when there was no node, or it failed for a passing reason.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Pause before a build that failed for reasons outside the code is tried again: an index that was
/// down, a setting that was wrong.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Nodes that come together, as after a restart, are looked at together.
const SETTLE: Duration = Duration::from_millis(300);

/// What builds need.
pub struct ImagesTools {
    /// The API's objects.
    pub objects: Objects,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Sources and layers.
    pub blobs: Blobs,
    /// Where images are kept.
    pub images: Arc<dyn ImageStore>,
    /// The function bases that nodes have.
    pub bases: Bases,
    /// How many images are pushed at once.
    pub push_turns: tokio::sync::Semaphore,
    /// The logs of builds under way.
    pub logs: BuildLogs,
    /// Gives builds to nodes.
    pub nodes: Mailbox<Nodes>,
    /// Longest build.
    pub build_timeout: Duration,
    /// Largest layer, in bytes.
    pub max_layer_bytes: u64,
    /// Counts builds.
    pub counts: BuildCounts,
}

/// The room of the images.
pub struct Images {
    pub(super) tools: Arc<ImagesTools>,
    /// The nodes that are ready; `None` until they are known.
    pub(super) nodes: Option<Grounds>,
    /// Builds under way, by the id that nodes know them by.
    pub(super) jobs: BTreeMap<String, Job>,
    /// Images under way to the registry, by build.
    pub(super) pushes: BTreeMap<String, Push>,
    /// Failed builds that will be looked at again.
    again: BTreeSet<String>,
    /// Functions whose state could not be shown.
    unshown: BTreeSet<ObjectKey>,
    /// Functions that may lack something when the nodes change.
    depend_on_nodes: BTreeSet<ObjectKey>,
    relooking: bool,
    _guard: Guard,
}

impl Images {
    /// The room, with its tools.
    #[must_use]
    pub fn new(tools: Arc<ImagesTools>, guard: Guard) -> Self {
        Self {
            tools,
            nodes: None,
            jobs: BTreeMap::new(),
            pushes: BTreeMap::new(),
            again: BTreeSet::new(),
            unshown: BTreeSet::new(),
            depend_on_nodes: BTreeSet::new(),
            relooking: false,
            _guard: guard,
        }
    }

    fn function_seen(&mut self, change: Change<Function>, ctx: &mut Context<Self>) {
        match change {
            Change::Restarted(functions) => {
                self.depend_on_nodes.clear();
                for function in functions {
                    self.consider(function, ctx);
                }
            }
            Change::Applied(function) => self.consider(function, ctx),
            Change::Deleted(function) => {
                let key = ObjectKey::of(&function);
                self.depend_on_nodes.remove(&key);
                self.leave_jobs(&key, None);
                self.leave_pushes(&key, None);
            }
        }
    }

    fn node_seen(&mut self, change: Change<Node>, ctx: &mut Context<Self>) {
        let ground = |node: &Node| Ground {
            labels: node.metadata.labels.clone(),
            platform: Platform::of(node),
        };
        let before = self.nodes.clone();
        let nodes = self.nodes.get_or_insert_default();
        match change {
            Change::Restarted(all) => {
                let ready = all.iter().filter(|node| is_ready(node));
                *nodes = ready
                    .map(|node| (node.metadata.name.clone(), ground(node)))
                    .collect();
            }
            Change::Applied(node) if is_ready(&node) => {
                nodes.insert(node.metadata.name.clone(), ground(&node));
            }
            Change::Applied(node) | Change::Deleted(node) => {
                nodes.remove(&node.metadata.name);
            }
        }
        if before.is_none() {
            // What a function lacks depends on the nodes, so these come first.
            let wrap = |change| Seen::Function(Box::new(change));
            follow(self.tools.objects.watch::<Function>(), wrap, self, ctx);
        } else if before != self.nodes && !self.relooking {
            self.relooking = true;
            ctx.run_later(SETTLE, Self::relook);
        }
    }

    fn relook(&mut self, ctx: &mut Context<Self>) {
        self.relooking = false;
        let keys = self.depend_on_nodes.clone();
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let look = async move {
            for key in keys {
                if let Some(function) = look_up(&tools.objects, &key).await
                    && addr.send(Relook(function)).await.is_err()
                {
                    return;
                }
            }
        };
        ctx.spawn(look.into_actor(self));
    }

    /// Starts the builds that a function lacks.
    fn consider(&mut self, function: Function, ctx: &mut Context<Self>) {
        let metadata = &function.metadata;
        let key = ObjectKey::of(&function);
        if metadata.deletion_timestamp.is_some() {
            return;
        }
        let Some(nodes) = &self.nodes else { return };
        let place = schedulable(nodes, &function.spec.node_selector);
        let selective = place.is_some();
        self.show_place(&function, place, ctx);
        let Some(build) = build_id(&metadata.namespace, metadata.generation, &function.spec) else {
            self.leave_jobs(&key, None);
            self.leave_pushes(&key, None);
            self.depend(&key, selective);
            if function.spec.image.is_none() {
                self.show_missing(function, ctx);
            }
            return;
        };
        let Some(nodes) = &self.nodes else { return };
        let need = need(&function, &build, nodes);
        let keeps_images = self.tools.images.keeps_images();
        self.depend(&key, selective || need.depends_on_nodes || keeps_images);
        self.leave_jobs(&key, Some(&build));
        self.leave_pushes(&key, Some(&build));
        if self.lacks_image(&function, &build) {
            self.push(&function, &build, ctx);
        }
        if let Some(built) = verdict(&function, &build)
            && built.observed_generation != Some(metadata.generation)
        {
            // The spec changed in what does not touch the build.
            self.show(key.clone(), Some(build.clone()), built.clone(), ctx);
        }
        let job = |platform| JobKey {
            build: build.clone(),
            platform,
        };
        for platform in need.later {
            self.again_later(job(platform), key.clone(), ctx);
        }
        for platform in need.now {
            self.start(job(platform), &function, false, ctx);
        }
    }

    fn depend(&mut self, key: &ObjectKey, depends: bool) {
        if depends {
            self.depend_on_nodes.insert(key.clone());
        } else {
            self.depend_on_nodes.remove(key);
        }
    }

    /// The function waits no more for builds other than this one.
    fn leave_jobs(&mut self, function: &ObjectKey, build: Option<&str>) {
        let others = self.jobs.values_mut();
        for job in others.filter(|job| Some(job.key.build.as_str()) != build) {
            job.functions.remove(function);
        }
    }

    pub(super) fn start(
        &mut self,
        key: JobKey,
        function: &Function,
        quiet: bool,
        ctx: &mut Context<Self>,
    ) {
        let id = key.id();
        let fresh = !self.jobs.contains_key(&id);
        let log = || self.tools.logs.begin(&id, &key.build);
        let job = self.jobs.entry(id.clone());
        let job = job.or_insert_with(|| Job::new(key.clone(), log()));
        job.functions.insert(ObjectKey::of(function));
        if fresh {
            ctx.notify(Offer {
                job: id,
                function: Box::new(function.clone()),
                quiet,
            });
        }
    }

    fn show_missing(&self, function: Function, ctx: &mut Context<Self>) {
        let message = "the code was not uploaded; apply with Troupe's kubectl, or set spec.source.inline, \
                       spec.source.configMap or spec.image";
        let condition = Condition::new("Built", false, "SourceMissing", message);
        let mut conditions = function.status.conditions.iter();
        if conditions.any(|c| c.r#type == "Built" && c.reason == "SourceMissing") {
            return;
        }
        self.show(ObjectKey::of(&function), None, condition, ctx);
    }

    /// Shows whether there are nodes for a function that chooses them.
    fn show_place(&self, function: &Function, place: Option<Condition>, ctx: &mut Context<Self>) {
        let mut conditions = function.status.conditions.iter();
        let shown = conditions.find(|c| c.r#type == "Schedulable").cloned();
        let said = |c: &Condition| (c.status, c.message.clone());
        if shown.as_ref().map(said) == place.as_ref().map(said) {
            return;
        }
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let key = ObjectKey::of(function);
        let show = async move {
            let now = timestamp(tools.clock.now());
            let write = |function: &mut Function| {
                let conditions = &mut function.status.conditions;
                match &place {
                    Some(place) => set_condition(conditions, place.clone(), &now),
                    None => {
                        conditions.retain(|c| c.r#type != "Schedulable");
                        true
                    }
                }
            };
            let (namespace, name) = (&key.namespace, &key.name);
            let shown = tools
                .objects
                .modify::<Function>(namespace, name, Durable, write);
            match (shown.await, &place) {
                (Ok(Some(function)), Some(place)) if !place.is_true() => {
                    let (reason, message) = (&place.reason, &place.message);
                    let warning = EventKind::Warning;
                    tools
                        .objects
                        .record(&function, warning, "images", reason, message)
                        .await;
                }
                (Ok(_), _) => {}
                (Err(error), _) => {
                    tracing::warn!(function = %key, %error, "could not show a function's place");
                    if error.is_passing() {
                        addr.do_send(LookAgain(key));
                    }
                }
            }
        };
        ctx.spawn(show.into_actor(self));
    }

    pub(super) fn show(
        &self,
        key: ObjectKey,
        build: Option<String>,
        built: Condition,
        ctx: &mut Context<Self>,
    ) {
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let show = async move {
            let now = timestamp(tools.clock.now());
            let write = |function: &mut Function| {
                stand::show(function, build.as_deref(), built.clone(), &now)
            };
            let (namespace, name) = (&key.namespace, &key.name);
            let shown = tools
                .objects
                .modify::<Function>(namespace, name, Durable, write)
                .await;
            if let Err(error) = shown {
                tracing::warn!(function = %key, %error, "could not show a build's state");
                if error.is_passing() {
                    addr.do_send(LookAgain(key));
                }
            }
        };
        ctx.spawn(show.into_actor(self));
    }

    /// Tries a failed build again after a longer while, when its code may well be good.
    pub(super) fn again_later(
        &mut self,
        key: JobKey,
        function: ObjectKey,
        ctx: &mut Context<Self>,
    ) {
        if !self.again.insert(key.id()) {
            return;
        }
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let look = async move {
            tokio::time::sleep(AGAIN_AFTER).await;
            let function = look_up(&tools.objects, &function).await;
            addr.do_send(Again { key, function });
        };
        ctx.spawn(look.into_actor(self));
    }
}

/// A function as it stands; `None` when it is gone. Asks until the store answers.
pub(super) async fn look_up(objects: &Objects, key: &ObjectKey) -> Option<Box<Function>> {
    let get = || objects.get::<Function>(&key.namespace, &key.name);
    insist("read a function", get)
        .await
        .inspect_err(|error| tracing::error!(function = %key, %error, "could not read a function"))
        .ok()
        .flatten()
        .map(Box::new)
}

impl Actor for Images {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4096);
        let wrap = |change| Seen::Node(Box::new(change));
        follow(self.tools.objects.watch::<Node>(), wrap, self, ctx);
    }
}

impl Handler<Seen> for Images {
    type Result = ();

    fn handle(&mut self, seen: Seen, ctx: &mut Self::Context) {
        match seen {
            Seen::Function(change) => self.function_seen(*change, ctx),
            Seen::Node(change) => self.node_seen(*change, ctx),
        }
    }
}

impl Handler<Relook> for Images {
    type Result = ();

    fn handle(&mut self, Relook(function): Relook, ctx: &mut Self::Context) {
        self.consider(*function, ctx);
    }
}

impl Handler<LookAgain> for Images {
    type Result = ();

    fn handle(&mut self, LookAgain(key): LookAgain, ctx: &mut Self::Context) {
        if !self.unshown.insert(key.clone()) {
            return;
        }
        let (tools, name) = (Arc::clone(&self.tools), key.clone());
        let look = async move {
            tokio::time::sleep(RETRY_AFTER).await;
            look_up(&tools.objects, &name).await
        };
        ctx.spawn(look.into_actor(self).map(move |function, images, ctx| {
            images.unshown.remove(&key);
            if let Some(function) = function {
                // By now another state may be due.
                images.consider(*function, ctx);
            }
        }));
    }
}

impl Handler<Gone> for Images {
    type Result = ();

    fn handle(&mut self, Gone { job, function }: Gone, ctx: &mut Self::Context) {
        if let Some(found) = self.jobs.get_mut(&job) {
            found.functions.remove(&function);
            self.offer_later(job, ctx);
        }
    }
}

impl Handler<Again> for Images {
    type Result = ();

    fn handle(&mut self, Again { key, function }: Again, ctx: &mut Self::Context) {
        self.again.remove(&key.id());
        let (Some(function), Some(nodes)) = (function, &self.nodes) else {
            return;
        };
        let metadata = &function.metadata;
        let wanted = build_id(&metadata.namespace, metadata.generation, &function.spec);
        let lacks = need(&function, &key.build, nodes)
            .later
            .contains(&key.platform);
        if lacks && wanted.as_ref() == Some(&key.build) && !self.jobs.contains_key(&key.id()) {
            self.start(key, &function, true, ctx);
        }
    }
}

impl Handler<Told> for Images {
    type Result = ();

    fn handle(&mut self, Told { job, functions }: Told, ctx: &mut Self::Context) {
        let Some(mut ended) = self.jobs.remove(&job) else {
            return;
        };
        // Those that came while the others were told.
        ended
            .functions
            .retain(|function| !functions.contains(function));
        for function in ended.functions {
            let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
            let look = async move {
                if let Some(function) = look_up(&tools.objects, &function).await {
                    addr.do_send(Relook(function));
                }
            };
            ctx.spawn(look.into_actor(self));
        }
    }
}
