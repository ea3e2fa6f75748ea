use common::resources::WorkflowRun;

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
