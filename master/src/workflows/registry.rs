use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, WrapFuture};
use asl::Limits;
use common::resources::{RunPhase, Task, Workflow, WorkflowRun};

use super::journal::Journal;
use super::maps::Buckets;
use super::metrics::RunCounts;
use super::parked::{self, Parked};
use super::retention::{self, Ended, Retention};
use super::run::{Removed, Rests, Said, Updated, WorkflowRunActor};
use super::task_queue::TaskQueue;
use super::tasks::Allowed;
use super::wait::RunWaiters;
use super::{adopt, begin, object, sweep, tasks};
use crate::arn::Realm;
use crate::calls::Calls;
use crate::clock::Clock;
use crate::key::ObjectKey;
use crate::objects::{Change, ObjectError, Objects, Part};
use crate::supervisor::{ChildDown, Down, Guard, Nursery, RestartPolicy, follow, follow_parts};

/// Wait before the store is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How often ended runs are looked through, and the most that are deleted then.
const EXPIRE_EVERY: Duration = Duration::from_secs(10);
const MOST_EXPIRED: usize = 500;
/// How often the last runs of state machines are shown: at most one write each, however many run.
const SHOW_EVERY: Duration = Duration::from_secs(1);
/// How often runs are looked for whose time has come, and the most that go on then.
const WAKE_EVERY: Duration = Duration::from_millis(100);
const MOST_WOKEN: usize = 500;

/// What runs need.
pub struct WorkflowsTools {
    /// Counts runs.
    pub counts: RunCounts,
    /// The API's objects.
    pub objects: Objects,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Makes the calls of tasks.
    pub calls: Calls,
    /// Those who wait for the end of runs.
    pub waiters: RunWaiters,
    /// How long a run waits for a function that does not exist.
    pub wait_for_function: Duration,
    /// How long ended runs are kept.
    pub retention: Retention,
    /// What one run may use.
    pub limits: Limits,
    /// What ARNs name.
    pub realm: Realm,
    /// Endpoints that runs may send requests to.
    pub allowed: Allowed,
    /// Files that runs may read and write.
    pub buckets: Buckets,
    /// Tasks that wait for workers.
    pub task_queue: TaskQueue,
}

/// The room of the runs.
pub struct Workflows {
    tools: Arc<WorkflowsTools>,
    pub(crate) children: Option<Nursery<WorkflowRunActor>>,
    /// Runs that only wait.
    parked: Parked,
    /// Runs that are read to get their actor back, by uid.
    waking: HashSet<String>,
    /// Runs known from before, by uid, that the list being read has not shown.
    unseen: HashSet<String>,
    /// Other runs that have not ended, by uid.
    runs: HashMap<String, Arc<WorkflowRun>>,
    /// Workflows whose run is being started, and the generation.
    starting: HashMap<ObjectKey, i64>,
    /// The run that each workflow shows as its last.
    shown: HashMap<ObjectKey, String>,
    /// Runs that have ended, by uid.
    ended: HashMap<String, Ended>,
    /// Tasks that somebody answers, by the uid of their run and their name.
    tasks: HashMap<String, HashMap<String, Arc<Task>>>,
    /// State machines whose last run is not shown yet, and that run.
    last_runs: HashMap<ObjectKey, String>,
    _guard: Guard,
}

#[derive(Message)]
#[rtype(result = "()")]
enum Seen {
    Workflow(Box<Change<Workflow>>),
    Run(Box<Part<WorkflowRun>>),
    Task(Box<Change<Task>>),
}

#[derive(Message)]
#[rtype(result = "()")]
struct Restart(String);

/// A run whose time has come, as its object is.
#[derive(Message)]
#[rtype(result = "()")]
struct Woken(Box<WorkflowRun>);

#[derive(Message)]
#[rtype(result = "()")]
struct Begun {
    workflow: Workflow,
    result: Result<(), ObjectError>,
}

impl Workflows {
    /// The room, with the tools its children use.
    #[must_use]
    pub fn new(tools: Arc<WorkflowsTools>, guard: Guard) -> Self {
        Self {
            tools,
            children: None,
            parked: Parked::default(),
            waking: HashSet::new(),
            unseen: HashSet::new(),
            runs: HashMap::new(),
            starting: HashMap::new(),
            shown: HashMap::new(),
            ended: HashMap::new(),
            tasks: HashMap::new(),
            last_runs: HashMap::new(),
            _guard: guard,
        }
    }

