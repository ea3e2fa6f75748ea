//! The course of a build: offered to a node, given, heard of, ended.

use std::sync::Arc;
use std::time::Duration;

use actix::{AsyncContext, Context, Handler, WrapFuture};
use common::link::{BuildFailure, BuildOutcome, NEEDS_ARCHITECTURE};
use common::resources::{Condition, ConditionStatus, Function, timestamp};

use super::actor::{Images, RETRY_AFTER, look_up};
use super::messages::{BuildNews, Gone, NodeLost, Offer, Offered, Told};
use super::need::{is_final, targets};
use super::offer::{OfferResult, offer, tell};
use super::record::{self, BuildPart};
use crate::key::ObjectKey;
use crate::nodes::BuildTarget;
use crate::objects::{EventKind, insist};
use crate::platform::Platform;

/// What a function that waits for any node says.
const NO_NODE: &str = "waiting for a node to build on; start a node-agent";
/// News of a build that are kept until it is known who took it.
const MOST_EARLY: usize = 64;
/// Tries of a build that fails for passing reasons.
const MOST_TRIES: u32 = 3;
/// A node that says nothing of a build for its time limit and this much longer has lost it.
const NODE_GRACE: Duration = Duration::from_secs(30);

impl Images {
    /// A build ended: what is certain is kept, then every function that waits for it learns of it.
    fn finish(&mut self, id: &str, outcome: BuildOutcome, ctx: &mut Context<Self>) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        job.ending = true;
        let (key, functions) = (job.key.clone(), job.functions.clone());
        let made_for = job.given.as_ref().map(|(_, platform)| platform.clone());
        let part = BuildPart {
            job: id.to_owned(),
            platform: made_for
                .or_else(|| key.platform.clone())
                .unwrap_or_default(),
            ended: timestamp(self.tools.clock.now()),
            outcome,
            log: job.log.all(),
        };
        self.tools.counts.ended(&part.outcome);
        let certain = is_certain(&part.outcome);
        if let (false, Some(function)) = (certain, functions.first()) {
            self.again_later(key.clone(), function.clone(), ctx);
        }
        let (tools, addr, id) = (Arc::clone(&self.tools), ctx.address(), id.to_owned());
        let finish = async move {
            let store = &**tools.objects.store();
            let save = async || Ok(record::save(store, &key.build, &part).await?);
            if let Err(error) = insist("keep a build's outcome", save).await {
                tracing::error!(build = id, %error, "could not keep a build's outcome");
            }
            tools.logs.end(&id);
            for function in &functions {
                tell(&tools, function, &key.build).await;
            }
            addr.do_send(Told { job: id, functions });
        };
        ctx.spawn(finish.into_actor(self));
    }

    /// It was built before, for this function or another one.
    fn settle(&mut self, id: &str, ctx: &mut Context<Self>) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        job.ending = true;
        let (key, functions) = (job.key.clone(), job.functions.clone());
        let (tools, addr, id) = (Arc::clone(&self.tools), ctx.address(), id.to_owned());
        let settle = async move {
            tools.logs.end(&id);
            for function in &functions {
                tell(&tools, function, &key.build).await;
            }
            addr.do_send(Told { job: id, functions });
        };
        ctx.spawn(settle.into_actor(self));
    }

    /// Offers a build again after a passing failure, or gives it up.
    fn retry(&mut self, id: &str, why: BuildFailure, ctx: &mut Context<Self>) {
        let Some(job) = self.jobs.get_mut(id).filter(|job| !job.ending) else {
            return;
        };
        job.tries += 1;
        job.log.extend([format!("{}: {}", why.reason, why.message)]);
        if job.tries >= MOST_TRIES {
            return self.finish(id, BuildOutcome::Failed(why), ctx);
        }
        job.held = false;
        self.offer_later(id.to_owned(), ctx);
    }

    /// A node of another kind could not do it: from now on only one of the right kind is asked.
    fn needs_native(&mut self, id: &str, why: BuildFailure, ctx: &mut Context<Self>) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        let wanted = job.given.as_ref().map(|(_, platform)| platform.clone());
        job.held = false;
        let message = format!(
            "{}; it waits for a node of {}: start a node-agent on such a machine",
            why.message,
            wanted.unwrap_or_default().arch
        );
        job.log.extend([format!("{}: {message}", why.reason)]);
        job.needs = Some(message.clone());
        let (first, build) = (job.is_first(), job.key.build.clone());
        for function in job.functions.clone() {
            if first {
                let reason = &why.reason;
                let unknown = ConditionStatus::Unknown;
                let condition = Condition::new("Built", unknown, reason, message.clone());
                self.show(function.clone(), Some(build.clone()), condition, ctx);
            }
            self.warn(function, why.reason.clone(), message.clone(), ctx);
        }
        self.offer_later(id.to_owned(), ctx);
    }

    fn warn(&self, key: ObjectKey, reason: String, message: String, ctx: &mut Context<Self>) {
        let tools = Arc::clone(&self.tools);
        let warn = async move {
            if let Some(function) = look_up(&tools.objects, &key).await {
                let warning = EventKind::Warning;
                tools
                    .objects
                    .record(&*function, warning, "images", &reason, &message)
                    .await;
            }
        };
        ctx.spawn(warn.into_actor(self));
    }

    /// Looks the function up again after a while, since it may have changed in between, and offers its
    /// build.
    pub(super) fn offer_later(&mut self, id: String, ctx: &mut Context<Self>) {
        let waiting = self
            .jobs
            .get(&id)
            .and_then(|job| job.functions.first().cloned());
        let Some(key) = waiting else {
            self.tools.logs.end(&id);
            self.jobs.remove(&id);
            return;
        };
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let look = async move {
            tokio::time::sleep(RETRY_AFTER).await;
            match look_up(&tools.objects, &key).await {
                Some(function) => addr.do_send(Offer {
                    job: id,
                    function,
                    quiet: true,
                }),
                None => addr.do_send(Gone {
                    job: id,
                    function: key,
                }),
            }
        };
        ctx.spawn(look.into_actor(self));
    }

    fn give_up_on(&mut self, id: &str, offer: u64, ctx: &mut Context<Self>) {
        let given = |job: &super::job::Job| job.offer == offer && job.held;
        if self.jobs.get(id).is_some_and(given) {
            let message = "the node that builds it says nothing any more".to_owned();
            let why = BuildFailure {
                reason: "Timeout".to_owned(),
                message,
                transient: true,
            };
            self.retry(id, why, ctx);
        }
    }
}

