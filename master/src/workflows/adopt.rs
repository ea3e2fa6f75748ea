//! A run that somebody made by hand: it gets the definition as it stands now and its owner.

use common::resources::{RunPhase, WorkflowRun};

use super::WorkflowsTools;
use super::object;
use super::show::{self, Progress};
use super::start::{self, StartError, target_of};
use crate::key::ObjectKey;
use crate::objects::ObjectError;
use crate::store::Durability::Durable;

/// Whether a run still lacks what the platform sets.
pub(super) fn is_bare(run: &WorkflowRun) -> bool {
    run.spec.definition.is_none() && !run.status.phase.is_some_and(RunPhase::is_final)
}

/// Completes a bare run, or ends it with the reason why it cannot run.
pub(super) async fn adopt(tools: &WorkflowsTools, run: &WorkflowRun) -> Result<(), ObjectError> {
    let Some((target, name)) = target_of(run) else {
        let cause = "the run names no workflow and no state machine".to_owned();
        return refuse(tools, run, cause).await;
    };
    let key = ObjectKey::new(&run.metadata.namespace, name);
    let base = match start::look_up(&tools.objects, target, &key).await {
        Ok(found) => found,
        Err(StartError::Objects(error)) => return Err(error),
        Err(error) => return refuse(tools, run, error.to_string()).await,
    };
    let write = |found: &mut WorkflowRun| {
        if found.metadata.uid != run.metadata.uid || !is_bare(found) {
            return false;
        }
        found.spec.definition = Some(base.definition.clone());
        found.spec.role_arn.clone_from(&base.role_arn);
        found.spec.r#type = base.r#type;
        found.status.phase = Some(RunPhase::Pending);
        let owners = &mut found.metadata.owner_references;
        if !owners.iter().any(|other| other.uid == base.owner.uid) {
            owners.retain(|other| !other.controller);
            owners.push(base.owner.clone());
        }
        true
    };
    tools
        .objects
        .modify::<WorkflowRun>(&key.namespace, &run.metadata.name, Durable, write)
        .await?;
    Ok(())
}

async fn refuse(
    tools: &WorkflowsTools,
    run: &WorkflowRun,
    cause: String,
) -> Result<(), ObjectError> {
    let outcome = show::failed("States.Runtime", cause);
    let now = tools.clock.now();
    let written = object::write(
        &tools.objects,
        run,
        &Progress::default(),
        Some(&outcome),
        now,
    )
    .await?;
    if let Some(written) = written {
        tools.waiters.ended(&written);
    }
    Ok(())
}
