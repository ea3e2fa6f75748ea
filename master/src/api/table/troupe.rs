//! Columns of Troupe's own kinds.

use jiff::Timestamp;
use serde_json::Value;

use super::{AGE, Column, NAME, condition, human, number, or_none, text};

/// Longest result that is shown in a cell.
const RESULT_CHARS: usize = 100;

pub(super) const FUNCTION: &[Column] = &[
    NAME,
    Column("Ready", 0, |f, _| {
        let ready = number(f, &["status", "readyReplicas"]);
        format!("{ready}/{}", number(f, &["status", "desiredReplicas"])).into()
    }),
    Column("Status", 0, |f, _| function_status(f).into()),
    Column("Revision", 0, |f, _| {
        or_none(text(f, &["status", "revision"]))
    }),
    AGE,
    Column("Handler", 1, |f, _| {
        or_none(text(f, &["status", "handler"]))
    }),
    Column("Style", 1, |f, _| or_none(text(f, &["status", "style"]))),
    Column("Image", 1, |f, _| or_none(text(f, &["status", "image"]))),
    Column("Scaled-By", 1, |f, _| {
        or_none(text(f, &["status", "scaledBy"]))
    }),
];

pub(super) const WORKFLOW: &[Column] = &[
    NAME,
    Column("Phase", 0, |w, _| or_none(text(w, &["status", "phase"]))),
    Column("Result", 0, |w, _| {
        let result = text(w, &["status", "result"]);
        let cut: String = result.chars().take(RESULT_CHARS).collect();
        let dots = if cut.len() < result.len() { "…" } else { "" };
        or_none(&format!("{cut}{dots}"))
    }),
    AGE,
    Column("Last-Run", 1, |w, _| {
        or_none(text(w, &["status", "lastRun"]))
    }),
];

pub(super) const STATE_MACHINE: &[Column] = &[
    NAME,
    Column("Type", 0, |s, _| {
        let kind = text(s, &["spec", "type"]);
        if kind.is_empty() {
            "STANDARD".into()
        } else {
            kind.into()
        }
    }),
    Column("Last-Run", 0, |s, _| {
        or_none(text(s, &["status", "lastRun"]))
    }),
    AGE,
];

pub(super) const WORKFLOW_RUN: &[Column] = &[
    NAME,
    Column("Of", 0, |r, _| {
        let workflow = text(r, &["spec", "workflow"]);
        let machine = text(r, &["spec", "stateMachine"]);
        match (workflow, machine) {
            ("", "") => "<none>".into(),
            ("", machine) => format!("statemachine/{machine}").into(),
            (workflow, _) => format!("workflow/{workflow}").into(),
        }
    }),
    Column("Phase", 0, |r, _| {
        let phase = text(r, &["status", "phase"]);
        if phase.is_empty() {
            "Pending".into()
        } else {
            phase.into()
        }
    }),
    Column("Duration", 0, duration),
    AGE,
    Column("Cause", 1, |r, _| or_none(text(r, &["status", "cause"]))),
];

pub(super) const TASK: &[Column] = &[
    NAME,
    Column("Run", 0, |t, _| or_none(text(t, &["spec", "run"]))),
    Column("State", 0, |t, _| or_none(text(t, &["spec", "state"]))),
    Column("Activity", 0, |t, _| {
        or_none(text(t, &["spec", "activity"]))
    }),
    Column("Status", 0, |t, _| task_status(t).into()),
    AGE,
    Column("Worker", 1, |t, _| or_none(text(t, &["status", "worker"]))),
];

/// One word for how a task is.
fn task_status(task: &Value) -> &str {
    if !task["status"]["answer"].is_null() {
        return "Answered";
    }
    if text(task, &["status", "takenTime"]).is_empty() {
        "Waiting"
    } else {
        "Taken"
    }
}

/// One word for how a function is.
fn function_status(function: &Value) -> &str {
    if !text(function, &["metadata", "deletionTimestamp"]).is_empty() {
        return "Terminating";
    }
    if let Some(missing) = condition(function, "SourceMissing")
        && missing["status"] == "True"
    {
        return "SourceMissing";
    }
    let judged = [
        ("Built", "BuildFailed", "Building"),
        ("Ready", "NotReady", "Built"),
    ];
    for (name, failed, unknown) in judged {
        match condition(function, name) {
            None => return if name == "Built" { "Pending" } else { unknown },
            Some(c) if c["status"] == "False" => {
                return c["reason"]
                    .as_str()
                    .filter(|r| !r.is_empty())
                    .unwrap_or(failed);
            }
            Some(c) if c["status"] != "True" => return unknown,
            Some(_) => {}
        }
    }
    if function["spec"]["scaling"]["pinned"].as_i64() == Some(0) {
        "Paused"
    } else {
        "Ready"
    }
}

fn duration(run: &Value, now: Timestamp) -> Value {
    let at = |field: &str| text(run, &["status", field]).parse::<Timestamp>().ok();
    match (at("startTime"), at("completionTime")) {
        (None, _) => "<none>".into(),
        (Some(start), end) => human(end.unwrap_or(now).as_second() - start.as_second()).into(),
    }
}
