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
    if old["spec"]["stop"] == true && new["spec"]["stop"] != true {
        findings.invalid(
            "spec.stop",
            "a run that was stopped does not go on; make a new run instead",
        );
    }
}