    fn run_seen(&mut self, part: Part<WorkflowRun>, ctx: &mut Context<Self>) {
        match part {
            Part::Begun => {
                let known = self.runs.keys().cloned().chain(self.parked.uids());
                self.unseen = known.collect();
                self.ended.clear();
            }
            Part::Some(runs) => {
                for run in runs {
                    self.unseen.remove(&run.metadata.uid);
                    self.run_applied(run, ctx);
                }
            }
            Part::Complete => {
                for uid in std::mem::take(&mut self.unseen) {
                    self.run_removed(&uid);
                }
                self.sweep_journals(ctx);
            }
            Part::Applied(run) => self.run_applied(run, ctx),
            Part::Deleted(run) => {
                self.run_removed(&run.metadata.uid);
                self.clean_up(run, ctx);
            }
        }
    }

    fn run_applied(&mut self, run: WorkflowRun, ctx: &mut Context<Self>) {
        let uid = run.metadata.uid.clone();
        if let Some(ended) = Ended::of(&run) {
            // Its actor ends by itself once the end is written.
            self.runs.remove(&uid);
            self.parked.remove(&uid);
            self.waking.remove(&uid);
            self.ended.insert(uid, ended);
            return;
        }
        if adopt::is_bare(&run) {
            self.adopt(run, ctx);
            return;
        }
        self.ended.remove(&uid);
        if self.parked.holds(&run) {
            return;
        }
        self.parked.remove(&uid);
        if let Some(until) = parked::rest_of(&run)
            && !self.runs.contains_key(&uid)
            && parked::is_worth(until, self.tools.clock.now())
            && !self.is_told_of(&uid)
        {
            self.parked.park(&run, until);
            return;
        }
        self.go_on(run, ctx);
    }

    /// Whether a task of a run says something to it.
    fn is_told_of(&self, uid: &str) -> bool {
        let mut tasks = self.tasks.get(uid).into_iter().flat_map(HashMap::values);
        tasks.any(|task| !tasks::commands(None, task).is_empty())
    }

    /// A run has an actor, which knows its object.
    fn go_on(&mut self, run: WorkflowRun, ctx: &mut Context<Self>) {
        let uid = run.metadata.uid.clone();
        let run = Arc::new(run);
        let fresh = self.runs.insert(uid.clone(), Arc::clone(&run)).is_none();
        if let (true, Some(machine)) = (fresh, &run.spec.state_machine) {
            let key = ObjectKey::new(&run.metadata.namespace, machine);
            self.last_runs.insert(key, run.metadata.name.clone());
        }
        match self
            .children
            .as_ref()
            .and_then(|children| children.get(&uid))
        {
            Some(child) => child.do_send(Updated(run)),
            None if fresh => self.ensure_child(&uid, ctx),
            None => {}
        }
    }

    fn run_removed(&mut self, uid: &str) {
        self.runs.remove(uid);
        self.parked.remove(uid);
        self.waking.remove(uid);
        self.ended.remove(uid);
        self.tools.waiters.deleted(uid);
        if let Some(child) = self
            .children
            .as_mut()
            .and_then(|children| children.forget(uid))
        {
            child.do_send(Removed);
        }
    }

