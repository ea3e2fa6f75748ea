use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorContext, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture,
};
use asl::{
    Command, Decision, Effect, ExecutionContext, Moment, Outcome, Program, Record, Run, TaskId,
    TimerId,
};
use common::resources::WorkflowRun;
use serde_json::json;

use super::journal::{Journal, JournalError};
use super::registry::WorkflowsTools;
use super::start::target_of;
use super::task::{self, TaskResult};
use super::{definition, object};
use crate::store::StoreError;
use crate::supervisor::Guard;

/// Wait before the store is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// The actor of one run: a shell around the engine. Commands are decided one after the other; the
/// effects of one are carried out after its records are on disk.
pub struct WorkflowRunActor {
    run: Arc<WorkflowRun>,
    tools: Arc<WorkflowsTools>,
    program: Option<Program>,
    engine: Run,
    journal: Option<Journal>,
    records: Vec<Record>,
    commands: VecDeque<Command>,
    tasks: HashMap<TaskId, tokio::task::AbortHandle>,
    timers: HashMap<TimerId, SpawnHandle>,
    /// Whether the object does not show the last records yet.
    stale: bool,
    /// Whether the journal was replayed and what is owed was not carried out yet.
    resuming: bool,
    showing: bool,
    guard: Guard,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Loaded(Result<(Journal, Vec<Record>), JournalError>);

#[derive(Message)]
#[rtype(result = "()")]
struct Do(Command);

#[derive(Message)]
#[rtype(result = "()")]
struct Appended {
    journal: Journal,
    decision: Decision,
    result: Result<(), JournalError>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Shown {
    /// Whether the run's end stands in its object, or the object is gone.
    ended: bool,
}

/// The run's object is this now.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Updated(pub(super) Arc<WorkflowRun>);

/// The run's object is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Removed;

impl WorkflowRunActor {
    /// The actor of a run whose object is this.
    pub(super) fn new(run: Arc<WorkflowRun>, tools: Arc<WorkflowsTools>, guard: Guard) -> Self {
        Self {
            run,
            tools,
            program: None,
            engine: Run::new(),
            journal: None,
            records: Vec::new(),
            commands: VecDeque::new(),
            tasks: HashMap::new(),
            timers: HashMap::new(),
            stale: false,
            resuming: false,
            showing: false,
            guard,
        }
    }

    fn load(&self, ctx: &mut Context<Self>) {
        let (store, uid) = (
            Arc::clone(self.tools.objects.store()),
            self.run.metadata.uid.clone(),
        );
        let addr = ctx.address();
        let load = async move { addr.do_send(Loaded(Journal::load(store, &uid).await)) };
        ctx.spawn(load.into_actor(self));
    }

    /// Folds the journal and goes on where it ends.
    fn resume(&mut self, journal: Journal, records: Vec<Record>, ctx: &mut Context<Self>) {
        self.journal = Some(journal);
        let definition = self.run.spec.definition.clone().unwrap_or_default();
        let program = match definition::check_state_machine(&definition) {
            Ok(program) => program,
            Err(error) => return self.fail("States.Runtime", error.to_string(), ctx),
        };
        for record in &records {
            if let Err(error) = self.engine.apply(record) {
                return self.fail(
                    "States.Runtime",
                    format!("replay the journal: {error}"),
                    ctx,
                );
            }
        }
        self.program = Some(program);
        self.records = records;
        self.stale = true;
        if self.engine.is_started() {
            self.resuming = true;
            self.command(Command::Resume, ctx);
        } else {
            self.command(self.beginning(), ctx);
        }
        if self.run.spec.stop {
            self.command(stop_command(), ctx);
        }
    }

    /// Forgets everything and loads the journal again.
    fn start_over(&mut self, ctx: &mut Context<Self>) {
        self.tasks.drain().for_each(|(_, task)| task.abort());
        for (_, timer) in self.timers.drain() {
            ctx.cancel_future(timer);
        }
        self.commands.clear();
        (self.program, self.journal, self.engine) = (None, None, Run::new());
        self.load(ctx);
    }

    fn beginning(&self) -> Command {
        let metadata = &self.run.metadata;
        let (kind, name) = target_of(&self.run).map_or(("", ""), |(t, name)| (t.as_str(), name));
        let context = ExecutionContext {
            id: metadata.uid.clone(),
            name: metadata.name.clone(),
            role: None,
            start_time: self.tools.clock.now(),
            state_machine_id: format!("{kind}/{}/{name}", metadata.namespace),
            state_machine_name: name.to_owned(),
        };
        let input = self.run.spec.input.clone().unwrap_or_else(|| json!({}));
        Command::Start { input, context }
    }

