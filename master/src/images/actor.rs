use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message, WrapFuture};
use common::link::{BuildFailure, BuildOrder, BuildOutcome, BuildReport};
use common::resources::{Base, Condition, ConditionStatus, Function, timestamp};

use super::outcome::{self, BuildRecord, LOG_LINES};
use super::{Blobs, source};
use crate::clock::Clock;
use crate::functions::build_id;
use crate::key::ObjectKey;
use crate::nodes::{Dispatch, Nodes};
use crate::objects::{Change, EventKind, Objects};
use crate::store::Durability::Durable;
use crate::supervisor::{Guard, Mailbox};

/// Wait before a build is offered again when there was no node, or it failed for a passing reason.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Tries of a build that fails for passing reasons.
const MOST_TRIES: u32 = 3;
/// A node that says nothing of a build for its time limit and this much longer has lost it.
const NODE_GRACE: Duration = Duration::from_secs(30);
/// Longest wait for the room of the nodes.
const ASK_DEADLINE: Duration = Duration::from_secs(5);

/// What builds need.
pub struct ImagesTools {
    /// The API's objects.
    pub objects: Objects,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Sources and layers.
    pub blobs: Blobs,
    /// Gives builds to nodes.
    pub nodes: Mailbox<Nodes>,
    /// Longest build.
    pub build_timeout: Duration,
    /// Largest layer, in bytes.
    pub max_layer_bytes: u64,
}

/// The room of the images.
pub struct Images {
    tools: Arc<ImagesTools>,
    builds: BTreeMap<String, Build>,
    _guard: Guard,
}

/// A build under way.
#[derive(Default)]
struct Build {
    functions: BTreeSet<ObjectKey>,
    node: Option<String>,
    log: Vec<String>,
    tries: u32,
    /// Counts the offers, so that a late time limit does not hit a newer one.
    offer: u64,
}

/// A node's news of a build.
#[derive(Message)]
#[rtype(result = "()")]
pub struct BuildNews {
    /// The node.
    pub node: String,
    /// What it says.
    pub report: BuildReport,
}

/// A node is gone with the builds it had.
#[derive(Message)]
#[rtype(result = "()")]
pub struct NodeLost(pub String);

#[derive(Message)]
#[rtype(result = "()")]
struct Seen(Change<Function>);

/// Offer a build to a node.
#[derive(Message)]
#[rtype(result = "()")]
struct Offer {
    id: String,
    function: Box<Function>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Offered {
    id: String,
    function: Box<Function>,
    result: OfferResult,
}

enum OfferResult {
    Taken(String),
    NoNode,
    Ended(BuildRecord),
    Retry(String),
}

impl Images {
    /// The room, with its tools.
    #[must_use]
    pub fn new(tools: Arc<ImagesTools>, guard: Guard) -> Self {
        Self {
            tools,
            builds: BTreeMap::new(),
            _guard: guard,
        }
    }

    fn seen(&mut self, change: Change<Function>, ctx: &mut Context<Self>) {
        match change {
            Change::Restarted(functions) => {
                functions
                    .into_iter()
                    .for_each(|function| self.consider(function, ctx));
            }
            Change::Applied(function) => self.consider(function, ctx),
            Change::Deleted(function) => {
                let key = ObjectKey::of(&function);
                self.builds.values_mut().for_each(|build| {
                    build.functions.remove(&key);
                });
            }
        }
    }

    /// Starts the build of a function that needs one.
    fn consider(&mut self, function: Function, ctx: &mut Context<Self>) {
        let metadata = &function.metadata;
        if metadata.deletion_timestamp.is_some() || function.spec.image.is_some() {
            return;
        }
        let Some(id) = build_id(&metadata.namespace, metadata.generation, &function.spec) else {
            self.show_missing(function, ctx);
            return;
        };
        if function.status.build.as_ref() == Some(&id) && verdict(&function).is_some() {
            return;
        }
        let key = ObjectKey::of(&function);
        for (other, build) in &mut self.builds {
            if *other != id {
                build.functions.remove(&key);
            }
        }
        let fresh = !self.builds.contains_key(&id);
        self.builds
            .entry(id.clone())
            .or_default()
            .functions
            .insert(key);
        if fresh {
            ctx.notify(Offer {
                id,
                function: Box::new(function),
            });
        }
    }

