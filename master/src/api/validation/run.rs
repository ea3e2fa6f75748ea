use common::resources::WorkflowRun;
use serde_json::Value;

use super::Findings;

pub(super) fn check(run: &WorkflowRun, findings: &mut Findings) {
    let set = [&run.spec.workflow, &run.spec.state_machine];
    match set
        .iter()
        .filter(|name| name.as_ref().is_some_and(|name| !name.is_empty()))
        .count()
    {
        1 => {}
        0 => findings.required("spec", "found neither, want workflow or stateMachine"),
        _ => findings.invalid("spec", "found workflow and stateMachine, want exactly one"),
    }
}

/// A run is what it was begun as: of its spec only `stop` can be set.
pub(super) fn check_change(old: &Value, new: &Value, findings: &mut Findings) {
    for field in ["workflow", "stateMachine", "input"] {
        if old["spec"][field] != new["spec"][field] {
            let path = format!("spec.{field}");
            findings.invalid(path, "may not be changed; make a new run instead");
        }
    }
    let redrives = |run: &Value| run["spec"]["redrives"].as_u64().unwrap_or(0);
    let (before, now) = (redrives(old), redrives(new));
    let phase = old["status"]["phase"].as_str().unwrap_or_default();
    if now > before && !matches!(phase, "Failed" | "TimedOut" | "Aborted") {
        let why =
            format!("the run is {phase}; only one that failed, timed out or was stopped goes on");
        findings.invalid("spec.redrives", why);
    } else if now > before && old["spec"]["type"] == "EXPRESS" {
        findings.invalid(
            "spec.redrives",
            "an EXPRESS run has no history to go on from",
        );
    } else if now != before && now != before + 1 {
        findings.invalid(
            "spec.redrives",
            format!("found {now}, want {before} or {}", before + 1),
        );
    }
    let over = matches!(phase, "Succeeded" | "Failed" | "TimedOut" | "Aborted");
    if over && now == before && old["spec"]["stop"] != true && new["spec"]["stop"] == true {
        let why = format!("the run is {phase} already; nothing is left to stop");
        findings.invalid("spec.stop", why);
    }
    if old["spec"]["stop"] == true && new["spec"]["stop"] != true && now == before {
        let why = "a run that was stopped goes on by a redrive; or make a new run";
        findings.invalid("spec.stop", why);
    }
}
