//! A run's journal as its object shows it. Pure.

use asl::{EventKind, Outcome, Record, Rest, StepView, Steps};
use common::resources::{
    Condition, RunPhase, RunStep, StateMachineType, Workflow, WorkflowRun, set_condition, timestamp,
};
use jiff::Timestamp;
use serde_json::Value;

/// Steps that the object keeps; the journal has all.
const MOST_STEPS: usize = 100;
/// Characters of a step's input and output that the object keeps.
const MOST_TEXT: usize = 1000;
/// Most characters of an error's name and of its cause in a run's status, as AWS has them.
const MOST_ERROR: usize = 256;
const MOST_CAUSE: usize = 32_768;

/// How far a run came: what its object keeps of the journal.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    steps: Steps,
    redrives: u32,
    began: Option<Timestamp>,
    /// What the run waits for that has nothing to do.
    rest: Option<Rest>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            steps: Steps::last(MOST_STEPS),
            redrives: 0,
            began: None,
            rest: None,
        }
    }
}

impl Progress {
    /// The same of a run that only waits for this.
    pub(super) fn resting(self, rest: Option<Rest>) -> Self {
        Self { rest, ..self }
    }

    /// Takes the journal's next record in.
    pub(super) fn read(&mut self, record: &Record) {
        if let Some(event) = &record.event {
            self.began.get_or_insert(event.at);
            if matches!(event.kind, EventKind::ExecutionRedriven { .. }) {
                self.redrives = self.redrives.saturating_add(1);
            }
        }
        self.steps.read(record);
    }
}

/// Writes how far a run came into its object; `asked` are the redrives that were asked for when it came there.
pub(super) fn run(
    object: &mut WorkflowRun,
    asked: u32,
    progress: &Progress,
    outcome: Option<&Outcome>,
    now: Timestamp,
) -> bool {
    let before = object.status.clone();
    let status = &mut object.status;
    status.phase = Some(outcome.map_or(RunPhase::Running, phase));
    status.redrives = progress.redrives;
    let rest = progress.rest.as_ref();
    status.wake_time = rest.and_then(|rest| rest.until).map(timestamp);
    let tasks = rest.map_or(0, |rest| rest.tasks.len());
    status.waiting_tasks = u32::try_from(tasks).unwrap_or(u32::MAX);
    if outcome.is_none() && progress.redrives > 0 {
        // What the end before said.
        (status.completion_time, status.error, status.cause) = (None, None, None);
        status.conditions.clear();
    }
    if status.start_time.is_none() {
        status.start_time = Some(timestamp(progress.began.unwrap_or(now)));
    }
    if object.spec.r#type != Some(StateMachineType::Express) {
        status.steps = progress.steps.iter().map(step).collect();
    }
    if let Some(outcome) = outcome {
        // A redrive that the engine did not take is not asked for again; one that was asked for since is.
        status.redrives = status.redrives.max(asked);
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
            let kept = |text: &Option<String>, most| text.as_deref().map(|text| cut(text, most));
            status.error = kept(error, MOST_ERROR);
            status.cause = kept(cause, MOST_CAUSE);
            let reason = status.phase.map_or("Failed", RunPhase::as_str);
            let why = why(error.as_deref(), cause.as_deref());
            Condition::new("Failed", true, reason, why)
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
        let why = why(run.status.error.as_deref(), run.status.cause.as_deref());
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
        error: failure.map(|failure| why(failure.error.as_deref(), failure.cause.as_deref())),
    }
}

/// Error and cause in one text for people.
fn why(error: Option<&str>, cause: Option<&str>) -> String {
    let words = [error, cause].into_iter().flatten();
    let words = words.map(|text| cut(text, MOST_TEXT));
    words.collect::<Vec<_>>().join(": ")
}

/// The beginning of a text; the journal has all of it.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn short(value: &Value) -> String {
    let mut begin = Begin::default();
    // It ends early when the text is long enough.
    let whole = serde_json::to_writer(&mut begin, value).is_ok();
    let text = String::from_utf8_lossy(&begin.0);
    match text.char_indices().nth(MOST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None if whole => text.into_owned(),
        None => format!("{text}…"),
    }
}

/// The first bytes of a text: at least as many as [`MOST_TEXT`] characters can have.
#[derive(Default)]
struct Begin(Vec<u8>);

impl std::io::Write for Begin {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() > MOST_TEXT * 4 {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(short(&json!({ "a": 1 })), r#"{"a":1}"#);
        for letter in ["x", "ä", "🦀"] {
            let cut = short(&json!([letter.repeat(900), letter.repeat(100_000)]));
            assert_eq!(cut.chars().count(), MOST_TEXT + 1, "{letter}");
            assert!(cut.ends_with(&format!("{letter}…")), "{letter}");
        }
    }

    #[test]
    fn an_end_is_shown_however_long_its_reasons_are() {
        let outcome = Outcome::Failed {
            error: Some("e".repeat(10_000)),
            cause: Some("ä".repeat(10_000_000)),
        };
        let mut run = WorkflowRun::default();
        end(&mut run, &outcome, Timestamp::UNIX_EPOCH);
        assert!(serde_json::to_vec(&run).unwrap().len() < 100_000);
        assert!(run.status.error.unwrap().starts_with("eee"));
    }
}
