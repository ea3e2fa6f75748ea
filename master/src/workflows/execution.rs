//! Runs of state machines by their names as executions: one name is taken once under a state machine.

use common::digest::Digest;
use common::resources::{RunPhase, StateMachineType, WorkflowRun};
use serde_json::Value;

use super::start::{NewRun, StartError, Target, run_name, start};
use crate::arn::Arn;
use crate::key::ObjectKey;
use crate::objects::{ObjectError, Objects, insist};
use crate::store::Durability::Durable;

/// An execution cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    /// Another one has the name.
    #[error("an execution of the name exists")]
    Taken(Box<WorkflowRun>),
    /// The run cannot begin.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// An execution to be started.
#[derive(Clone, Debug)]
pub struct Execution {
    /// Its name.
    pub name: String,
    /// What it begins with.
    pub input: Value,
    /// The run and task that start it, if it is not a person.
    pub started_by: Option<String>,
}

/// The name of a run as an execution.
#[must_use]
pub fn execution_name(run: &WorkflowRun) -> &str {
    if let Some(name) = &run.spec.execution_name {
        return name;
    }
    let name = &run.metadata.name;
    let machine = run.spec.state_machine.as_deref().unwrap_or_default();
    let short = name.strip_prefix(machine);
    short
        .and_then(|rest| rest.strip_prefix('-'))
        .filter(|rest| !rest.is_empty())
        .unwrap_or(name)
}

/// The ARN of a run, without its realm.
#[must_use]
pub fn execution_arn(run: &WorkflowRun) -> Arn {
    let (spec, name) = (&run.spec, execution_name(run).to_owned());
    let machine = spec.state_machine.as_ref().or(spec.workflow.as_ref());
    let machine = machine.cloned().unwrap_or_default();
    match spec.r#type {
        Some(StateMachineType::Express) => Arn::Express {
            machine,
            name,
            uid: run.metadata.uid.clone(),
        },
        _ => Arn::Execution { machine, name },
    }
}

/// The word of Step Functions for where a run stands.
#[must_use]
pub fn execution_status(run: &WorkflowRun) -> &'static str {
    match run.status.phase.unwrap_or_default() {
        RunPhase::Pending | RunPhase::Running => "RUNNING",
        RunPhase::Succeeded => "SUCCEEDED",
        RunPhase::Failed => "FAILED",
        RunPhase::TimedOut => "TIMED_OUT",
        RunPhase::Aborted => "ABORTED",
    }
}

/// Asks a run that another one has started to stop; one that has ended stays as it is.
pub(super) async fn stop_run(objects: &Objects, namespace: &str, name: &str) {
    let change = |run: &mut WorkflowRun| {
        let over = run.status.phase.is_some_and(RunPhase::is_final);
        !over && !std::mem::replace(&mut run.spec.stop, true)
    };
    let stop = || objects.modify::<WorkflowRun>(namespace, name, Durable, change);
    if let Err(error) = insist("stop a run", stop).await {
        tracing::error!(run = name, %error, "could not stop a run that nobody waits for any more");
    }
}

/// The names that the object of an execution may have: the readable one, and one that no other execution
/// can have, for when the first is taken by another machine's.
fn object_names(machine: &str, name: &str) -> [String; 2] {
    let digest = Digest::of(format!("{machine}\0{name}").as_bytes()).hex();
    let hashed = run_name(machine, &digest[..32]);
    let plain = format!("{machine}-{name}");
    let plain = if plain.len() <= 80 {
        plain
    } else {
        hashed.clone()
    };
    [plain, hashed]
}

fn is_execution(run: &WorkflowRun, machine: &str, name: &str) -> bool {
    run.spec.state_machine.as_deref() == Some(machine) && execution_name(run) == name
}

/// Starts an execution. The same one again (still running with the same input, or started by the same
/// task of a run) gives the one that is there.
///
/// # Errors
/// When the name is taken, or the run cannot begin.
pub async fn start_execution(
    objects: &Objects,
    machine: &ObjectKey,
    execution: Execution,
) -> Result<WorkflowRun, ExecutionError> {
    let Execution {
        name,
        input,
        started_by,
    } = execution;
    for object_name in object_names(&machine.name, &name) {
        let new = NewRun {
            execution_name: Some(name.clone()),
            started_by: started_by.clone(),
            ..NewRun::named(object_name.clone(), input.clone())
        };
        match start(objects, Target::StateMachine, machine, new).await {
            Ok(run) => return Ok(run),
            Err(StartError::Objects(ObjectError::AlreadyExists { .. })) => {}
            Err(error) => return Err(error.into()),
        }
        let there = objects
            .get::<WorkflowRun>(&machine.namespace, &object_name)
            .await
            .map_err(StartError::from)?;
        let Some(there) = there.filter(|run| is_execution(run, &machine.name, &name)) else {
            continue;
        };
        let running = !there.status.phase.is_some_and(RunPhase::is_final);
        let same = running && there.spec.input.as_ref() == Some(&input);
        let own = started_by.is_some() && there.spec.started_by == started_by;
        if same || own {
            return Ok(there);
        }
        return Err(ExecutionError::Taken(Box::new(there)));
    }
    let exists = ObjectError::AlreadyExists {
        kind: "workflowruns",
        name,
    };
    Err(StartError::from(exists).into())
}

/// The run of an execution.
///
/// # Errors
/// When the store fails.
pub async fn find_execution(
    objects: &Objects,
    machine: &ObjectKey,
    name: &str,
) -> Result<Option<WorkflowRun>, ObjectError> {
    let [plain, hashed] = object_names(&machine.name, name);
    for object_name in [plain, hashed, name.to_owned()] {
        let run = objects
            .get::<WorkflowRun>(&machine.namespace, &object_name)
            .await?;
        if let Some(run) = run.filter(|run| is_execution(run, &machine.name, name)) {
            return Ok(Some(run));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use common::resources::check_name;

    use super::*;

    #[test]
    fn names_of_objects_fit_and_tell_executions_apart() {
        let [plain, hashed] = object_names("m", "e");
        assert_eq!(plain, "m-e");
        assert_ne!(object_names("a-b", "c")[1], object_names("a", "b-c")[1]);
        let long = "x".repeat(80);
        for name in object_names(&long, &long).into_iter().chain([hashed]) {
            assert!(check_name(&name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_run_started_by_other_ways_has_a_name_too() {
        let mut run = WorkflowRun::default();
        run.spec.state_machine = Some("m".to_owned());
        run.metadata.name = "m-abc".to_owned();
        assert_eq!(execution_name(&run), "abc");
        run.metadata.name = "mine".to_owned();
        assert_eq!(execution_name(&run), "mine");
        run.spec.execution_name = Some("e".to_owned());
        assert_eq!(execution_name(&run), "e");
    }
}
