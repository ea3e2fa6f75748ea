mod rest;
mod runs;
mod targets;
mod tasks;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message};
use common::resources::{Task, Workflow, WorkflowRun};

use super::WorkflowsTools;
use super::parked::Parked;
use super::retention::Ended;
use super::run::WorkflowRunActor;
use crate::key::ObjectKey;
use crate::objects::{Change, Part};
use crate::supervisor::{ChildDown, Down, Guard, Nursery, RestartPolicy, follow, follow_parts};

/// Wait before the store is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How often ended runs are looked through.
const EXPIRE_EVERY: Duration = Duration::from_secs(10);
/// How often the last runs of state machines are shown: at most one write each, however many run.
const SHOW_EVERY: Duration = Duration::from_secs(1);
/// How often runs are looked for whose time has come.
const WAKE_EVERY: Duration = Duration::from_millis(100);

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
    /// Those of them that go on again while the actor that ended them still ends itself, by uid.
    again: HashSet<String>,
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
            again: HashSet::new(),
            starting: HashMap::new(),
            shown: HashMap::new(),
            ended: HashMap::new(),
            tasks: HashMap::new(),
            last_runs: HashMap::new(),
            _guard: guard,
        }
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
            Down::Stopped if self.again.remove(&down.id) => self.ensure_child(&down.id, ctx),
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