    /// Completes a run made by hand; its next change starts it.
    fn adopt(&self, run: WorkflowRun, ctx: &mut Context<Self>) {
        let tools = Arc::clone(&self.tools);
        let adopt = async move {
            while let Err(error) = adopt::adopt(&tools, &run).await {
                tracing::warn!(run = run.metadata.name, %error, "could not take a run on");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        };
        ctx.spawn(adopt.into_actor(self));
    }

    /// Takes away what a deleted run leaves behind.
    fn clean_up(&self, run: WorkflowRun, ctx: &mut Context<Self>) {
        let tools = Arc::clone(&self.tools);
        let clean_up = async move {
            let (name, uid) = (&run.metadata.name, &run.metadata.uid);
            if let Err(error) = Journal::remove(&**tools.objects.store(), uid).await {
                tracing::warn!(run = name, %error, "could not remove a deleted run's journal");
            }
            if let Err(error) = begin::forget(&tools, &run).await {
                tracing::warn!(run = name, %error, "could not take a deleted run off its workflow");
            }
        };
        ctx.spawn(clean_up.into_actor(self));
    }

    /// Removes journals whose run was deleted while nobody watched.
    fn sweep_journals(&self, ctx: &mut Context<Self>) {
        let tools = Arc::clone(&self.tools);
        let sweep = async move {
            match sweep::journals(&tools.objects).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "removed journals of deleted runs"),
                Err(error) => tracing::warn!(%error, "could not look for journals without a run"),
            }
        };
        ctx.spawn(sweep.into_actor(self));
    }

    /// Deletes ended runs that are old or too many.
    fn expire(&self, ctx: &mut Context<Self>) {
        let shown = self
            .shown
            .iter()
            .map(|(workflow, run)| ObjectKey::new(&workflow.namespace, run))
            .collect();
        let (rule, now) = (self.tools.retention, self.tools.clock.now());
        // The children of a run that goes on are still its own.
        let ended = self.ended.values();
        let ended =
            ended.filter(|run| !run.parent().is_some_and(|uid| self.runs.contains_key(uid)));
        let gone = retention::expired(ended, &shown, rule, now);
        let gone: Vec<Ended> = gone.into_iter().take(MOST_EXPIRED).cloned().collect();
        if gone.is_empty() {
            return;
        }
        let tools = Arc::clone(&self.tools);
        ctx.spawn(async move { sweep::runs(&tools.objects, &gone).await }.into_actor(self));
    }

    /// Shows the newest run of each state machine in its object.
    fn show_last_runs(&mut self, ctx: &mut Context<Self>) {
        if self.last_runs.is_empty() {
            return;
        }
        let (tools, last) = (Arc::clone(&self.tools), std::mem::take(&mut self.last_runs));
        let show = async move {
            for (key, run) in last {
                if let Err(error) = object::show_last_run(&tools.objects, &key, &run).await {
                    tracing::warn!(state_machine = %key, %error, "could not show the last run");
                }
            }
        };
        ctx.spawn(show.into_actor(self));
    }

    /// Gives actors back to runs whose time has come.
    fn wake(&mut self, ctx: &mut Context<Self>) {
        let due = self.parked.due(self.tools.clock.now(), MOST_WOKEN);
        let counts = &self.tools.counts;
        counts.open(self.runs.len(), self.parked.len());
        if !due.is_empty() {
            self.go_on_again(due, ctx);
        }
    }

    /// Gives actors back to parked runs.
    fn go_on_again(&mut self, due: Vec<(ObjectKey, String)>, ctx: &mut Context<Self>) {
        self.waking.extend(due.iter().map(|(_, uid)| uid.clone()));
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let wake = async move {
            for (key, uid) in due {
                let run = loop {
                    match tools.objects.get(&key.namespace, &key.name).await {
                        Ok(run) => break run,
                        Err(error) => tracing::warn!(run = %key, %error, "could not read a run"),
                    }
                    tokio::time::sleep(RETRY_AFTER).await;
                };
                let same = |run: &WorkflowRun| run.metadata.uid == uid;
                if let Some(run) = run.filter(same) {
                    addr.do_send(Woken(Box::new(run)));
                }
            }
        };
        ctx.spawn(wake.into_actor(self));
    }

    fn ensure_child(&mut self, uid: &str, ctx: &mut Context<Self>) {
        let Some(run) = self.runs.get(uid).cloned() else {
            return;
        };
        let tools = Arc::clone(&self.tools);
        let room = ctx.address().recipient();
        if let Some(children) = &mut self.children {
            let child = children.start(uid, |guard| {
                WorkflowRunActor::new(run, tools, guard, room).start()
            });
            for task in self.tasks.get(uid).into_iter().flat_map(HashMap::values) {
                child.do_send(Said(Arc::clone(task)));
            }
        }
    }

    fn task_seen(&mut self, change: Change<Task>, ctx: &mut Context<Self>) {
        match change {
            Change::Restarted(tasks) => {
                self.tasks.clear();
                self.tools.task_queue.clear();
                tasks
                    .into_iter()
                    .for_each(|task| self.task_applied(task, ctx));
            }
            Change::Applied(task) => self.task_applied(task, ctx),
            Change::Deleted(task) => {
                self.tools.task_queue.remove(&task);
                let uid = &task.spec.run_uid;
                if let Some(tasks) = self.tasks.get_mut(uid) {
                    tasks.remove(&task.metadata.name);
                    if tasks.is_empty() {
                        self.tasks.remove(uid);
                    }
                }
            }
        }
    }

    fn task_applied(&mut self, task: Task, ctx: &mut Context<Self>) {
        self.tools.task_queue.set(&task);
        let task = Arc::new(task);
        let uid = &task.spec.run_uid;
        let tasks = self.tasks.entry(uid.clone()).or_default();
        let before = tasks.insert(task.metadata.name.clone(), Arc::clone(&task));
        let news = !tasks::commands(before.as_deref(), &task).is_empty();
        if news && let Some(key) = self.parked.remove(uid) {
            self.go_on_again(vec![(key, uid.clone())], ctx);
            return;
        }
        let children = self.children.as_ref();
        if let Some(child) = children.and_then(|children| children.get(uid)) {
            child.do_send(Said(task));
        }
    }

    fn workflow_seen(&mut self, change: Change<Workflow>, ctx: &mut Context<Self>) {
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
                if let Err(error) = begin::show_end(&tools, &key, &run).await {
                    tracing::warn!(workflow = %key, %error, "could not show the end of a run");
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
}

impl Actor for Workflows {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4096);
        self.children = Some(Nursery::new(RestartPolicy::LEAF, ctx.address().recipient()));
        ctx.run_interval(EXPIRE_EVERY, |room, ctx| room.expire(ctx));
        ctx.run_interval(SHOW_EVERY, Self::show_last_runs);
        ctx.run_interval(WAKE_EVERY, Self::wake);
        let objects = &self.tools.objects;
        let workflow = |change| Seen::Workflow(Box::new(change));
        follow(objects.watch::<Workflow>(), workflow, self, ctx);
        follow_parts(
            objects.watch::<WorkflowRun>(),
            |run| Seen::Run(Box::new(run)),
            self,
            ctx,
        );
        let task = |change| Seen::Task(Box::new(change));
        follow(objects.watch::<Task>(), task, self, ctx);
    }
}

