//! Writes what [`super::show`] says.

use asl::Outcome;
use common::resources::{StateMachine, Workflow, WorkflowRun};
use jiff::Timestamp;

use super::show::Progress;
use super::start::{Target, target_of};
use crate::key::ObjectKey;
use crate::objects::{ObjectError, Objects};
use crate::store::Durability;

/// Shows the progress or end of `run`, as its actor knows it, in its object, and an end in the workflow's object too.
/// Answers the run's object, or `None` when it was deleted.
pub(super) async fn write(
    objects: &Objects,
    run: &WorkflowRun,
    progress: &Progress,
    outcome: Option<&Outcome>,
    now: Timestamp,
) -> Result<Option<WorkflowRun>, ObjectError> {
    let (namespace, name) = (&run.metadata.namespace, &run.metadata.name);
    // The journal is on disk: a master that was killed reads there what to show.
    let durability = Durability::Eventual;
    let asked = run.spec.redrives;
    let change = |object: &mut WorkflowRun| {
        let same = object.metadata.uid == run.metadata.uid;
        same && super::show::run(object, asked, progress, outcome, now)
    };
    let written = objects
        .modify::<WorkflowRun>(namespace, name, durability, change)
        .await?;
    let Some(written) = written else {
        return Ok(None);
    };
    if let Some((Target::Workflow, workflow)) = target_of(&written) {
        let change = |object: &mut Workflow| super::show::workflow(object, &written);
        objects
            .modify::<Workflow>(namespace, workflow, durability, change)
            .await?;
    }
    Ok(Some(written))
}

/// Shows the last run of a state machine in its object, if it is still there.
pub(super) async fn show_last_run(
    objects: &Objects,
    key: &ObjectKey,
    run: &str,
) -> Result<(), ObjectError> {
    let change = |machine: &mut StateMachine| {
        let before = machine.status.last_run.replace(run.to_owned());
        before.as_deref() != Some(run)
    };
    objects
        .modify::<StateMachine>(&key.namespace, &key.name, Durability::Eventual, change)
        .await?;
    Ok(())
}