/// Whether a function shows that it waits for a node.
fn waits(function: &Function) -> bool {
    let built = function
        .status
        .conditions
        .iter()
        .find(|c| c.r#type == "Built");
    built.is_some_and(|c| c.status == ConditionStatus::Unknown && c.reason != "Building")
}

/// Whether the same source and settings would end the same way again.
fn is_certain(outcome: &BuildOutcome) -> bool {
    match outcome {
        BuildOutcome::Built(_) => true,
        BuildOutcome::Failed(failure) => is_final(&failure.reason),
    }
}

impl Handler<Offer> for Images {
    type Result = ();

    fn handle(&mut self, offered: Offer, ctx: &mut Self::Context) {
        let Offer {
            job: id,
            function,
            quiet,
        } = offered;
        let Some(job) = self.jobs.get_mut(&id).filter(|job| !job.ending) else {
            return;
        };
        job.offering = true;
        let (key, first, native_only) = (job.key.clone(), job.is_first(), job.needs.is_some());
        if !quiet && first {
            let condition = Condition::new("Built", ConditionStatus::Unknown, "Building", "");
            self.show(
                ObjectKey::of(&*function),
                Some(key.build.clone()),
                condition,
                ctx,
            );
        }
        let nodes = self.nodes.as_ref();
        let platforms = match (&key.platform, nodes) {
            (Some(platform), _) => vec![platform.clone()],
            (None, Some(nodes)) => targets(nodes, &function.spec.node_selector),
            (None, None) => Vec::new(),
        };
        let target = BuildTarget {
            platforms,
            native_only,
        };
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let offer = async move {
            let result = offer(&tools, &key, &function, target).await;
            addr.do_send(Offered {
                job: id,
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
            job: id,
            function,
            result,
        } = offered;
        let Some(job) = self.jobs.get_mut(&id).filter(|job| !job.ending) else {
            return;
        };
        job.offering = false;
        let early = std::mem::take(&mut job.early);
        match result {
            OfferResult::Taken(node, platform) => {
                job.log
                    .extend([format!("node {node} builds for {platform}")]);
                job.given = Some((node, platform));
                job.held = true;
                job.offer += 1;
                let (offer, first, build) = (job.offer, job.is_first(), job.key.build.clone());
                if first && waits(&function) {
                    let unknown = ConditionStatus::Unknown;
                    let condition = Condition::new("Built", unknown, "Building", "");
                    self.show(ObjectKey::of(&*function), Some(build), condition, ctx);
                }
                let limit = self.tools.build_timeout + NODE_GRACE;
                ctx.run_later(limit, move |images, ctx| images.give_up_on(&id, offer, ctx));
                early.into_iter().for_each(|news| ctx.notify(news));
            }
            OfferResult::Done => self.settle(&id, ctx),
            OfferResult::Failed(failure) => self.finish(&id, BuildOutcome::Failed(failure), ctx),
            OfferResult::NoNode => {
                if job.is_first() {
                    let unknown = ConditionStatus::Unknown;
                    let condition = match &job.needs {
                        Some(message) => {
                            Condition::new("Built", unknown, NEEDS_ARCHITECTURE, message.clone())
                        }
                        None => Condition::new("Built", unknown, "NoNodes", NO_NODE),
                    };
                    let build = Some(job.key.build.clone());
                    self.show(ObjectKey::of(&*function), build, condition, ctx);
                }
                self.offer_later(id, ctx);
            }
            OfferResult::Retry(message) => {
                let why = BuildFailure {
                    reason: "StoreFailed".to_owned(),
                    message,
                    transient: true,
                };
                self.retry(&id, why, ctx);
            }
        }
    }
}

impl Handler<BuildNews> for Images {
    type Result = ();

    fn handle(&mut self, news: BuildNews, ctx: &mut Self::Context) {
        let Some(job) = self.jobs.get_mut(&news.report.id).filter(|job| !job.ending) else {
            return;
        };
        let same = |(builder, _): &(String, Platform)| *builder == news.node;
        let given = job.given.as_ref().is_some_and(same);
        if !given && job.offering && job.early.len() < MOST_EARLY {
            job.early.push(news);
            return;
        }
        let BuildNews { node, report } = news;
        if !given {
            // Of another one, or given by an earlier master: it is offered anew, and told again then.
            tracing::debug!(
                build = report.id,
                node,
                "node speaks of a build it was not given"
            );
            return;
        }
        job.log.extend(report.log);
        match report.outcome {
            None => {}
            Some(BuildOutcome::Failed(failure)) if failure.transient => {
                let (build, reason) = (&report.id, &failure.reason);
                tracing::info!(build, node, reason, "build is tried again");
                self.retry(&report.id, failure, ctx);
            }
            Some(BuildOutcome::Failed(failure))
                if failure.reason == NEEDS_ARCHITECTURE && job.needs.is_none() =>
            {
                self.needs_native(&report.id, failure, ctx);
            }
            Some(outcome) => self.finish(&report.id, outcome, ctx),
        }
    }
}

impl Handler<NodeLost> for Images {
    type Result = ();

    fn handle(&mut self, NodeLost(node): NodeLost, ctx: &mut Self::Context) {
        let had = |job: &super::job::Job| {
            let given = job.given.as_ref();
            job.held && !job.ending && given.is_some_and(|(builder, _)| *builder == node)
        };
        let lost = self.jobs.iter().filter(|(_, job)| had(job));
        let lost: Vec<_> = lost.map(|(id, _)| id.clone()).collect();
        for id in lost {
            if let Some(job) = self.jobs.get_mut(&id) {
                // Not the build's fault: it does not use up a try. An agent that goes on with it takes
                // the same id for the same build.
                job.held = false;
                self.offer_later(id, ctx);
            }
        }
    }
}
