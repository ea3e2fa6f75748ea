//! The children of a distributed Map: runs of their own, owned by the one that started them.

use std::time::Duration;

use asl::run::{Child, MapRunId};
use asl::{Outcome, Program};
use common::digest::Digest;
use common::resources::{
    ObjectMeta, Resource as _, RunPhase, StateMachineType, WorkflowRun, WorkflowRunSpec,
};

use crate::objects::{ObjectError, Objects, insist};
use crate::store::Durability::{Durable, Eventual};
use crate::workflows::start::owner;
use crate::workflows::{WorkflowsTools, run_name, stop_run};

/// Wait before the store is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Runs a child to its end. Done again after a crash it finds the child that it has started.
pub(in crate::workflows) async fn run(
    tools: &WorkflowsTools,
    parent: &WorkflowRun,
    program: &Program,
    child: &Child,
) -> Outcome {
    let objects = &tools.objects;
    let object = child_of(parent, program, child);
    let (namespace, name) = (&object.metadata.namespace, &object.metadata.name);
    let durability = if child.express { Eventual } else { Durable };
    let started = loop {
        let there = match objects.create(object.clone(), durability).await {
            Ok(made) => break made,
            Err(ObjectError::AlreadyExists { .. }) => {
                objects.get::<WorkflowRun>(namespace, name).await
            }
            Err(error) => Err(error),
        };
        match there {
            Ok(Some(there)) => break there,
            Ok(None) => return lost(name),
            Err(error) if error.is_lasting() => return refused(&error),
            Err(error) => tracing::warn!(run = name, %error, "could not start a child of a Map"),
        }
        tokio::time::sleep(RETRY_AFTER).await;
    };
    let ended = tools.waiters.end_of(objects, &started).await;
    let ended = ended.as_ref().and_then(outcome);
    ended.unwrap_or_else(|| lost(name))
}

fn child_of(parent: &WorkflowRun, program: &Program, child: &Child) -> WorkflowRun {
    let metadata = &parent.metadata;
    let mut run = WorkflowRun::with_metadata(ObjectMeta {
        owner_references: vec![owner(parent)],
        ..ObjectMeta::named(
            &*metadata.namespace,
            child_name(parent, child.map, child.index),
        )
    });
    run.spec = WorkflowRunSpec {
        workflow: parent.spec.workflow.clone(),
        state_machine: parent.spec.state_machine.clone(),
        input: Some((*child.input).clone()),
        definition: Some(program.definition().clone()),
        role_arn: parent.spec.role_arn.clone(),
        started_by: Some(metadata.uid.clone()),
        map_run_arn: Some(child.map_arn.clone()),
        r#type: child.express.then_some(StateMachineType::Express),
        ..WorkflowRunSpec::default()
    };
    run.status.phase = Some(RunPhase::Pending);
    run
}

/// The name of a child's object: the same after a crash.
fn child_name(parent: &WorkflowRun, map: MapRunId, index: u32) -> String {
    let id = format!("{}/map-{}", parent.metadata.uid, map.0);
    let digest = Digest::of(id.as_bytes()).hex();
    run_name(&parent.metadata.name, &format!("{}-{index}", &digest[..8]))
}

fn outcome(run: &WorkflowRun) -> Option<Outcome> {
    let status = &run.status;
    let (error, cause) = (status.error.clone(), status.cause.clone());
    match status.phase? {
        RunPhase::Pending | RunPhase::Running => None,
        RunPhase::Succeeded => Some(Outcome::Succeeded {
            output: status.output.clone().unwrap_or_default().into(),
        }),
        RunPhase::Failed => Some(Outcome::Failed { error, cause }),
        RunPhase::TimedOut => Some(Outcome::TimedOut { error, cause }),
        RunPhase::Aborted => Some(Outcome::Aborted { error, cause }),
    }
}

/// One that cannot be started, however often that is tried.
fn refused(error: &ObjectError) -> Outcome {
    let name = match error {
        ObjectError::Store(_) => "States.DataLimitExceeded",
        _ => "States.Runtime",
    };
    Outcome::Failed {
        error: Some(name.to_owned()),
        cause: Some(crate::explain(error)),
    }
}

fn lost(name: &str) -> Outcome {
    Outcome::Aborted {
        error: None,
        cause: Some(format!("run {name} was deleted before it ended")),
    }
}

/// Stops a child that nobody waits for any more.
pub(in crate::workflows) async fn stop(
    objects: &Objects,
    parent: &WorkflowRun,
    map: MapRunId,
    index: u32,
) {
    let name = child_name(parent, map, index);
    stop_run(objects, &parent.metadata.namespace, &name).await;
}

/// Takes away a child of which nothing is kept: its parent's journal has its outcome.
pub(in crate::workflows) async fn forget(
    objects: &Objects,
    parent: &WorkflowRun,
    map: MapRunId,
    index: u32,
) {
    let name = child_name(parent, map, index);
    let delete = || objects.delete::<WorkflowRun>(&parent.metadata.namespace, &name, None);
    if let Err(error) = insist("remove a child of a Map", delete).await {
        tracing::error!(run = name, %error, "could not remove a child of a Map");
    }
}