    fn show_missing(&self, function: Function, ctx: &mut Context<Self>) {
        let message = "the code was not uploaded; apply with Troupe's kubectl, or set spec.source.inline, \
                       spec.source.configMap or spec.image";
        let condition = Condition::new("Built", false, "SourceMissing", message);
        if function
            .status
            .conditions
            .iter()
            .any(|c| c.r#type == "Built" && c.reason == "SourceMissing")
        {
            return;
        }
        self.show(ObjectKey::of(&function), None, condition, ctx);
    }

    fn show(&self, key: ObjectKey, id: Option<String>, built: Condition, ctx: &mut Context<Self>) {
        let tools = Arc::clone(&self.tools);
        let show = async move {
            let now = timestamp(tools.clock.now());
            let write = |function: &mut Function| {
                outcome::show(function, id.as_deref(), built.clone(), &now)
            };
            let (namespace, name) = (&key.namespace, &key.name);
            let shown = tools
                .objects
                .modify::<Function>(namespace, name, Durable, write)
                .await;
            if let Err(error) = shown {
                tracing::warn!(function = %key, %error, "could not show a build's state");
            }
        };
        ctx.spawn(show.into_actor(self));
    }

    /// A build ended: the record is kept, then every function that waits for it learns of it.
    fn finish(&mut self, id: String, record: BuildRecord, ctx: &mut Context<Self>) {
        let Some(build) = self.builds.remove(&id) else {
            return;
        };
        let tools = Arc::clone(&self.tools);
        let finish = async move {
            // A passing failure is not worth remembering: applying again tries again.
            let passing = matches!(&record.outcome, BuildOutcome::Failed(f) if f.transient);
            if !passing
                && let Err(error) = outcome::save(&**tools.objects.store(), &id, &record).await
            {
                tracing::warn!(build = id, %error, "could not keep a build's outcome");
            }
            for key in build.functions {
                tell_outcome(&tools, &key, &id, &record.outcome).await;
            }
        };
        ctx.spawn(finish.into_actor(self));
    }

    /// Offers a build again after a passing failure, or gives it up.
    fn retry(&mut self, id: &str, why: BuildFailure, ctx: &mut Context<Self>) {
        let Some(build) = self.builds.get_mut(id) else {
            return;
        };
        build.node = None;
        build.tries += 1;
        if build.tries >= MOST_TRIES {
            let record = BuildRecord {
                outcome: BuildOutcome::Failed(why),
                log: std::mem::take(&mut build.log),
            };
            self.finish(id.to_owned(), record, ctx);
            return;
        }
        self.offer_later(id.to_owned(), ctx);
    }

    /// Looks the function up again after a while: it may have changed in between.
    fn offer_later(&mut self, id: String, ctx: &mut Context<Self>) {
        let Some(key) = self
            .builds
            .get(&id)
            .and_then(|b| b.functions.first().cloned())
        else {
            self.builds.remove(&id);
            return;
        };
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let look = async move {
            tokio::time::sleep(RETRY_AFTER).await;
            match tools
                .objects
                .get::<Function>(&key.namespace, &key.name)
                .await
            {
                Ok(Some(function)) => addr.do_send(Offer {
                    id,
                    function: Box::new(function),
                }),
                Ok(None) => addr.do_send(Seen(Change::Deleted(gone(&key)))),
                Err(error) => tracing::warn!(function = %key, %error, "could not read a function"),
            }
        };
        ctx.spawn(look.into_actor(self));
    }
}

fn gone(key: &ObjectKey) -> Function {
    let mut function = Function::default();
    function.metadata.namespace = key.namespace.to_string();
    function.metadata.name = key.name.to_string();
    function
}

/// What `Built` says, if it says anything definite.
fn verdict(function: &Function) -> Option<bool> {
    let built = function
        .status
        .conditions
        .iter()
        .find(|c| c.r#type == "Built")?;
    match built.status {
        ConditionStatus::True => Some(true),
        ConditionStatus::False => Some(false),
        ConditionStatus::Unknown => None,
    }
}

async fn tell_outcome(tools: &ImagesTools, key: &ObjectKey, id: &str, outcome: &BuildOutcome) {
    let now = timestamp(tools.clock.now());
    let write = |function: &mut Function| {
        let wanted = build_id(&key.namespace, function.metadata.generation, &function.spec);
        wanted.as_deref() == Some(id) && outcome::show_outcome(function, id, outcome, &now)
    };
    let shown = tools
        .objects
        .modify::<Function>(&key.namespace, &key.name, Durable, write)
        .await;
    match (shown, outcome) {
        (Ok(Some(function)), BuildOutcome::Built(built)) => {
            let message = format!(
                "layer {} ({} bytes), {}",
                built.layer, built.size, built.handler
            );
            tools
                .objects
                .record(&function, EventKind::Normal, "images", "Built", &message)
                .await;
        }
        (Ok(Some(function)), BuildOutcome::Failed(failure)) => {
            let (reason, message) = (&failure.reason, &failure.message);
            tools
                .objects
                .record(&function, EventKind::Warning, "images", reason, message)
                .await;
        }
        (Ok(None), _) => {}
        (Err(error), _) => tracing::warn!(function = %key, %error, "could not show a build"),
    }
}

impl Actor for Images {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4096);
        let addr = ctx.address();
        let mut functions = self.tools.objects.watch::<Function>();
        let watch = async move { while addr.send(Seen(functions.next().await)).await.is_ok() {} };
        ctx.spawn(watch.into_actor(self));
    }
}

impl Handler<Seen> for Images {
    type Result = ();

