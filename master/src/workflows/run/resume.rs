//! From its journal to a run that goes on.

use std::sync::Arc;

use actix::{AsyncContext, Context, Handler, WrapFuture};
use asl::{Command, EngineError, ExecutionContext, Limits, Record, Run};
use serde_json::json;

use super::messages::Loaded;
use super::{RETRY_AFTER, WorkflowRunActor, stop_command};
use crate::arn::Arn;
use crate::store::Store;
use crate::workflows::execution::{execution_arn, execution_name};
use crate::workflows::journal::{Journal, JournalError};
use crate::workflows::programs::program_of;
use crate::workflows::show::Progress;
use crate::workflows::start::{Target, target_of};
use crate::workflows::tasks;

/// A run as its journal tells it.
pub(super) struct Replayed {
    journal: Journal,
    engine: Run,
    progress: Progress,
    /// Whether all of the journal fits together.
    folded: Result<(), EngineError>,
}

impl Replayed {
    fn nothing(limits: Limits) -> Self {
        Self {
            journal: Journal::none(),
            engine: Run::with_limits(limits),
            progress: Progress::default(),
            folded: Ok(()),
        }
    }
}

/// Folds a run's journal while it is read.
async fn replay(
    store: Arc<dyn Store>,
    run: &str,
    limits: Limits,
) -> Result<Replayed, JournalError> {
    let mut replayed = Replayed::nothing(limits);
    let fold = |records: Vec<Record>| {
        for record in &records {
            if replayed.folded.is_ok() {
                replayed.progress.read(record);
                replayed.folded = replayed.engine.apply(record);
            }
        }
    };
    let journal = Journal::replay(store, run, fold).await?;
    Ok(Replayed {
        journal,
        ..replayed
    })
}

impl WorkflowRunActor {
    pub(super) fn load(&self, ctx: &mut Context<Self>) {
        let (store, uid) = (
            Arc::clone(self.tools.objects.store()),
            self.run.metadata.uid.clone(),
        );
        let addr = ctx.address();
        let limits = self.tools.limits;
        if self.is_express() {
            addr.do_send(Loaded(Ok(Replayed::nothing(limits))));
            return;
        }
        let load = async move { addr.do_send(Loaded(replay(store, &uid, limits).await)) };
        ctx.spawn(load.into_actor(self));
    }

    /// Goes on where the journal ends.
    fn resume(&mut self, replayed: Replayed, ctx: &mut Context<Self>) {
        self.journal = Some(replayed.journal);
        (self.engine, self.progress) = (replayed.engine, replayed.progress);
        let definition = self.run.spec.definition.clone().unwrap_or_default();
        let program = match program_of(&definition) {
            Ok(program) => program,
            Err(error) => return self.fail("States.Runtime", error.to_string(), ctx),
        };
        if let Err(error) = replayed.folded {
            let cause = format!("replay the journal: {error}");
            return self.fail("States.Runtime", cause, ctx);
        }
        self.program = Some(program);
        self.stale = true;
        if self.engine.outcome().is_some() && self.run.is_redriven() {
            self.command(Command::Redrive, ctx);
            self.show_in_time(ctx);
        } else if self.engine.is_started() {
            self.resuming = true;
            self.command(Command::Resume, ctx);
            if self.engine.outcome().is_some() {
                // The master before was gone, or had lost the lead, between the last record and the object.
                self.show_in_time(ctx);
            }
        } else {
            self.command(self.beginning(), ctx);
        }
        let said: Vec<Command> = self
            .said
            .values()
            .flat_map(|task| tasks::commands(None, task))
            .collect();
        for command in said {
            self.command(command, ctx);
        }
        if self.run.spec.stop {
            self.command(stop_command(&self.run), ctx);
        }
    }

    /// Forgets everything and loads the journal again.
    pub(super) fn start_over(&mut self, ctx: &mut Context<Self>) {
        self.tasks
            .drain()
            .for_each(|(_, flight)| flight.work.abort());
        for (_, timer) in self.timers.drain() {
            ctx.cancel_future(timer);
        }
        self.commands.clear();
        (self.program, self.journal) = (None, None);
        self.engine = Run::with_limits(self.tools.limits);
        self.progress = Progress::default();
        self.load(ctx);
    }

    fn beginning(&self) -> Command {
        let (run, realm) = (&self.run, &self.tools.realm);
        let (state_machine_id, state_machine_name) = match target_of(run) {
            Some((Target::StateMachine, name)) => {
                let arn = Arn::StateMachine(name.to_owned());
                (arn.within(realm), name.to_owned())
            }
            Some((Target::Workflow, name)) => {
                let id = format!("workflow/{}/{name}", run.metadata.namespace);
                (id, name.to_owned())
            }
            None => (String::new(), String::new()),
        };
        let context = ExecutionContext {
            id: execution_arn(run).within(realm),
            name: execution_name(run).to_owned(),
            role: run.spec.role_arn.clone(),
            start_time: self.tools.clock.now(),
            state_machine_id,
            state_machine_name,
        };
        let input = self.run.spec.input.clone().unwrap_or_else(|| json!({}));
        Command::Start { input, context }
    }
}

impl Handler<Loaded> for WorkflowRunActor {
    type Result = ();

    fn handle(&mut self, Loaded(result): Loaded, ctx: &mut Self::Context) {
        match result {
            Ok(replayed) => self.resume(replayed, ctx),
            Err(error @ (JournalError::Damaged { .. } | JournalError::Missing { .. })) => {
                self.fail("States.Runtime", error.to_string(), ctx);
            }
            Err(JournalError::Store(error)) => {
                tracing::warn!(run = self.run.metadata.name, %error, "could not load a run");
                ctx.run_later(RETRY_AFTER, |actor, ctx| actor.load(ctx));
            }
        }
    }
}
