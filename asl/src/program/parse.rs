//! From JSON to machines.

use indexmap::IndexMap;
use serde_json::Value;

use super::Machine;
use super::fields::Fields;
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
    query_language(&mut fields);
    let machine = machine(&mut fields);
    fields.finish();
    machine.map(|machine| (machine, timeout))
}

/// Checks `QueryLanguage`. False if the rest cannot be read because it is in another language.
pub(crate) fn query_language(fields: &mut Fields<'_>) -> bool {
    match fields.text("QueryLanguage") {
        None | Some("JSONPath") => true,
        Some("JSONata") => {
            let message = format!(
                "not supported yet: {} in JSONata (JSONPath is)",
                fields.what()
            );
            fields.report(Code::NotSupported, "QueryLanguage", message);
            false
        }
        Some(other) => {
            let message =
                format!("'QueryLanguage' must be 'JSONPath' or 'JSONata' but is '{other}'");
            fields.wrong("QueryLanguage", message);
            false
        }
    }
}

/// Reads `StartAt` and `States`.
pub(crate) fn machine(fields: &mut Fields<'_>) -> Option<Machine> {
    // With JSONata as the machine's language each of its states would be a problem of its own: one is enough.
    let foreign = fields.get("QueryLanguage").and_then(Value::as_str) == Some("JSONata");
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
    if foreign {
        return None;
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
        if let Some(state) = State::parse(name, value, at, fields.problems) {
            parsed.insert(name.clone(), state);
        }
    }
    Some(Machine {
        start_at: start_at?,
        states: parsed,
    })
}
