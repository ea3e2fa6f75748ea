//! What several actions show.

use common::resources::{StateMachine, StateMachineType};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::arn::{Arn, Realm};

/// A time as the protocol writes it: seconds since 1970, with a fraction.
pub(super) fn seconds(text: Option<&str>) -> Value {
    let at: Option<Timestamp> = text.and_then(|text| text.parse().ok());
    at.map_or(Value::Null, |at| json!(at.as_millisecond() as f64 / 1000.0))
}

/// A map without its nulls: what is not there is left out.
pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect(),
        other => other,
    }
}

/// `STANDARD` or `EXPRESS`.
pub(super) fn type_of(machine: &StateMachine) -> &'static str {
    match machine.spec.r#type.unwrap_or_default() {
        StateMachineType::Standard => "STANDARD",
        StateMachineType::Express => "EXPRESS",
    }
}

/// The definition as text: as it was sent, where it was sent as text.
pub(super) fn definition_text(definition: &Value) -> String {
    match definition {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The ARN of a state machine.
pub(super) fn machine_arn(name: &str, realm: &Realm) -> String {
    Arn::StateMachine(name.to_owned()).within(realm)
}
