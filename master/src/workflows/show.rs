//! A run's journal as its object shows it. Pure.

use asl::{EventKind, Outcome, Record, StepView, steps};
use common::resources::{
    Condition, RunPhase, RunStep, StateMachineType, Workflow, WorkflowRun, set_condition, timestamp,
};
use jiff::Timestamp;
use serde_json::Value;

/// Steps that the object keeps; the journal has all.
const MOST_STEPS: usize = 100;
/// Characters of a step's input and output that the object keeps.
const MOST_TEXT: usize = 1000;

/// Writes how far a run came into its object.
pub(super) fn run(
    object: &mut WorkflowRun,
    records: &[Record],
    outcome: Option<&Outcome>,
    now: Timestamp,
) -> bool {
    let before = object.status.clone();
    let status = &mut object.status;
    status.phase = Some(outcome.map_or(RunPhase::Running, phase));
    let redriven = |record: &&Record| {
        let event = record.event.as_ref();
        event.is_some_and(|event| matches!(event.kind, EventKind::ExecutionRedriven { .. }))
    };
    let redrives = records.iter().filter(redriven).count();
    status.redrives = u32::try_from(redrives).unwrap_or(u32::MAX);
    if outcome.is_none() && redrives > 0 {
        // What the end before said.
        (status.completion_time, status.error, status.cause) = (None, None, None);
        status.conditions.clear();
    }
    if status.start_time.is_none() {
        let began = records
            .iter()
            .find_map(|record| record.event.as_ref())
            .map(|event| event.at);
        status.start_time = Some(timestamp(began.unwrap_or(now)));
    }
    if object.spec.r#type != Some(StateMachineType::Express) {
        let all = steps(records);
        let skip = all.len().saturating_sub(MOST_STEPS);
        status.steps = all.iter().skip(skip).map(step).collect();
    }
    if let Some(outcome) = outcome {
        // A redrive that the engine did not take is not asked for again.
        status.redrives = status.redrives.max(object.spec.redrives);
        end(object, outcome, now);
    }
    object.status != before
}

fn end(object: &mut WorkflowRun, outcome: &Outcome, now: Timestamp) {
    let status = &mut object.status;
    let now = timestamp(now);
    status.completion_time.get_or_insert_with(|| now.clone());
    let condition = match outcome {
        Outcome::Succeeded { output } => {
            status.output = Some((**output).clone());
            Condition::new("Complete", true, "Succeeded", "")
        }
        Outcome::Failed { error, cause }
        | Outcome::TimedOut { error, cause }
        | Outcome::Aborted { error, cause } => {
            status.error.clone_from(error);
            status.cause.clone_from(cause);
            let reason = status.phase.map_or("Failed", RunPhase::as_str);
            let message = [error.as_deref(), cause.as_deref()].into_iter().flatten();
            Condition::new(
                "Failed",
                true,
                reason,
                message.collect::<Vec<_>>().join(": "),
            )
        }
    };
    set_condition(&mut status.conditions, condition, &now);
}

/// Shows the end of a run in the workflow whose applying started it.
pub(super) fn workflow(object: &mut Workflow, run: &WorkflowRun) -> bool {
    if object.status.last_run.as_ref() != Some(&run.metadata.name) {
        return false;
    }
    let before = object.status.clone();
    let status = &mut object.status;
    status.phase = run.status.phase;
    status.result = run.status.output.as_ref().map(Value::to_string);
    let now = run.status.completion_time.clone().unwrap_or_default();
    if status.phase.is_some_and(RunPhase::is_final) {
        let succeeded = status.phase == Some(RunPhase::Succeeded);
        let phase = status.phase.map_or("", RunPhase::as_str);
        let why = [run.status.error.as_deref(), run.status.cause.as_deref()];
        let why = why.into_iter().flatten().collect::<Vec<_>>().join(": ");
        let conditions = &mut status.conditions;
        set_condition(
            conditions,
            Condition::new("Complete", succeeded, phase, ""),
            &now,
        );
        set_condition(
            conditions,
            Condition::new("Failed", !succeeded, phase, why),
            &now,
        );
    }
    object.status != before
}

/// The end of a run that the engine cannot run.
pub(super) fn failed(error: &str, cause: String) -> Outcome {
    Outcome::Failed {
        error: Some(error.to_owned()),
        cause: Some(cause),
    }
}

fn phase(outcome: &Outcome) -> RunPhase {
    match outcome {
        Outcome::Succeeded { .. } => RunPhase::Succeeded,
        Outcome::Failed { .. } => RunPhase::Failed,
        Outcome::TimedOut { .. } => RunPhase::TimedOut,
        Outcome::Aborted { .. } => RunPhase::Aborted,
    }
}

/// A step as the object keeps it.
pub(super) fn step(view: &StepView) -> RunStep {
    let duration = view
        .exited
        .map(|exited| exited.duration_since(view.entered).as_millis());
    let failure = view.failure.as_ref();
    RunStep {
        name: view.name.clone(),
        r#type: view.state.to_string(),
        entered: view.entered.to_string(),
        exited: view.exited.map(|at| at.to_string()),
        duration_ms: duration.map(|ms| u64::try_from(ms).unwrap_or(0)),
        input: short(&view.input),
        output: view.output.as_deref().map(short),
        retries: view.retries,
        error: failure.map(|failure| {
            let words = [failure.error.as_deref(), failure.cause.as_deref()];
            words.into_iter().flatten().collect::<Vec<_>>().join(": ")
        }),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MOST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
