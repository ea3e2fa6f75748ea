use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, WrapFuture};
use common::resources::{RunPhase, Workflow, WorkflowRun, timestamp};

use super::definition;
use super::journal::Journal;
use super::run::{Removed, Updated, WorkflowRunActor};
use super::start::{self, StartError, Target};
use super::wait::RunWaiters;
use crate::calls::Calls;
use crate::clock::Clock;
use crate::key::ObjectKey;
use crate::objects::{Change, EventKind, ObjectError, Objects};
use crate::store::Durability::Durable;
use crate::supervisor::{ChildDown, Down, Guard, Nursery, RestartPolicy, follow};

/// Wait before the store is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What runs need.
pub struct WorkflowsTools {
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
}

/// The room of the runs.
pub struct Workflows {
    tools: Arc<WorkflowsTools>,
    pub(crate) children: Option<Nursery<WorkflowRunActor>>,
    /// Runs that have not ended, by uid.
    runs: HashMap<String, Arc<WorkflowRun>>,
    /// Workflows whose run is being started, and the generation.
    starting: HashMap<ObjectKey, i64>,
    _guard: Guard,
}

#[derive(Message)]
#[rtype(result = "()")]
enum Seen {
    Workflow(Box<Change<Workflow>>),
    Run(Box<Change<WorkflowRun>>),
}

#[derive(Message)]
#[rtype(result = "()")]
struct Restart(String);

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
            runs: HashMap::new(),
            starting: HashMap::new(),
            _guard: guard,
        }
    }

    fn run_seen(&mut self, change: Change<WorkflowRun>, ctx: &mut Context<Self>) {
        match change {
            Change::Restarted(runs) => {
                let mut gone = std::mem::take(&mut self.runs);
                for run in runs {
                    gone.remove(&run.metadata.uid);
                    self.run_applied(run);
                }
                gone.keys().for_each(|uid| self.run_removed(uid));
            }
            Change::Applied(run) => self.run_applied(run),
            Change::Deleted(run) => {
                self.run_removed(&run.metadata.uid);
                self.remove_journal(run.metadata.uid, ctx);
            }
        }
    }

    fn run_applied(&mut self, run: WorkflowRun) {
        let uid = run.metadata.uid.clone();
        if run.status.phase.is_some_and(RunPhase::is_final) {
            // Its actor ends by itself once the end is written.
            self.runs.remove(&uid);
            return;
        }
        let run = Arc::new(run);
        let fresh = self.runs.insert(uid.clone(), Arc::clone(&run)).is_none();
        match self
            .children
            .as_ref()
            .and_then(|children| children.get(&uid))
        {
            Some(child) => child.do_send(Updated(run)),
            None if fresh => self.ensure_child(&uid),
            None => {}
        }
    }

    fn run_removed(&mut self, uid: &str) {
        self.runs.remove(uid);
        if let Some(child) = self
            .children
            .as_mut()
            .and_then(|children| children.forget(uid))
        {
            child.do_send(Removed);
        }
    }

    fn remove_journal(&self, uid: String, ctx: &mut Context<Self>) {
        let store = Arc::clone(self.tools.objects.store());
        let remove = async move {
            if let Err(error) = Journal::remove(&*store, &uid).await {
                tracing::warn!(run = uid, %error, "could not remove a deleted run's journal");
            }
        };
        ctx.spawn(remove.into_actor(self));
    }

    fn ensure_child(&mut self, uid: &str) {
        let Some(run) = self.runs.get(uid).cloned() else {
            return;
        };
        let tools = Arc::clone(&self.tools);
        if let Some(children) = &mut self.children {
            children.start(uid, |guard| {
                WorkflowRunActor::new(run, tools, guard).start()
            });
        }
    }

    fn workflow_seen(&mut self, change: Change<Workflow>, ctx: &mut Context<Self>) {
        match change {
            Change::Restarted(workflows) => {
                workflows
                    .into_iter()
                    .for_each(|workflow| self.consider(workflow, ctx));
            }
            Change::Applied(workflow) => self.consider(workflow, ctx),
            Change::Deleted(workflow) => {
                self.starting.remove(&ObjectKey::of(&workflow));
            }
        }
    }

    /// Starts the run of a workflow whose spec has not been run.
    fn consider(&mut self, workflow: Workflow, ctx: &mut Context<Self>) {
        let generation = workflow.metadata.generation;
        let asks = workflow
            .spec
            .entry_params
            .as_ref()
            .is_some_and(|p| !p.trim().is_empty());
        let ran = workflow.status.observed_generation == Some(generation);
        if !asks || ran || workflow.metadata.deletion_timestamp.is_some() {
            return;
        }
        let key = ObjectKey::of(&workflow);
        if self.starting.insert(key, generation) == Some(generation) {
            return;
        }
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let begin = async move {
            let result = begin(&tools, &workflow).await;
            addr.do_send(Begun { workflow, result });
        };
        ctx.spawn(begin.into_actor(self));
    }
}

