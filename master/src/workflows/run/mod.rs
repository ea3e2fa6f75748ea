mod display;
mod effects;
mod maps;
mod messages;
mod resume;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorContext, AsyncContext, Context, Handler, Recipient, SpawnHandle, WrapFuture,
};
use asl::run::MapRunId;
use asl::{Command, Decision, Invocation, Moment, Program, Rest, Run, TaskId, TimerId};
use common::resources::{StateMachineType, Task, WorkflowRun};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use self::maps::ChildFlight;
use self::messages::{Appended, Do, Ended, Shown};
pub(in crate::workflows) use self::messages::{Removed, Rests, Said, Updated};
use crate::store::StoreError;
use crate::supervisor::Guard;
use crate::workflows::WorkflowsTools;
use crate::workflows::journal::{Journal, JournalError};
use crate::workflows::maps::Items;
use crate::workflows::parked;
use crate::workflows::show::Progress;
use crate::workflows::tasks;

/// Wait before the store is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How long after a word about a task the run may rest.
const REST_AFTER: Duration = Duration::from_secs(1);

/// The actor of one run: a shell around the engine. Commands are decided one after the other; the
/// effects of one are carried out after its records are on disk.
pub struct WorkflowRunActor {
    run: Arc<WorkflowRun>,
    tools: Arc<WorkflowsTools>,
    program: Option<Arc<Program>>,
    /// The programs of its distributed Maps' children, by the Map's state.
    processors: HashMap<String, Arc<Program>>,
    engine: Run,
    journal: Option<Journal>,
    /// What the object shows of the journal.
    progress: Progress,
    commands: VecDeque<Command>,
    tasks: HashMap<TaskId, Flight>,
    /// Children of distributed Maps that run.
    children: HashMap<(MapRunId, u32), ChildFlight>,
    /// What distributed Maps read.
    items: Arc<Mutex<BTreeMap<MapRunId, Arc<OnceCell<Items>>>>>,
    /// Tasks that somebody answers, as their objects stand.
    said: HashMap<TaskId, Arc<Task>>,
    timers: HashMap<TimerId, SpawnHandle>,
    /// Whether the object does not show the last records yet.
    stale: bool,
    /// Whether the journal was replayed and what is owed was not carried out yet.
    resuming: bool,
    /// Whether a write of the object is under way.
    showing: bool,
    /// The next one, when it is not time yet.
    show_later: Option<SpawnHandle>,
    shown: Option<Instant>,
    /// What the object says that the run waits for.
    shown_rest: Option<Rest>,
    /// Who is told when there is nothing to do.
    room: Recipient<Rests>,
    guard: Guard,
}

/// A task that is being carried out, or that somebody else answers.
struct Flight {
    work: tokio::task::AbortHandle,
    invocation: Invocation,
}

impl WorkflowRunActor {
    /// The actor of a run whose object is this.
    pub(in crate::workflows) fn new(
        run: Arc<WorkflowRun>,
        tools: Arc<WorkflowsTools>,
        guard: Guard,
        room: Recipient<Rests>,
    ) -> Self {
        Self {
            engine: Run::with_limits(tools.limits),
            run,
            tools,
            program: None,
            processors: HashMap::new(),
            journal: None,
            progress: Progress::default(),
            commands: VecDeque::new(),
            tasks: HashMap::new(),
            children: HashMap::new(),
            items: Arc::default(),
            said: HashMap::new(),
            timers: HashMap::new(),
            stale: false,
            resuming: false,
            showing: false,
            show_later: None,
            shown: None,
            shown_rest: None,
            room,
            guard,
        }
    }

    /// Whether only the run's outcome is kept. After a crash such a run begins anew.
    fn is_express(&self) -> bool {
        self.run.spec.r#type == Some(StateMachineType::Express)
    }

