//! From schemars' schemas to the plain ones that kubectl understands.

use common::resources::Kind;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::api::kinds::TYPES;

/// Schemas of these kinds and of all they are made of.
pub(super) fn schemas(kinds: impl Iterator<Item = &'static Kind>) -> Map<String, Value> {
    let mut generator = SchemaSettings::openapi3().into_generator();
    let kinds: Vec<_> = kinds.collect();
    for known in TYPES.iter().filter(|known| kinds.contains(&known.kind)) {
        (known.schema)(&mut generator);
    }
    let mut schemas = generator.take_definitions(true);
    for (name, schema) in &mut schemas {
        simplify(schema);
        if let Some(kind) = kinds.iter().find(|kind| kind.kind == name) {
            schema["x-kubernetes-group-version-kind"] =
                json!([{ "group": kind.group, "version": kind.version, "kind": kind.kind }]);
        }
    }
    schemas
}

/// `Option`s become what they hold, documented variants one list of words.
fn simplify(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.shift_remove("$schema");
            map.shift_remove("nullable");
            words(map);
            single(map);
            if map.get("enum").is_some_and(Value::is_array)
                && let Some(Value::Array(list)) = map.get_mut("enum")
            {
                list.retain(|word| !word.is_null());
            }
            map.values_mut().for_each(simplify);
        }
        Value::Array(list) => list.iter_mut().for_each(simplify),
        _ => {}
    }
}

/// `oneOf` of single words becomes an `enum`.
fn words(map: &mut Map<String, Value>) {
    let Some(Value::Array(variants)) = map.get("oneOf") else {
        return;
    };
    let word = |variant: &Value| match &variant["enum"] {
        Value::Array(words) if words.iter().all(Value::is_string) => Some(words.clone()),
        _ => variant.get("const").map(|word| vec![word.clone()]),
    };
    let Some(words) = variants.iter().map(word).collect::<Option<Vec<_>>>() else {
        return;
    };
    map.shift_remove("oneOf");
    map.insert("type".to_owned(), "string".into());
    map.insert("enum".to_owned(), words.concat().into());
}

/// `anyOf` of one schema and null becomes `allOf` of that schema.
fn single(map: &mut Map<String, Value>) {
    if let Some(Value::Array(list)) = map.get("type")
        && let Some(kind) = list.iter().find(|kind| *kind != "null").cloned()
    {
        map.insert("type".to_owned(), kind);
    }
    if let Some(Value::Array(variants)) = map.get("anyOf") {
        let null = |v: &Value| v["type"] == "null" || v["enum"] == json!([null]);
        let rest: Vec<Value> = variants.iter().filter(|v| !null(v)).cloned().collect();
        if rest.len() == 1 {
            map.shift_remove("anyOf");
            map.insert("allOf".to_owned(), rest.into());
        }
    }
    if map.len() > 1 && map.contains_key("$ref") {
        // A reference with a description of its own.
        if let Some(reference) = map.shift_remove("$ref") {
            map.insert("allOf".to_owned(), json!([{ "$ref": reference }]));
        }
    }
}
