use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, WrapFuture};
use common::link::{BuildFailure, BuildOutcome};
use common::resources::{Condition, ConditionStatus, Function, timestamp};

use super::Blobs;
use super::messages::{Again, BuildNews, Gone, NodeLost, Offer, Offered, Seen};
use super::offer::{OfferResult, offer, tell_outcome};
use super::outcome::{self, BuildRecord, LOG_LINES};
use crate::clock::Clock;
use crate::functions::build_id;
use crate::key::ObjectKey;
use crate::nodes::Nodes;
use crate::objects::{Change, Objects};
use crate::store::Durability::Durable;
use crate::supervisor::{Guard, Mailbox, follow};

/// Wait before a build is offered again when there was no node, or it failed for a passing reason.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Tries of a build that fails for passing reasons.
const MOST_TRIES: u32 = 3;
/// A node that says nothing of a build for its time limit and this much longer has lost it.
const NODE_GRACE: Duration = Duration::from_secs(30);
/// Pause before a build that failed for reasons outside the code is tried again: an index that was
/// down, a setting that was wrong.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Failures that lie in the code: the same code fails the same way.
const FINAL: [&str; 5] = [
    "SyntaxError",
    "NoEntry",
    "AmbiguousEntry",
    "BadHandler",
    "BadSource",
];

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
    /// Failed builds that will be looked at again.
    again: BTreeSet<String>,
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

impl Images {
    /// The room, with its tools.
    #[must_use]
    pub fn new(tools: Arc<ImagesTools>, guard: Guard) -> Self {
        Self {
            tools,
            builds: BTreeMap::new(),
            again: BTreeSet::new(),
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
        let key = ObjectKey::of(&function);
        if function.status.build.as_ref() == Some(&id)
            && let Some(built) = verdict(&function)
        {
            if built.status == ConditionStatus::False && !FINAL.contains(&built.reason.as_str()) {
                self.again_later(id.clone(), key.clone(), ctx);
            }
            if built.observed_generation != Some(metadata.generation) {
                // The spec changed in what does not touch the build.
                self.show(key, Some(id), built.clone(), ctx);
            }
            return;
        }
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
                quiet: false,
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
        if !is_certain(&record.outcome)
            && let Some(key) = build.functions.first()
        {
            self.again_later(id.clone(), key.clone(), ctx);
        }
        let tools = Arc::clone(&self.tools);
        let finish = async move {
            if is_certain(&record.outcome)
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

    /// Looks the function up again after a while, since it may have changed in between, and offers its
    /// build.
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
            match look_up(&tools.objects, &key).await {
                Some(function) => addr.do_send(Offer {
                    id,
                    function,
                    quiet: false,
                }),
                None => addr.do_send(Gone { id, key }),
            }
        };
        ctx.spawn(look.into_actor(self));
    }

    /// Tries a failed build again after a longer while, when its code may well be good.
    fn again_later(&mut self, id: String, key: ObjectKey, ctx: &mut Context<Self>) {
        if !self.again.insert(id.clone()) {
            return;
        }
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let look = async move {
            tokio::time::sleep(AGAIN_AFTER).await;
            let function = look_up(&tools.objects, &key).await;
            addr.do_send(Again { id, function });
        };
        ctx.spawn(look.into_actor(self));
    }
}

/// A function as it stands; `None` when it is gone. Asks until the store answers.
async fn look_up(objects: &Objects, key: &ObjectKey) -> Option<Box<Function>> {
    loop {
        match objects.get::<Function>(&key.namespace, &key.name).await {
            Ok(function) => return function.map(Box::new),
            Err(error) => tracing::warn!(function = %key, %error, "could not read a function"),
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// Whether the same source and settings would end the same way again.
fn is_certain(outcome: &BuildOutcome) -> bool {
    match outcome {
        BuildOutcome::Built(_) => true,
        BuildOutcome::Failed(failure) => FINAL.contains(&failure.reason.as_str()),
    }
}

/// What `Built` says, if it says anything definite.
fn verdict(function: &Function) -> Option<&Condition> {
    let built = function
        .status
        .conditions
        .iter()
        .find(|c| c.r#type == "Built")?;
    (built.status != ConditionStatus::Unknown).then_some(built)
}

impl Actor for Images {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4096);
        follow(self.tools.objects.watch::<Function>(), Seen, self, ctx);
    }
}

impl Handler<Seen> for Images {
    type Result = ();

    fn handle(&mut self, Seen(change): Seen, ctx: &mut Self::Context) {
        self.seen(change, ctx);
    }
}

impl Handler<Gone> for Images {
    type Result = ();

    fn handle(&mut self, Gone { id, key }: Gone, ctx: &mut Self::Context) {
        if let Some(build) = self.builds.get_mut(&id) {
            build.functions.remove(&key);
            self.offer_later(id, ctx);
        }
    }
}

impl Handler<Again> for Images {
    type Result = ();

    fn handle(&mut self, Again { id, function }: Again, ctx: &mut Self::Context) {
        self.again.remove(&id);
        let Some(function) = function else { return };
        let metadata = &function.metadata;
        let wanted = build_id(&metadata.namespace, metadata.generation, &function.spec);
        let failed = verdict(&function).is_some_and(|b| b.status == ConditionStatus::False);
        if failed && wanted.as_ref() == Some(&id) && !self.builds.contains_key(&id) {
            let functions = BTreeSet::from([ObjectKey::of(&*function)]);
            self.builds.insert(
                id.clone(),
                Build {
                    functions,
                    ..Build::default()
                },
            );
            ctx.notify(Offer {
                id,
                function,
                quiet: true,
            });
        }
    }
}

impl Handler<Offer> for Images {
    type Result = ();

    fn handle(
        &mut self,
        Offer {
            id,
            function,
            quiet,
        }: Offer,
        ctx: &mut Self::Context,
    ) {
        if !quiet {
            let key = ObjectKey::of(&*function);
            let condition = Condition::new("Built", ConditionStatus::Unknown, "Building", "");
            self.show(key, Some(id.clone()), condition, ctx);
        }
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
        if build.node.as_ref().is_some_and(|builder| *builder != node) {
            tracing::warn!(
                build = report.id,
                node,
                "node speaks of a build that another one has"
            );
            return;
        }
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
            if let Some(build) = self.builds.get_mut(&id) {
                // Not the build's fault: it does not use up a try. An agent that goes on with it takes
                // the same id for the same build.
                build.node = None;
                self.offer_later(id, ctx);
            }
        }
    }
}
