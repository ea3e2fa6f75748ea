//! Workflows and state machines: a new spec of a workflow is run once, the last run of each is shown.

use std::sync::Arc;

use actix::{AsyncContext, Context, Handler, Message, WrapFuture};
use common::resources::{RunPhase, Workflow};

use super::{RETRY_AFTER, Workflows};
use crate::key::ObjectKey;
use crate::objects::{Change, ObjectError, insist};
use crate::workflows::{begin, object};

#[derive(Message)]
#[rtype(result = "()")]
struct Begun {
    workflow: Workflow,
    result: Result<(), ObjectError>,
}

/// The last run of a state machine is still to be shown.
#[derive(Message)]
#[rtype(result = "()")]
struct NotShown {
    machine: ObjectKey,
    run: String,
}

impl Workflows {
    pub(super) fn workflow_seen(&mut self, change: Change<Workflow>, ctx: &mut Context<Self>) {
        match change {
            Change::Restarted(workflows) => {
                self.show_ends(&workflows, ctx);
                workflows
                    .into_iter()
                    .for_each(|workflow| self.consider(workflow, ctx));
            }
            Change::Applied(workflow) => self.consider(workflow, ctx),
            Change::Deleted(workflow) => {
                let key = ObjectKey::of(&workflow);
                self.starting.remove(&key);
                self.shown.remove(&key);
            }
        }
    }

    /// A crash may have come between the end of a run and its workflow's: it is shown now.
    fn show_ends(&self, workflows: &[Workflow], ctx: &mut Context<Self>) {
        let open = workflows.iter().filter(|workflow| {
            let phase = workflow.status.phase;
            !phase.is_some_and(RunPhase::is_final)
        });
        let open: Vec<_> = open
            .filter_map(|workflow| {
                let run = workflow.status.last_run.clone()?;
                Some((ObjectKey::of(workflow), run))
            })
            .collect();
        let tools = Arc::clone(&self.tools);
        let show = async move {
            for (key, run) in open {
                let show = || begin::show_end(&tools, &key, &run);
                if let Err(error) = insist("show the end of a run", show).await {
                    tracing::error!(workflow = %key, %error, "could not show the end of a run");
                }
            }
        };
        ctx.spawn(show.into_actor(self));
    }

    /// Starts the run of a workflow whose spec has not been run.
    fn consider(&mut self, workflow: Workflow, ctx: &mut Context<Self>) {
        match &workflow.status.last_run {
            Some(run) => self.shown.insert(ObjectKey::of(&workflow), run.clone()),
            None => self.shown.remove(&ObjectKey::of(&workflow)),
        };
        let generation = workflow.metadata.generation;
        if !begin::is_owed(&workflow) {
            return;
        }
        let key = ObjectKey::of(&workflow);
        if self.starting.insert(key, generation) == Some(generation) {
            return;
        }
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let begin = async move {
            let result = begin::begin(&tools, &workflow).await;
            addr.do_send(Begun { workflow, result });
        };
        ctx.spawn(begin.into_actor(self));
    }

    /// Shows the newest run of each state machine in its object.
    pub(super) fn show_last_runs(&mut self, ctx: &mut Context<Self>) {
        if self.last_runs.is_empty() {
            return;
        }
        let (tools, last) = (Arc::clone(&self.tools), std::mem::take(&mut self.last_runs));
        let addr = ctx.address();
        let show = async move {
            for (machine, run) in last {
                if let Err(error) = object::show_last_run(&tools.objects, &machine, &run).await {
                    tracing::warn!(state_machine = %machine, %error, "could not show the last run");
                    if error.is_passing() {
                        addr.do_send(NotShown { machine, run });
                    }
                }
            }
        };
        ctx.spawn(show.into_actor(self));
    }
}

impl Handler<NotShown> for Workflows {
    type Result = ();

    fn handle(&mut self, NotShown { machine, run }: NotShown, _: &mut Self::Context) {
        // A newer one may have come meanwhile.
        self.last_runs.entry(machine).or_insert(run);
    }
}

impl Handler<Begun> for Workflows {
    type Result = ();

    fn handle(&mut self, Begun { workflow, result }: Begun, ctx: &mut Self::Context) {
        self.starting.remove(&ObjectKey::of(&workflow));
        if let Err(error) = result {
            let name = &workflow.metadata.name;
            tracing::warn!(workflow = name, %error, "could not start a workflow's run");
            ctx.run_later(RETRY_AFTER, move |actor, ctx| actor.consider(workflow, ctx));
        }
    }
}
