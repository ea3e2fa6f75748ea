//! The run of a workflow that was applied.

use common::resources::{Condition, RunPhase, Workflow, WorkflowRun, set_condition, timestamp};

use super::WorkflowsTools;
use super::definition;
use super::start::{self, NewRun, StartError, Target};
use crate::key::ObjectKey;
use crate::objects::{EventKind, ObjectError};
use crate::store::Durability::Durable;

/// Whether applying this workflow asks for a run that was not begun: its spec changed, or kubectl
/// found that its last run is gone.
pub(super) fn is_owed(workflow: &Workflow) -> bool {
    let asks = workflow
        .spec
        .entry_params
        .as_ref()
        .is_some_and(|params| !params.trim().is_empty());
    let status = &workflow.status;
    let ran = status.observed_generation == Some(workflow.metadata.generation);
    let asked_again = asked(workflow)
        .is_some_and(|at| status.last_run.is_none() && status.run_requested.as_deref() != Some(at));
    asks && workflow.metadata.deletion_timestamp.is_none() && (!ran || asked_again)
}

fn asked(workflow: &Workflow) -> Option<&str> {
    let annotations = &workflow.metadata.annotations;
    annotations
        .get(common::resources::RUN_ANNOTATION)
        .map(String::as_str)
}

/// Writes the run of an applied workflow and shows it there. The run's name follows from the
/// generation, so that a crash between the two writes starts no second run.
pub(super) async fn begin(tools: &WorkflowsTools, workflow: &Workflow) -> Result<(), ObjectError> {
    let metadata = &workflow.metadata;
    let key = ObjectKey::of(workflow);
    let short_uid: String = metadata.uid.chars().take(5).collect();
    let suffix = format!("{}-{short_uid}", metadata.generation);
    let name = start::run_name(&metadata.name, &suffix);
    let input = definition::of_workflow(workflow).map(|compiled| compiled.entry);
    let (phase, cause) = match input {
        Ok(input) => {
            let input = input.unwrap_or_default();
            let new = NewRun::named(name.clone(), input);
            match start::start(&tools.objects, Target::Workflow, &key, new).await {
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
    let write = |now_there: &mut Workflow| {
        if !is_owed(now_there) || now_there.metadata.generation != metadata.generation {
            return false;
        }
        let requested = asked(now_there).map(str::to_owned);
        let status = &mut now_there.status;
        status.phase = Some(phase);
        status.result = None;
        status.last_run = cause.is_none().then(|| name.clone());
        status.observed_generation = Some(metadata.generation);
        status.run_requested = requested;
        status.conditions.clear();
        if let Some(cause) = &cause {
            let failed = Condition::new("Failed", true, "Invalid", cause.clone());
            set_condition(&mut status.conditions, failed, &now);
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
pub(super) async fn show_end(
    tools: &WorkflowsTools,
    key: &ObjectKey,
    name: &str,
) -> Result<(), ObjectError> {
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

/// The last run of a workflow was deleted: the workflow shows none.
pub(super) async fn forget(tools: &WorkflowsTools, run: &WorkflowRun) -> Result<(), ObjectError> {
    let Some(name) = &run.spec.workflow else {
        return Ok(());
    };
    let write = |workflow: &mut Workflow| {
        if workflow.status.last_run.as_ref() != Some(&run.metadata.name) {
            return false;
        }
        let status = &mut workflow.status;
        (status.phase, status.result, status.last_run) = (None, None, None);
        status.conditions.clear();
        true
    };
    tools
        .objects
        .modify::<Workflow>(&run.metadata.namespace, name, Durable, write)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_owed_to_a_new_spec_and_to_who_asks_for_a_deleted_one() {
        let mut workflow = Workflow::default();
        workflow.metadata.generation = 2;
        assert!(!is_owed(&workflow), "it has no input to run with");
        workflow.spec.entry_params = Some("{}".to_owned());
        assert!(is_owed(&workflow));
        workflow.status.observed_generation = Some(2);
        workflow.status.last_run = Some("w-2-abcde".to_owned());
        assert!(!is_owed(&workflow));
        let annotation = common::resources::RUN_ANNOTATION.to_owned();
        let annotations = &mut workflow.metadata.annotations;
        annotations.insert(annotation, "2026-01-01T00:00:00Z".to_owned());
        assert!(!is_owed(&workflow), "its run is there");
        workflow.status.last_run = None;
        assert!(is_owed(&workflow));
        workflow.status.run_requested = Some("2026-01-01T00:00:00Z".to_owned());
        assert!(!is_owed(&workflow), "once is enough");
    }
}
