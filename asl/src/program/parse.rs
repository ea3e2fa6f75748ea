//! From JSON to machines.

use indexmap::IndexMap;
use serde_json::Value;

use super::Machine;
use super::fields::Fields;
use super::language;
use super::problem::{Code, Place, Problem};
use crate::states::State;

/// The longest `TimeoutSeconds`.
pub(crate) const LONGEST_TIMEOUT: u64 = 99_999_999;

/// Reads a whole definition: the machine and its timeout.
pub(super) fn program(
    definition: &Value,
    problems: &mut Vec<Problem>,
) -> Option<(Machine, Option<u64>)> {
    let mut fields = Fields::of("a state machine", definition, Place::root(), problems)?;
    fields.text("Comment");
    // Seed documents carry their name inside.
    fields.text("Name");
    if let Some(version) = fields.text("Version")
        && version != "1.0"
    {
        fields.wrong(
            "Version",
            format!("'Version' must be '1.0' but is '{version}'"),
        );
    }
    let timeout = fields.integer("TimeoutSeconds", 1, LONGEST_TIMEOUT);
    fields.speaks = language::of_machine(&mut fields);
    let machine = machine(&mut fields);
    fields.finish();
    machine.map(|machine| (machine, timeout))
}

/// Reads `StartAt` and `States`.
pub(crate) fn machine(fields: &mut Fields<'_>) -> Option<Machine> {
    let start_at = fields.required_text("StartAt").map(str::to_owned);
    let states = fields.required("States")?;
    let place = fields.place.key("States");
    let Value::Object(map) = states else {
        fields.wrong(
            "States",
            "'States' must be an object: a state for each name",
        );
        return None;
    };
    if map.is_empty() {
        fields.wrong("States", "'States' must have at least one state");
    }
    let mut parsed = IndexMap::with_capacity(map.len());
    for (name, value) in map {
        let at = place.key(name);
        if name.chars().count() > 80 {
            let message = format!(
                "a state's name has at most 80 characters, this one {}",
                name.chars().count()
            );
            fields
                .problems
                .push(at.problem(Code::SchemaValidationFailed, message));
        }
        let speaks = fields.speaks.inside();
        if let Some(state) = State::parse(name, value, at, speaks, fields.problems) {
            parsed.insert(name.clone(), state);
        }
    }
    Some(Machine {
        start_at: start_at?,
        states: parsed,
    })
}
