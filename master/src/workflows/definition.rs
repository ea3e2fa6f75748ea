//! From objects to programs.

use asl::{Problem, Program};
use common::resources::{StateMachine, Workflow};
use serde_json::Value;

/// A definition cannot run.
#[derive(Debug, thiserror::Error)]
#[error("{}", list(.0))]
pub struct DefinitionError(pub Vec<Problem>);

fn list(problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

/// The program of a workflow's spec.
///
/// # Errors
/// With all problems at once.
pub fn check_workflow(
    spec: &Value,
    namespace: &str,
) -> Result<asl::workflow::Workflow, DefinitionError> {
    asl::workflow::compile(spec, namespace).map_err(DefinitionError)
}

/// The program of a state machine's definition: an object, or the same as JSON text.
///
/// # Errors
/// With all problems at once.
pub fn check_state_machine(definition: &Value) -> Result<Program, DefinitionError> {
    match definition {
        Value::String(text) => Program::parse_str(text),
        definition => Program::parse(definition),
    }
    .map_err(DefinitionError)
}

/// The program of a Workflow object and the input that applying it runs with.
pub(super) fn of_workflow(workflow: &Workflow) -> Result<asl::workflow::Workflow, DefinitionError> {
    // Plain data; writing it as JSON cannot fail.
    let spec = serde_json::to_value(&workflow.spec).unwrap_or_default();
    check_workflow(&spec, &workflow.metadata.namespace)
}

/// The program of a StateMachine object.
pub(super) fn of_state_machine(machine: &StateMachine) -> Result<Program, DefinitionError> {
    check_state_machine(&machine.spec.definition)
}