/// Writes the run of an applied workflow and shows it there. The run's name follows from the
/// generation, so that a crash between the two writes starts no second run.
async fn begin(tools: &WorkflowsTools, workflow: &Workflow) -> Result<(), ObjectError> {
    let metadata = &workflow.metadata;
    let key = ObjectKey::of(workflow);
    let short_uid: String = metadata.uid.chars().take(5).collect();
    let name = start::run_name(
        &metadata.name,
        &format!("{}-{short_uid}", metadata.generation),
    );
    let input = definition::of_workflow(workflow).map(|compiled| compiled.entry);
    let (phase, cause) = match input {
        Ok(input) => {
            let input = input.unwrap_or_default();
            match start::start(&tools.objects, Target::Workflow, &key, name.clone(), input).await {
                Ok(_) | Err(StartError::Objects(ObjectError::AlreadyExists { .. })) => {
                    (RunPhase::Pending, None)
                }
                Err(StartError::Objects(error)) => return Err(error),
                Err(error) => (RunPhase::Failed, Some(error.to_string())),
            }
        }
        Err(error) => (RunPhase::Failed, Some(error.to_string())),
    };
    let now = timestamp(tools.clock.now());
    let write = |workflow: &mut Workflow| {
        if workflow.status.observed_generation == Some(metadata.generation) {
            return false;
        }
        let status = &mut workflow.status;
        status.phase = Some(phase);
        status.result = None;
        status.last_run = cause.is_none().then(|| name.clone());
        status.observed_generation = Some(metadata.generation);
        status.conditions.clear();
        if let Some(cause) = &cause {
            let failed =
                common::resources::Condition::new("Failed", true, "Invalid", cause.clone());
            common::resources::set_condition(&mut status.conditions, failed, &now);
        }
        true
    };
    let shown = tools
        .objects
        .modify::<Workflow>(&key.namespace, &key.name, Durable, write)
        .await?;
    if let (Some(workflow), None) = (shown, cause) {
        show_end(tools, &key, &name).await?;
        let message = format!("run {name}");
        tools
            .objects
            .record(
                &workflow,
                EventKind::Normal,
                "workflows",
                "RunStarted",
                &message,
            )
            .await;
    }
    Ok(())
}

/// A short run may have ended before its workflow named it; then its end is shown here.
async fn show_end(tools: &WorkflowsTools, key: &ObjectKey, name: &str) -> Result<(), ObjectError> {
    let run = tools
        .objects
        .get::<WorkflowRun>(&key.namespace, name)
        .await?;
    let Some(run) = run.filter(|run| run.status.phase.is_some_and(RunPhase::is_final)) else {
        return Ok(());
    };
    let write = |workflow: &mut Workflow| super::show::workflow(workflow, &run);
    tools
        .objects
        .modify::<Workflow>(&key.namespace, &key.name, Durable, write)
        .await?;
    Ok(())
}

impl Actor for Workflows {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4096);
        self.children = Some(Nursery::new(RestartPolicy::LEAF, ctx.address().recipient()));
        let objects = &self.tools.objects;
        let workflow = |change| Seen::Workflow(Box::new(change));
        follow(objects.watch::<Workflow>(), workflow, self, ctx);
        follow(
            objects.watch::<WorkflowRun>(),
            |run| Seen::Run(Box::new(run)),
            self,
            ctx,
        );
    }
}

impl Handler<Seen> for Workflows {
    type Result = ();

    fn handle(&mut self, seen: Seen, ctx: &mut Self::Context) {
        match seen {
            Seen::Workflow(change) => self.workflow_seen(*change, ctx),
            Seen::Run(change) => self.run_seen(*change, ctx),
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

    fn handle(&mut self, Restart(uid): Restart, _: &mut Self::Context) {
        self.ensure_child(&uid);
    }
}