    fn handle(&mut self, Seen(change): Seen, ctx: &mut Self::Context) {
        self.seen(change, ctx);
    }
}

impl Handler<Offer> for Images {
    type Result = ();

    fn handle(&mut self, Offer { id, function }: Offer, ctx: &mut Self::Context) {
        let key = ObjectKey::of(&*function);
        let condition = Condition::new("Built", ConditionStatus::Unknown, "Building", "");
        self.show(key, Some(id.clone()), condition, ctx);
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let offer = async move {
            let result = offer(&tools, &id, &function).await;
            addr.do_send(Offered {
                id,
                function,
                result,
            });
        };
        ctx.spawn(offer.into_actor(self));
    }
}

async fn offer(tools: &ImagesTools, id: &str, function: &Function) -> OfferResult {
    match outcome::load(&**tools.objects.store(), id).await {
        Ok(Some(record)) if is_whole(tools, &record) => return OfferResult::Ended(record),
        Ok(_) => {}
        Err(error) => return OfferResult::Retry(error.to_string()),
    }
    let source = match source::resolve(&tools.objects, &tools.blobs, function).await {
        Ok(source) => source,
        Err(error) => {
            let message = error.to_string();
            let Some(reason) = error.reason() else {
                return OfferResult::Retry(message);
            };
            let outcome = BuildOutcome::Failed(BuildFailure {
                reason: reason.to_owned(),
                message,
                transient: true,
            });
            return OfferResult::Ended(BuildRecord {
                outcome,
                log: Vec::new(),
            });
        }
    };
    let order = BuildOrder {
        id: id.to_owned(),
        namespace: function.metadata.namespace.clone(),
        function: function.metadata.name.clone(),
        source,
        handler: function.spec.handler.clone(),
        style: function.spec.style,
        full_base: function.spec.base == Some(Base::Full),
        timeout_seconds: u32::try_from(tools.build_timeout.as_secs()).unwrap_or(u32::MAX),
        max_layer_bytes: tools.max_layer_bytes,
    };
    match tools.nodes.ask(Dispatch(order), ASK_DEADLINE).await {
        Ok(Some(node)) => OfferResult::Taken(node),
        Ok(None) => OfferResult::NoNode,
        Err(error) => OfferResult::Retry(error.to_string()),
    }
}

/// Whether a record's layer is still there.
fn is_whole(tools: &ImagesTools, record: &BuildRecord) -> bool {
    match &record.outcome {
        BuildOutcome::Built(built) => tools.blobs.size(&built.layer).is_some(),
        BuildOutcome::Failed(_) => true,
    }
}

impl Handler<Offered> for Images {
    type Result = ();

