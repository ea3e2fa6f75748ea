//! The run as its object shows it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{AsyncContext, Context, WrapFuture};
use asl::Outcome;
use common::resources::WorkflowRun;

use super::{Shown, WorkflowRunActor};
use crate::objects::insist;
use crate::workflows::show::Progress;
use crate::workflows::{WorkflowsTools, object};

/// How often a run that goes on is shown in its object; a short run is shown only when it has ended.
const SHOW_EVERY: Duration = Duration::from_millis(200);

impl WorkflowRunActor {
    /// Shows the run in its object, in a while if it goes on.
    pub(super) fn show_in_time(&mut self, ctx: &mut Context<Self>) {
        if self.engine.outcome().is_some() {
            if let Some(later) = self.show_later.take() {
                ctx.cancel_future(later);
            }
            self.show(ctx);
            return;
        }
        if self.is_express() || self.showing || !self.stale || self.show_later.is_some() {
            return;
        }
        let passed = self.shown.map(|at| at.elapsed()).unwrap_or_default();
        let rest = SHOW_EVERY.saturating_sub(passed);
        self.show_later = Some(ctx.run_later(rest, |actor, ctx| {
            actor.show_later = None;
            actor.show(ctx);
        }));
    }

    /// Shows the run in its object; one write at a time. While a decision is being written the engine is ahead of the
    /// journal, and an end or a rest that the journal does not have is not shown.
    fn show(&mut self, ctx: &mut Context<Self>) {
        let outcome = self.engine.outcome().cloned();
        let early = outcome.is_some() && self.journal.is_none();
        if self.showing || !self.stale || early {
            return;
        }
        (self.showing, self.stale) = (true, false);
        self.shown = Some(Instant::now());
        let (tools, run, addr) = (
            Arc::clone(&self.tools),
            Arc::clone(&self.run),
            ctx.address(),
        );
        self.shown_rest = self.resting();
        let progress = self.progress.clone().resting(self.shown_rest.clone());
        let show = async move {
            let now = tools.clock.now();
            let ended = show(&tools, &run, &progress, outcome.as_ref(), now).await;
            addr.do_send(Shown { ended });
        };
        ctx.spawn(show.into_actor(self));
    }

    /// Ends a run that the engine cannot run: its object says why.
    pub(super) fn fail(&mut self, error: &str, cause: String, ctx: &mut Context<Self>) {
        let outcome = crate::workflows::show::failed(error, cause);
        let (tools, run, addr) = (
            Arc::clone(&self.tools),
            Arc::clone(&self.run),
            ctx.address(),
        );
        let progress = self.progress.clone();
        let show = async move {
            let now = tools.clock.now();
            let ended = show(&tools, &run, &progress, Some(&outcome), now).await;
            addr.do_send(Shown { ended });
        };
        self.showing = true;
        ctx.spawn(show.into_actor(self));
    }
}

async fn show(
    tools: &WorkflowsTools,
    run: &WorkflowRun,
    progress: &Progress,
    outcome: Option<&Outcome>,
    now: jiff::Timestamp,
) -> bool {
    let write = || object::write(&tools.objects, run, progress, outcome, now);
    match insist("show a run's state", write).await {
        Ok(Some(written)) => {
            if outcome.is_some() {
                tools.waiters.ended(&written);
                if let Some(phase) = written.status.phase {
                    tools.counts.ended(phase);
                }
            }
        }
        Ok(None) => return true,
        Err(error) => {
            tracing::error!(run = run.metadata.name, %error, "could not show a run's state");
        }
    }
    outcome.is_some()
}