impl Handler<Seen> for Workflows {
    type Result = ();

    fn handle(&mut self, seen: Seen, ctx: &mut Self::Context) {
        match seen {
            Seen::Workflow(change) => self.workflow_seen(*change, ctx),
            Seen::Run(part) => self.run_seen(*part, ctx),
            Seen::Task(change) => self.task_seen(*change, ctx),
        }
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

impl Handler<ChildDown> for Workflows {
    type Result = ();

    fn handle(&mut self, down: ChildDown, ctx: &mut Self::Context) {
        let now = self.tools.clock.now();
        let Some(children) = &mut self.children else {
            return;
        };
        match children.on_down(&down, now, rand::random()) {
            Down::RestartAfter(delay) => {
                tracing::error!(run = down.id, ?delay, "run's actor fell; starting it again");
                ctx.notify_later(Restart(down.id), delay);
            }
            Down::Escalate => ctx.terminate(),
            Down::Stale | Down::Stopped => {}
        }
    }
}

impl Handler<Restart> for Workflows {
    type Result = ();

    fn handle(&mut self, Restart(uid): Restart, ctx: &mut Self::Context) {
        self.ensure_child(&uid, ctx);
    }
}

impl Handler<Rests> for Workflows {
    type Result = ();

    fn handle(&mut self, Rests { run, until, said }: Rests, _: &mut Self::Context) {
        let uid = &run.metadata.uid;
        let known = self.runs.get(uid);
        // Something new may be on its way to it.
        let same = known.is_some_and(|now| now.metadata.generation == run.metadata.generation);
        let told = |task: &Arc<Task>| {
            let of = |said: &&Arc<Task>| said.spec.attempt == task.spec.attempt;
            let said = said.iter().find(of);
            said.is_none_or(|said| Arc::ptr_eq(said, task))
        };
        let mut tasks = self.tasks.get(uid).into_iter().flat_map(HashMap::values);
        if !same || !tasks.all(told) {
            return;
        }
        self.runs.remove(uid);
        self.parked.park(&run, until);
        let children = self.children.as_mut();
        if let Some(child) = children.and_then(|children| children.forget(uid)) {
            child.do_send(Removed);
        }
    }
}

impl Handler<Woken> for Workflows {
    type Result = ();

    fn handle(&mut self, Woken(run): Woken, ctx: &mut Self::Context) {
        // It may have been deleted or stopped while it was read.
        let uid = &run.metadata.uid;
        if self.waking.remove(uid) && !self.runs.contains_key(uid) {
            self.go_on(*run, ctx);
        }
    }
}