    fn handle(&mut self, offered: Offered, ctx: &mut Self::Context) {
        let Offered {
            id,
            function,
            result,
        } = offered;
        let Some(build) = self.builds.get_mut(&id) else {
            return;
        };
        match result {
            OfferResult::Taken(node) => {
                build.node = Some(node);
                build.offer += 1;
                let offer = build.offer;
                let limit = self.tools.build_timeout + NODE_GRACE;
                ctx.run_later(limit, move |images, ctx| images.give_up_on(&id, offer, ctx));
            }
            OfferResult::Ended(record) => self.finish(id, record, ctx),
            OfferResult::NoNode => {
                let message = "waiting for a node to build on; start a node-agent";
                let condition =
                    Condition::new("Built", ConditionStatus::Unknown, "NoNodes", message);
                self.show(ObjectKey::of(&*function), Some(id.clone()), condition, ctx);
                self.offer_later(id, ctx);
            }
            OfferResult::Retry(message) => {
                let reason = "StoreFailed".to_owned();
                self.retry(
                    &id,
                    BuildFailure {
                        reason,
                        message,
                        transient: true,
                    },
                    ctx,
                );
            }
        }
    }
}

impl Images {
    fn give_up_on(&mut self, id: &str, offer: u64, ctx: &mut Context<Self>) {
        if self
            .builds
            .get(id)
            .is_some_and(|build| build.offer == offer && build.node.is_some())
        {
            let message = "the node that builds it says nothing any more".to_owned();
            let reason = "Timeout".to_owned();
            self.retry(
                id,
                BuildFailure {
                    reason,
                    message,
                    transient: true,
                },
                ctx,
            );
        }
    }
}

impl Handler<BuildNews> for Images {
    type Result = ();

    fn handle(&mut self, BuildNews { node, report }: BuildNews, ctx: &mut Self::Context) {
        let Some(build) = self.builds.get_mut(&report.id) else {
            return;
        };
        build.log.extend(report.log);
        let excess = build.log.len().saturating_sub(LOG_LINES);
        build.log.drain(..excess);
        let Some(outcome) = report.outcome else {
            return;
        };
        match outcome {
            BuildOutcome::Failed(failure) if failure.transient => {
                tracing::info!(
                    build = report.id,
                    node,
                    reason = failure.reason,
                    "build is tried again"
                );
                self.retry(&report.id, failure, ctx);
            }
            outcome => {
                let log = std::mem::take(&mut build.log);
                self.finish(report.id, BuildRecord { outcome, log }, ctx);
            }
        }
    }
}

impl Handler<NodeLost> for Images {
    type Result = ();

    fn handle(&mut self, NodeLost(node): NodeLost, ctx: &mut Self::Context) {
        let lost = |build: &Build| build.node.as_ref() == Some(&node);
        let lost: Vec<_> = self
            .builds
            .iter()
            .filter(|(_, b)| lost(b))
            .map(|(id, _)| id.clone())
            .collect();
        for id in lost {
            let message = format!("node {node} was lost while it built");
            let reason = "NodeLost".to_owned();
            self.retry(
                &id,
                BuildFailure {
                    reason,
                    message,
                    transient: true,
                },
                ctx,
            );
        }
    }
}
