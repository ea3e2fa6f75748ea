//! Checks the programs in workflows and state machines with the engine's own parser.

use common::resources::Kind;
use serde_json::Value;

use super::places::Places;
use super::problem::Problem;

/// The problems of the program in `value`. `bare` tells that the file held the bare state machine,
/// so that fields are named as they stand there.
pub(super) fn check(
    file: &str,
    places: &Places,
    kind: &Kind,
    value: &Value,
    bare: bool,
) -> Vec<Problem> {
    let namespace = value
        .pointer("/metadata/namespace")
        .and_then(Value::as_str)
        .unwrap_or("default");
    let (found, prefix) = match kind.kind {
        "Workflow" => {
            let Some(spec) = value.get("spec") else {
                return vec![Problem::at(file, places, "", "lacks the field \"spec\"")];
            };
            (asl::workflow::compile(spec, namespace).err(), "")
        }
        "StateMachine" => match value.pointer("/spec/definition") {
            Some(Value::String(text)) => (asl::Program::parse_str(text).err(), "/spec/definition"),
            Some(definition) => {
                let prefix = if bare { "" } else { "/spec/definition" };
                (asl::Program::parse(definition).err(), prefix)
            }
            None => {
                return vec![Problem::at(
                    file,
                    places,
                    "/spec",
                    "lacks the field \"definition\"",
                )];
            }
        },
        _ => return Vec::new(),
    };
    let found = found.unwrap_or_default();
    found
        .iter()
        .map(|problem| translate(file, places, prefix, problem))
        .collect()
}

fn translate(file: &str, places: &Places, prefix: &str, problem: &asl::Problem) -> Problem {
    let pointer = format!("{prefix}{}", problem.pointer);
    Problem::at(file, places, &pointer, problem.message.clone())
}