    /// Ends the work on all that is in flight here; what it does outside goes on.
    fn abort_all(&mut self) {
        self.tasks
            .drain()
            .for_each(|(_, flight)| flight.work.abort());
        let children = self.children.drain();
        children.for_each(|(_, flight)| flight.work.abort());
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
            let program = Arc::clone(program);
            let moment = Moment {
                now: self.tools.clock.now(),
                entropy: rand::random(),
            };
            let ended = Ended::by(&command);
            let decision = self.engine.decide(&program, command, &moment);
            // Behind what waits: a run that loops is stopped like any other.
            if decision.as_ref().is_ok_and(|decision| decision.more)
                && !self.commands.contains(&Command::Resume)
            {
                self.commands.push_back(Command::Resume);
            }
            match decision {
                Ok(decision) if decision.records.is_empty() => self.carry_out_all(&decision, ctx),
                Ok(decision) => return self.append(decision, ended, ctx),
                Err(error) => return self.fail("States.Runtime", error.to_string(), ctx),
            }
        }
    }

    fn append(&mut self, decision: Decision, ended: Option<Ended>, ctx: &mut Context<Self>) {
        let Some(mut journal) = self.journal.take() else {
            return;
        };
        let addr = ctx.address();
        let append = async move {
            let result = journal.append(&decision.records).await;
            addr.do_send(Appended {
                journal,
                decision,
                ended,
                result,
            });
        };
        ctx.spawn(append.into_actor(self));
    }

    /// What the run waits for when it has nothing else to do, once the journal says so and the tasks that somebody
    /// answers are there to be answered.
    fn resting(&self) -> Option<Rest> {
        if self.journal.is_none() || !self.commands.is_empty() || self.is_express() {
            return None;
        }
        let told = |rest: &Rest| rest.tasks.iter().all(|task| self.said.contains_key(task));
        self.engine.rest().filter(told)
    }

    /// Tells the room when the run only waits, for long, and its object says so.
    fn rest(&self) {
        let shown = !self.stale && !self.showing;
        let idle = self.tasks.values().all(|flight| flight.work.is_finished());
        let Some(rest) = self.resting().filter(|_| shown && idle) else {
            return;
        };
        if parked::is_worth(rest.until, self.tools.clock.now()) {
            self.room.do_send(Rests {
                run: Arc::clone(&self.run),
                until: rest.until,
                said: self.said.values().cloned().collect(),
            });
        }
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
}

fn stop_command(run: &WorkflowRun) -> Command {
    Command::Stop {
        error: run.spec.stop_error.clone(),
        cause: run.spec.stop_cause.clone(),
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
        self.abort_all();
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
            ended,
            result,
        } = appended;
        if let Err(JournalError::Store(StoreError::Conflict { .. })) = result {
            // An earlier life of this actor wrote the batch after all: what is on disk is what counts.
            self.start_over(ctx);
            return;
        }
        if let Err(JournalError::Store(StoreError::TooLarge(why))) = result {
            let cause = format!("A record of the history cannot be stored: {why}.");
            self.fail("States.DataLimitExceeded", cause, ctx);
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
                    ended,
                    result,
                });
            };
            ctx.spawn(again.into_actor(self));
            return;
        }
        self.journal = Some(journal);
        for record in &decision.records {
            self.progress.read(record);
        }
        self.stale = true;
        match ended {
            Some(Ended::Task(task)) => self.settle(task),
            Some(Ended::Child(map, index)) => self.settle_child(map, index),
            None => {}
        }
        self.carry_out_all(&decision, ctx);
        self.show_in_time(ctx);
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
        self.show_in_time(ctx);
        self.rest();
    }
}

impl Handler<Updated> for WorkflowRunActor {
    type Result = ();

    fn handle(&mut self, Updated(run): Updated, ctx: &mut Self::Context) {
        let stop = run.spec.stop && !self.run.spec.stop;
        self.run = run;
        if stop && self.program.is_some() {
            self.command(stop_command(&self.run), ctx);
        }
    }
}

impl Handler<Said> for WorkflowRunActor {
    type Result = ();

    fn handle(&mut self, Said(task): Said, ctx: &mut Self::Context) {
        let before = self
            .said
            .insert(TaskId(task.spec.attempt), Arc::clone(&task));
        if self.program.is_none() {
            return;
        }
        for command in tasks::commands(before.as_deref(), &task) {
            self.command(command, ctx);
        }
        // The run may have waited for nothing but this word.
        ctx.run_later(REST_AFTER, |actor, ctx| {
            actor.stale |= actor.resting() != actor.shown_rest;
            actor.show_in_time(ctx);
            actor.rest();
        });
    }
}

impl Handler<Removed> for WorkflowRunActor {
    type Result = ();

    fn handle(&mut self, _: Removed, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
