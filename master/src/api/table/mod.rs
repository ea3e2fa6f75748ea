//! Objects as rows: what `kubectl get` prints. Pure.

mod age;
mod builtin;
mod troupe;

use common::resources::Kind;
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) use age::{age, human};

/// Builds a cell.
type Cell = fn(&Value, Timestamp) -> Value;

/// A column. Priority above 0: only with `-o wide`.
pub(super) struct Column(&'static str, u8, Cell);

const NAME: Column = Column("Name", 0, |object, _| object["metadata"]["name"].clone());
const AGE: Column = Column("Age", 0, |object, now| {
    age(object["metadata"]["creationTimestamp"].as_str(), now).into()
});

fn columns(kind: &Kind) -> &'static [Column] {
    match kind.plural {
        "functions" => troupe::FUNCTION,
        "workflows" => troupe::WORKFLOW,
        "statemachines" => troupe::STATE_MACHINE,
        "workflowruns" => troupe::WORKFLOW_RUN,
        "tasks" => troupe::TASK,
        "pods" => builtin::POD,
        "replicasets" => builtin::REPLICA_SET,
        "services" => builtin::SERVICE,
        "nodes" => builtin::NODE,
        "namespaces" => builtin::NAMESPACE,
        "secrets" => builtin::SECRET,
        "configmaps" => builtin::CONFIG_MAP,
        "events" => builtin::EVENT,
        _ => &[NAME, AGE],
    }
}

/// What each row carries of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Include {
    None,
    Metadata,
    Object,
}

impl Include {
    pub(super) fn parse(text: &str) -> Self {
        match text {
            "None" => Self::None,
            "Object" => Self::Object,
            _ => Self::Metadata,
        }
    }
}

/// A table of objects. `columns` may be left out after the first one of a watch.
pub(super) fn table<'a>(
    kind: &Kind,
    objects: impl Iterator<Item = &'a Value>,
    list_metadata: Value,
    include: Include,
    now: Timestamp,
) -> Value {
    let columns = columns(kind);
    let definitions: Vec<Value> = columns
        .iter()
        .map(|Column(name, priority, _)| {
            json!({
                "name": name,
                "type": if matches!(*name, "Desired" | "Current" | "Data") { "integer" } else { "string" },
                "format": if *name == "Name" { "name" } else { "" },
                "description": "",
                "priority": priority,
            })
        })
        .collect();
    let rows: Vec<Value> = objects
        .map(|object| {
            let cells: Vec<Value> = columns
                .iter()
                .map(|column| (column.2)(object, now))
                .collect();
            let mut row = json!({ "cells": cells });
            match include {
                Include::None => {}
                Include::Metadata => row["object"] = partial(object),
                Include::Object => row["object"] = object.clone(),
            }
            row
        })
        .collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": list_metadata,
        "columnDefinitions": definitions,
        "rows": rows,
    })
}

/// An object's metadata alone.
pub(super) fn partial(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"],
    })
}

/// Text at a path; empty when absent.
fn text<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    at(object, path).as_str().unwrap_or("")
}

fn at<'a>(object: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(object, |value, key| &value[*key])
}

fn number(object: &Value, path: &[&str]) -> i64 {
    at(object, path).as_i64().unwrap_or(0)
}

fn or_none(text: &str) -> Value {
    if text.is_empty() {
        "<none>".into()
    } else {
        text.into()
    }
}

fn condition<'a>(object: &'a Value, r#type: &str) -> Option<&'a Value> {
    object["status"]["conditions"]
        .as_array()?
        .iter()
        .find(|c| c["type"] == r#type)
}

fn pairs(map: &Value) -> Value {
    let pairs: Vec<String> = map
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")))
        .collect();
    or_none(&pairs.join(","))
}
