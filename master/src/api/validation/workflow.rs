use common::resources::{StateMachine, Workflow};

use super::{DefinitionProblem, Definitions, Findings};

pub(super) fn check(workflow: &Workflow, definitions: &dyn Definitions, findings: &mut Findings) {
    if let Some(params) = &workflow.spec.entry_params
        && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(params)
    {
        findings.invalid("spec.entryParams", format!("want JSON text: {error}"));
    }
    take(definitions.check_workflow(workflow), findings);
}

pub(super) fn check_machine(
    machine: &StateMachine,
    definitions: &dyn Definitions,
    findings: &mut Findings,
) {
    let definition = &machine.spec.definition;
    if !definition.is_object() && !definition.is_string() {
        let want = "want the definition in the Amazon States Language, as a map or as JSON text";
        findings.required("spec.definition", want);
        return;
    }
    take(definitions.check_state_machine(machine), findings);
}

fn take(problems: Vec<DefinitionProblem>, findings: &mut Findings) {
    for problem in problems {
        if problem.warning {
            findings.warn(format!("{}: {}", problem.path, problem.message));
            continue;
        }
        // The engine may have checked the same text.
        if !findings
            .causes
            .iter()
            .any(|cause| cause.field == problem.path && cause.field == "spec.entryParams")
        {
            findings.invalid(problem.path, problem.message);
        }
    }
}