    fn command(&mut self, command: Command, ctx: &mut Context<Self>) {
        self.commands.push_back(command);
        self.next(ctx);
    }

    /// Decides the next command, when no decision is being written.
    fn next(&mut self, ctx: &mut Context<Self>) {
        while let (Some(program), true) = (&self.program, self.journal.is_some()) {
            let Some(command) = self.commands.pop_front() else {
                return;
            };
            let moment = Moment {
                now: self.tools.clock.now(),
                entropy: rand::random(),
            };
            match self.engine.decide(program, command, &moment) {
                Ok(decision) if decision.records.is_empty() => self.carry_out_all(&decision, ctx),
                Ok(decision) => return self.append(decision, ctx),
                Err(error) => return self.fail("States.Runtime", error.to_string(), ctx),
            }
        }
    }

    fn append(&mut self, decision: Decision, ctx: &mut Context<Self>) {
        let Some(mut journal) = self.journal.take() else {
            return;
        };
        let addr = ctx.address();
        let append = async move {
            let result = journal.append(&decision.records).await;
            addr.do_send(Appended {
                journal,
                decision,
                result,
            });
        };
        ctx.spawn(append.into_actor(self));
    }

    /// Carries out a decision's effects, or, after the replay of a journal, all that is owed.
    fn carry_out_all(&mut self, decision: &Decision, ctx: &mut Context<Self>) {
        let owed = if std::mem::take(&mut self.resuming) {
            self.engine.pending()
        } else {
            decision.effects.clone()
        };
        for effect in owed {
            self.carry_out(effect, ctx);
        }
    }

    fn carry_out(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::InvokeTask(invocation) => {
                let id = invocation.task;
                let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
                let namespace = self.run.metadata.namespace.clone();
                let uid = self.run.metadata.uid.clone();
                let work = async move {
                    let wait = tools.wait_for_function;
                    let result =
                        task::carry_out(&tools.calls, &namespace, &uid, invocation, wait).await;
                    addr.do_send(Do(task_command(id, result)));
                };
                if let Some(old) = self.tasks.insert(id, tokio::spawn(work).abort_handle()) {
                    old.abort();
                }
            }
            Effect::CancelTask { task } => {
                if let Some(task) = self.tasks.remove(&task) {
                    task.abort();
                }
            }
            Effect::StartTimer { timer, at } => {
                let rest = at.duration_since(self.tools.clock.now());
                let rest = Duration::try_from(rest).unwrap_or_default();
                let handle = ctx.notify_later(Do(Command::TimerFired { timer }), rest);
                if let Some(old) = self.timers.insert(timer, handle) {
                    ctx.cancel_future(old);
                }
            }
            Effect::CancelTimer { timer } => {
                if let Some(timer) = self.timers.remove(&timer) {
                    ctx.cancel_future(timer);
                }
            }
            Effect::Finish(_) => self.stale = true,
            effect => {
                let why = "distributed Maps are not offered by this engine yet";
                if let Some(command) = effect.refused(why) {
                    ctx.notify(Do(command));
                }
            }
        }
        self.show(ctx);
    }

    /// Shows the run in its object; one write at a time.
    fn show(&mut self, ctx: &mut Context<Self>) {
        if self.showing || !self.stale {
            return;
        }
        (self.showing, self.stale) = (true, false);
        let (tools, run, addr) = (
            Arc::clone(&self.tools),
            Arc::clone(&self.run),
            ctx.address(),
        );
        let outcome = self.engine.outcome().cloned();
        // Nobody reads the steps between two writes; the whole list is written anew each time.
        let records = self.records.clone();
        let show = async move {
            let now = tools.clock.now();
            let ended = show(&tools, &run, &records, outcome.as_ref(), now).await;
            addr.do_send(Shown { ended });
        };
        ctx.spawn(show.into_actor(self));
    }

