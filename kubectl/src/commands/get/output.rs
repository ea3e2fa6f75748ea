use common::resources::KINDS;
use serde_json::{Value, json};

use crate::client::ResourceType;
use crate::commands::error::{Error, message};
use crate::print::{age, document, jsonpath};

/// How objects are shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// As the server lays them out.
    Table {
        /// With all columns.
        wide: bool,
    },
    /// As YAML.
    Yaml,
    /// As JSON.
    Json,
    /// As `kind/name`.
    Name,
    /// As a picture, drawn by the server.
    Svg,
    /// By a template.
    Template(Vec<jsonpath::Part>, String),
}

impl Output {
    /// Reads the value of `-o`.
    ///
    /// # Errors
    /// When there is no such format, or its template cannot be read.
    pub fn parse(text: Option<&str>) -> Result<Self, Error> {
        let Some(text) = text else {
            return Ok(Self::Table { wide: false });
        };
        if let Some(template) = text.strip_prefix("jsonpath=") {
            return Ok(Self::Template(
                jsonpath::parse(template)?,
                template.to_owned(),
            ));
        }
        match text {
            "wide" => Ok(Self::Table { wide: true }),
            "yaml" => Ok(Self::Yaml),
            "json" => Ok(Self::Json),
            "name" => Ok(Self::Name),
            "svg" => Ok(Self::Svg),
            "jsonpath" => message(
                "template format specified but no template given: want jsonpath='{.status.phase}'",
            ),
            other
                if [
                    "custom-columns",
                    "go-template",
                    "jsonpath-",
                    "template",
                    "kyaml",
                ]
                .iter()
                .any(|p| other.starts_with(p)) =>
            {
                Err(Error::HandOver(format!(
                    "this kubectl has no output format \"{other}\""
                )))
            }
            other => message(format!(
                "unable to match a printer suitable for the output format \"{other}\", allowed formats are: json,jsonpath,name,svg,wide,yaml"
            )),
        }
    }

    /// One object, or a list.
    ///
    /// # Errors
    /// When the template does not fit.
    pub fn render(&self, value: &Value) -> Result<String, Error> {
        Ok(match self {
            Self::Yaml => document::yaml(value),
            Self::Template(_, template) => jsonpath::render(template, value)?,
            Self::Name => format!("{}\n", name_of(value)),
            Self::Json | Self::Svg | Self::Table { .. } => document::json(value),
        })
    }
}

/// `function/func1`.
pub(super) fn name_of(object: &Value) -> String {
    let kind = object
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let known = KINDS.iter().find(|known| known.kind == kind);
    let label = known.map_or_else(
        || kind.to_lowercase(),
        |known| ResourceType::from(*known).label(),
    );
    let name = object
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    format!("{label}/{name}")
}

/// The objects of a list; each says what it is.
pub(super) fn items(list: &Value) -> Vec<Value> {
    let kind = list.get("kind").and_then(Value::as_str).unwrap_or_default();
    let kind = kind.strip_suffix("List").unwrap_or_default();
    let items = list
        .get("items")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let complete = |item: Value| {
        if item.get("kind").is_some() || kind.is_empty() {
            return item;
        }
        let mut whole = json!({"apiVersion": list.get("apiVersion"), "kind": kind});
        if let (Value::Object(whole), Value::Object(item)) = (&mut whole, item) {
            whole.extend(item);
        }
        whole
    };
    items.into_iter().map(complete).collect()
}

/// The server's table; from a server that gives none, one of names and ages.
pub(super) fn as_table(answer: Value) -> Value {
    if answer.get("kind").and_then(Value::as_str) == Some("Table") {
        return answer;
    }
    let objects = match answer.get("items") {
        Some(Value::Array(items)) => items.clone(),
        _ => vec![answer],
    };
    let row = |object: &Value| {
        let created = object
            .pointer("/metadata/creationTimestamp")
            .and_then(Value::as_str);
        let name = object
            .pointer("/metadata/name")
            .cloned()
            .unwrap_or_default();
        json!({"cells": [name, age::since(created, jiff::Timestamp::now())], "object": object})
    };
    json!({
        "kind": "Table",
        "columnDefinitions": [{"name": "Name"}, {"name": "Age"}],
        "rows": objects.iter().map(row).collect::<Vec<_>>(),
    })
}

/// Several tables of one kind as one.
pub(super) fn joined(tables: &[Value]) -> Value {
    let rows = tables
        .iter()
        .filter_map(|table| table.get("rows")?.as_array());
    let rows: Vec<Value> = rows.flatten().cloned().collect();
    json!({
        "columnDefinitions": tables.first().and_then(|table| table.get("columnDefinitions")),
        "rows": rows,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_a_list_say_what_they_are() {
        let list = json!({"kind": "FunctionList", "apiVersion": "v1", "items": [{"metadata": {"name": "a"}}]});
        assert_eq!(name_of(&items(&list)[0]), "function/a");
        assert_eq!(
            name_of(&json!({"kind": "ReplicaSet", "metadata": {"name": "a"}})),
            "replicaset.apps/a"
        );
    }

    #[test]
    fn a_list_becomes_a_table_of_names_and_ages() {
        let table = as_table(json!({"items": [{"metadata": {"name": "a"}}]}));
        assert_eq!(table["rows"][0]["cells"], json!(["a", "<unknown>"]));
    }

    #[test]
    fn formats_are_known_or_named() {
        assert_eq!(
            Output::parse(Some("wide")).unwrap(),
            Output::Table { wide: true }
        );
        assert!(
            Output::parse(Some("xml"))
                .unwrap_err()
                .to_string()
                .contains("\"xml\"")
        );
        assert!(matches!(
            Output::parse(Some("custom-columns=A:.a")),
            Err(Error::HandOver(_))
        ));
        assert!(matches!(
            Output::parse(Some("jsonpath={.a")),
            Err(Error::Template(_))
        ));
    }
}
