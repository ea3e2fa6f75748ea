//! Schemas of all kinds, made from the types themselves. kubectl's `explain` prints them, and from
//! the parameters listed here it knows that the server checks fields.

mod schema;

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use common::digest::Digest;
use common::resources::{KINDS, Kind};
use serde_json::{Map, Value, json};

use super::ApiError;

/// Group versions and their documents, made once.
static DOCUMENTS: LazyLock<Vec<(String, Bytes, String)>> = LazyLock::new(|| {
    ["api/v1", "apis/apps/v1"]
        .into_iter()
        .map(|path| {
            let text = document(path).to_string();
            let hash = Digest::of(text.as_bytes()).hex();
            (path.to_owned(), Bytes::from(text), hash)
        })
        .collect()
});

/// A swagger 2.0 document with a title and nothing else, as protobuf: kubectl before 1.29 asks for it
/// and stops where it is missing.
const V2: &[u8] = b"\x0a\x032.0\x12\x10\x0a\x06Troupe\x12\x06v0.1.0";
const V2_MEDIA: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// `GET /openapi/v2`.
pub(super) fn v2() -> HttpResponse {
    HttpResponse::Ok().content_type(V2_MEDIA).body(V2)
}

/// `GET /openapi/v3`.
pub(super) fn index() -> HttpResponse {
    let mut paths = Map::new();
    for (path, _, hash) in DOCUMENTS.iter() {
        let url = format!("/openapi/v3/{path}?hash={hash}");
        paths.insert(path.clone(), json!({ "serverRelativeURL": url }));
    }
    HttpResponse::Ok().json(json!({ "paths": paths }))
}

/// `GET /openapi/v3/{path}`.
pub(super) fn v3(path: &str) -> Result<HttpResponse, ApiError> {
    let found = DOCUMENTS.iter().find(|(known, _, _)| known == path);
    let (_, text, hash) = found.ok_or_else(|| ApiError::no_such_path(path))?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(("ETag", format!("\"{hash}\"")))
        .body(text.clone()))
}

fn document(path: &str) -> Value {
    let kinds = || KINDS.into_iter().filter(|kind| root(kind) == path);
    let mut paths = Map::new();
    for kind in kinds() {
        operations(kind, &mut paths);
    }
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Troupe", "version": super::health::VERSION },
        "paths": paths,
        "components": { "schemas": schema::schemas(kinds()) },
    })
}

fn root(kind: &Kind) -> String {
    if kind.group.is_empty() {
        format!("api/{}", kind.version)
    } else {
        format!("apis/{}/{}", kind.group, kind.version)
    }
}

fn operations(kind: &Kind, paths: &mut Map<String, Value>) {
    let about = json!({ "group": kind.group, "version": kind.version, "kind": kind.kind });
    let body = json!({ "$ref": format!("#/components/schemas/{}", kind.kind) });
    let parameter = |name: &str, description: &str| {
        json!({
            "name": name, "in": "query", "description": description,
            "schema": { "type": "string", "uniqueItems": true },
        })
    };
    let writing = [
        parameter("dryRun", "All: judge the request and change nothing."),
        parameter("fieldManager", "Who makes the change."),
        parameter(
            "fieldValidation",
            "What is done about unknown fields: Ignore, Warn, Strict.",
        ),
    ];
    let operation = |action: &str, writes: bool| {
        let mut operation = json!({
            "operationId": format!("{action}{}", kind.kind),
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": about,
            "responses": { "200": {
                "description": "OK",
                "content": { "application/json": { "schema": body } },
            } },
        });
        if writes {
            operation["parameters"] = json!(writing);
        }
        operation
    };
    let space = if kind.namespaced {
        "/namespaces/{namespace}"
    } else {
        ""
    };
    let all = format!("/{}{space}/{}", root(kind), kind.plural);
    paths.insert(
        format!("{all}/{{name}}"),
        json!({
            "get": operation("get", false),
            "put": operation("put", true),
            "patch": operation("patch", true),
            "delete": operation("delete", false),
        }),
    );
    paths.insert(
        all,
        json!({ "get": operation("list", false), "post": operation("post", true) }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    match value.as_str() {
                        Some(reference) if key == "$ref" => found.push(reference.to_owned()),
                        _ => references(value, found),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_field_is_described() {
        for path in ["api/v1", "apis/apps/v1"] {
            let document = document(path);
            let mut found = Vec::new();
            references(&document, &mut found);
            assert!(!found.is_empty());
            for reference in found {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
                for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
                    assert!(schema["description"].is_string(), "{name}.{field}");
                }
            }
        }
    }

    #[test]
    fn kubectl_finds_that_the_server_checks_fields() {
        let document = document("api/v1");
        let patch = &document["paths"]["/api/v1/namespaces/{namespace}/functions/{name}"]["patch"];
        assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Function");
        let parameters = patch["parameters"].as_array().unwrap();
        assert!(
            parameters
                .iter()
                .any(|p| p["name"] == "fieldValidation" && p["in"] == "query")
        );
    }

    #[test]
    fn optional_and_enumerated_fields_are_plain() {
        let schemas = &document("api/v1")["components"]["schemas"];
        let spec = &schemas["FunctionSpec"]["properties"];
        assert_eq!(spec["timeoutSeconds"]["type"], "integer");
        assert_eq!(spec["handler"]["type"], "string");
        assert!(
            spec["scaling"]["allOf"][0]["$ref"].is_string(),
            "{}",
            spec["scaling"]
        );
        assert_eq!(schemas["Style"]["enum"], json!(["params", "env", "lambda"]));
    }
}