    /// Ends a run that the engine cannot run: its object says why.
    fn fail(&mut self, error: &str, cause: String, ctx: &mut Context<Self>) {
        let outcome = super::show::failed(error, cause);
        let (tools, run, addr) = (
            Arc::clone(&self.tools),
            Arc::clone(&self.run),
            ctx.address(),
        );
        let records = self.records.clone();
        let show = async move {
            let now = tools.clock.now();
            let ended = show(&tools, &run, &records, Some(&outcome), now).await;
            addr.do_send(Shown { ended });
        };
        self.showing = true;
        ctx.spawn(show.into_actor(self));
    }
}

async fn show(
    tools: &WorkflowsTools,
    run: &WorkflowRun,
    records: &[Record],
    outcome: Option<&Outcome>,
    now: jiff::Timestamp,
) -> bool {
    loop {
        match object::write(&tools.objects, run, records, outcome, now).await {
            Ok(Some(written)) => {
                if outcome.is_some() {
                    tools.waiters.ended(&written);
                }
                return outcome.is_some();
            }
            Ok(None) => return true,
            Err(error) => {
                tracing::warn!(run = run.metadata.name, %error, "could not show a run's state");
                if outcome.is_none() {
                    return false;
                }
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}

fn task_command(task: TaskId, result: TaskResult) -> Command {
    match result {
        TaskResult::Succeeded(output) => Command::TaskSucceeded { task, output },
        TaskResult::Failed { error, cause } => Command::TaskFailed {
            task,
            error,
            cause: Some(cause),
        },
    }
}

fn stop_command() -> Command {
    Command::Stop {
        error: None,
        cause: Some("stopped by spec.stop".to_owned()),
    }
}

impl Actor for WorkflowRunActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.guard.tie(self, ctx);
        self.load(ctx);
    }
}

impl Drop for WorkflowRunActor {
    fn drop(&mut self) {
        // After a panic too: the next life of the actor makes the calls again.
        self.tasks
            .values()
            .for_each(tokio::task::AbortHandle::abort);
    }
}

impl Handler<Loaded> for WorkflowRunActor {
    type Result = ();

    fn handle(&mut self, Loaded(result): Loaded, ctx: &mut Self::Context) {
        match result {
            Ok((journal, records)) => self.resume(journal, records, ctx),
            Err(error @ JournalError::Damaged { .. }) => {
                self.fail("States.Runtime", error.to_string(), ctx);
            }
            Err(JournalError::Store(error)) => {
                tracing::warn!(run = self.run.metadata.name, %error, "could not load a run");
                ctx.run_later(RETRY_AFTER, |actor, ctx| actor.load(ctx));
            }
        }
    }
}

impl Handler<Do> for WorkflowRunActor {
    type Result = ();

    fn handle(&mut self, Do(command): Do, ctx: &mut Self::Context) {
        self.command(command, ctx);
    }
}

impl Handler<Appended> for WorkflowRunActor {
    type Result = ();

    fn handle(&mut self, appended: Appended, ctx: &mut Self::Context) {
        let Appended {
            mut journal,
            decision,
            result,
        } = appended;
        if let Err(JournalError::Store(StoreError::Conflict { .. })) = result {
            // An earlier life of this actor wrote the batch after all: what is on disk is what counts.
            self.start_over(ctx);
            return;
        }
        if let Err(error) = result {
            tracing::warn!(run = self.run.metadata.name, %error, "could not append to a journal");
            // The engine is ahead of the journal; what is on disk is what counts.
            let addr = ctx.address();
            let again = async move {
                tokio::time::sleep(RETRY_AFTER).await;
                let result = journal.append(&decision.records).await;
                addr.do_send(Appended {
                    journal,
                    decision,
                    result,
                });
            };
            ctx.spawn(again.into_actor(self));
            return;
        }
        self.journal = Some(journal);
        self.records.extend(decision.records.iter().cloned());
        self.stale = true;
        self.carry_out_all(&decision, ctx);
        self.show(ctx);
        self.next(ctx);
    }
}

impl Handler<Shown> for WorkflowRunActor {
    type Result = ();

    fn handle(&mut self, Shown { ended }: Shown, ctx: &mut Self::Context) {
        self.showing = false;
        if ended {
            ctx.stop();
            return;
        }
        self.show(ctx);
    }
}

impl Handler<Updated> for WorkflowRunActor {
    type Result = ();

    fn handle(&mut self, Updated(run): Updated, ctx: &mut Self::Context) {
        let stop = run.spec.stop && !self.run.spec.stop;
        self.run = run;
        if stop && self.program.is_some() {
            self.command(stop_command(), ctx);
        }
    }
}

impl Handler<Removed> for WorkflowRunActor {
    type Result = ();

    fn handle(&mut self, _: Removed, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
