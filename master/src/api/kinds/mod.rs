//! What the API can do with each kind: the one place where kinds become types.

mod decode;
mod nulls;

use common::resources::{
    Activity, ConfigMap, Event, Function, Kind, Namespace, Node, Pod, ReplicaSet, Resource, Secret,
    Service, StateMachine, Task, Workflow, WorkflowRun,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

pub(super) use decode::{DecodeError, Decoded};

/// A kind's type, behind function pointers.
pub(super) struct KindType {
    pub(super) kind: &'static Kind,
    /// Reads an object and writes it as the type has it; says what did not fit.
    pub(super) decode: fn(Value) -> Result<Decoded, DecodeError>,
    pub(super) schema: fn(&mut SchemaGenerator) -> Schema,
}

const fn of<R: Resource + JsonSchema>() -> KindType {
    KindType {
        kind: R::KIND,
        decode: decode::decode::<R>,
        schema: SchemaGenerator::subschema_for::<R>,
    }
}

pub(super) static TYPES: [KindType; 14] = [
    of::<Function>(),
    of::<Workflow>(),
    of::<StateMachine>(),
    of::<WorkflowRun>(),
    of::<Activity>(),
    of::<Task>(),
    of::<Pod>(),
    of::<ReplicaSet>(),
    of::<Service>(),
    of::<Node>(),
    of::<Namespace>(),
    of::<Secret>(),
    of::<ConfigMap>(),
    of::<Event>(),
];

/// Reads an object of a kind.
pub(super) fn decode(kind: &Kind, object: Value) -> Result<Decoded, DecodeError> {
    match TYPES.iter().find(|known| known.kind == kind) {
        Some(known) => (known.decode)(object),
        None => Err(DecodeError {
            path: String::new(),
            message: "unknown kind".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_has_its_type() {
        for kind in common::resources::KINDS {
            let decoded = decode(kind, json!({ "metadata": { "name": "a" } })).unwrap();
            assert_eq!(decoded.object["metadata"]["name"], "a", "{}", kind.kind);
        }
    }

    #[test]
    fn unknown_fields_are_reported_all_at_once() {
        let object = json!({
            "spec": {
                "handlr": "a", "env": [{ "name": "A" }, { "name": "B", "valeu": "1" }],
                "scaling": { "maxReplica": 1 },
            },
        });
        let decoded = decode(Function::KIND, object).unwrap();
        let want = [
            "spec.handlr",
            "spec.env[1].valeu",
            "spec.scaling.maxReplica",
        ];
        assert_eq!(decoded.unknown, want);
    }

    #[test]
    fn a_wrong_type_names_path_finding_and_want() {
        let said = |object| decode(Function::KIND, object).err().unwrap().to_string();
        assert_eq!(
            said(json!({ "spec": { "timeoutSeconds": "soon" } })),
            r#"spec.timeoutSeconds: found string "soon", want a whole number, 0 or more"#,
        );
        assert_eq!(
            said(json!({ "spec": { "env": { "A": "1" } } })),
            "spec.env: found a map, want a list",
        );
        assert_eq!(
            said(json!({ "spec": { "style": "pythonic" } })),
            "spec.style: found `pythonic`, want one of `params`, `env`, `lambda`",
        );
        assert_eq!(
            said(json!({ "spec": { "handler": 5 } })),
            "spec.handler: found a number, want a text",
        );
    }

    #[test]
    fn null_is_absent_except_where_any_value_goes() {
        let large: Value = serde_json::from_str("12345678901234567890123").unwrap();
        let decoded = decode(
            StateMachine::KIND,
            json!({
                "metadata": { "name": "a", "labels": null, "creationTimestamp": null },
                "spec": { "definition": { "ResultPath": null, "n": large } },
                "status": null,
            }),
        )
        .unwrap();
        let definition = &decoded.object["spec"]["definition"];
        assert!(definition.get("ResultPath").is_some_and(Value::is_null));
        assert_eq!(definition["n"].to_string(), "12345678901234567890123");
        assert!(decoded.unknown.is_empty());
    }
}
