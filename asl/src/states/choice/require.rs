//! `Require`: an extension to Choice. What the input must have before the rules are tried.
//!
//! Step Functions lets a comparison with a value of another type simply not hold; a workflow that compares
//! `y` with a number means a mistake when `y` is text. `"Require": [{"Variable": "$.y", "Type": "number"}]` makes it one.

use std::fmt;

use serde_json::Value;

use crate::data::context::Scope;
use crate::data::path::Path;
use crate::failure::Failure;
use crate::program::fields::Fields;

/// One thing that must be there.
#[derive(Debug, Clone, PartialEq)]
pub struct Requirement {
    /// Where.
    pub variable: Path,
    /// What.
    pub kind: Kind,
}

/// A type of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Number,
    String,
    Boolean,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Boolean => "boolean",
        })
    }
}

/// Reads `Require`.
pub(super) fn requirements(fields: &mut Fields<'_>) -> Vec<Requirement> {
    let Some(list) = fields.list("Require") else {
        return Vec::new();
    };
    let place = fields.place.key("Require");
    let mut found = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        let Some(mut entry) =
            Fields::of("a requirement", value, place.index(index), fields.problems)
        else {
            continue;
        };
        let variable = entry
            .required("Variable")
            .and_then(|_| entry.path("Variable"));
        let kind = match entry.required_text("Type") {
            Some("number") => Some(Kind::Number),
            Some("string") => Some(Kind::String),
            Some("boolean") => Some(Kind::Boolean),
            Some(other) => {
                entry.wrong(
                    "Type",
                    format!("'Type' must be number, string or boolean but is '{other}'"),
                );
                None
            }
            None => None,
        };
        entry.finish();
        found.extend(
            variable
                .zip(kind)
                .map(|(variable, kind)| Requirement { variable, kind }),
        );
    }
    found
}

impl Requirement {
    pub(super) fn check(
        &self,
        state: &str,
        input: &Value,
        scope: &Scope<'_>,
    ) -> Result<(), Failure> {
        let Requirement { variable, kind } = self;
        let Ok(value) = scope.find(variable, input) else {
            return Err(Failure::runtime(format!(
                "'{state}' compares {variable} as a {kind}, but there is no {variable} in its input '{input}'"
            )));
        };
        let good = match kind {
            Kind::Number => value.is_number(),
            Kind::String => value.is_string(),
            Kind::Boolean => value.is_boolean(),
        };
        if good {
            return Ok(());
        }
        let found = match &*value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        Err(Failure::runtime(format!(
            "'{state}' compares {variable} as a {kind}, but found {found}: {value}"
        )))
    }
}
