//! Numbers in the fields of a Map: fixed, found by a path, or computed.

use serde_json::{Number, Value};

use crate::data::context::Scope;
use crate::data::number;
use crate::data::path::Path;
use crate::data::query::Query;
use crate::failure::Failure;
use crate::program::fields::Fields;

/// A number.
#[derive(Debug, Clone, PartialEq)]
pub enum Amount {
    /// As it stands.
    Fixed(Number),
    /// The field's `…Path`.
    Path(Path),
    /// `{% … %}`
    Query(Query),
}

impl Amount {
    /// Reads a field, or its `…Path`.
    pub(crate) fn parse(
        fields: &mut Fields<'_>,
        fixed: &'static str,
        path: &'static str,
        most: f64,
    ) -> Option<Amount> {
        if let Some(query) = fields.query(fixed) {
            return Some(Amount::Query(query));
        }
        let value = fields.get(fixed).and_then(|value| {
            let number = value
                .as_number()
                .filter(|n| n.as_f64().is_some_and(|n| (0.0..=most).contains(&n)));
            if number.is_none() {
                fields.wrong(
                    fixed,
                    format!("'{fixed}' must be a number from 0 to {most} but is {value}"),
                );
            }
            number.cloned().map(Amount::Fixed)
        });
        let found = fields.path_only(path).map(Amount::Path);
        if value.is_some() && found.is_some() {
            fields.wrong(
                path,
                format!("'{fixed}' is there too: one of the two is too many"),
            );
        }
        value.or(found)
    }

    fn number(
        &self,
        field: &str,
        kind: &str,
        input: &Value,
        scope: &Scope<'_>,
    ) -> Result<Number, Failure> {
        match self {
            Amount::Fixed(number) => Ok(number.clone()),
            Amount::Query(query) => {
                query.typed(scope, "number", |value| value.as_number().cloned())
            }
            Amount::Path(path) => {
                let value = scope.find(path, input).map_err(|nothing| {
                    Failure::runtime(format!("Invalid path '{path}' : {nothing}"))
                })?;
                value
                    .as_number()
                    .cloned()
                    .ok_or_else(|| wrong(field, &value.to_string(), kind, path.text()))
            }
        }
    }

    /// A whole number of 0 or more.
    pub(crate) fn integer(
        &self,
        field: &str,
        input: &Value,
        scope: &Scope<'_>,
    ) -> Result<u64, Failure> {
        let found = self.number(field, "integer", input, scope)?;
        let whole = number::integer(&found).and_then(|n| u64::try_from(n).ok());
        whole.ok_or_else(|| match self {
            Amount::Path(path) => wrong(field, &found.to_string(), "integer", path.text()),
            _ => Failure::runtime(format!(
                "{field} must be an integer of 0 or more but is {found}"
            )),
        })
    }

    /// A percentage.
    pub(crate) fn percentage(
        &self,
        field: &str,
        input: &Value,
        scope: &Scope<'_>,
    ) -> Result<f64, Failure> {
        let found = self.number(field, "number", input, scope)?;
        found
            .as_f64()
            .filter(|n| (0.0..=100.0).contains(n))
            .ok_or_else(|| Failure::runtime(format!("{field} must be between 0 and 100.")))
    }
}

fn wrong(field: &str, value: &str, kind: &str, path: &str) -> Failure {
    Failure::runtime(format!(
        "The {field}Path field refers to value \"{value}\" which is not a valid {kind}: {path}"
    ))
}
