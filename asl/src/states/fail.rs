//! Fail: ends its machine with an error.

use serde_json::Value;

use crate::data::context::Scope;
use crate::data::payload_template::Expression;
use crate::data::query::Query;
use crate::failure::Failure;
use crate::program::fields::Fields;
use crate::program::problem::Code;

/// A text that is fixed or found in the data.
#[derive(Debug, Clone, PartialEq)]
pub enum Text {
    /// `Error`, `Cause`
    Fixed(String),
    /// `ErrorPath`, `CausePath`: a path or an intrinsic function
    Computed(Expression),
    /// `Error`, `Cause` in JSONata
    Query(Query),
}

/// A Fail state.
#[derive(Debug, Clone, PartialEq)]
pub struct Fail {
    /// The error's name.
    pub error: Option<Text>,
    /// What a person reads.
    pub cause: Option<Text>,
}

impl Fail {
    pub(super) fn parse(fields: &mut Fields<'_>) -> Fail {
        Fail {
            error: text(fields, "Error", "ErrorPath"),
            cause: text(fields, "Cause", "CausePath"),
        }
    }

    /// The failure that it is.
    pub(crate) fn evaluate(&self, input: &Value, scope: &Scope<'_>) -> Result<Failure, Failure> {
        let show = |text: &Option<Text>, field: &str| match text {
            None => Ok(None),
            Some(Text::Fixed(text)) => Ok(Some(text.clone())),
            Some(Text::Query(query)) => {
                let text =
                    query.typed(scope, "string", |value| value.as_str().map(str::to_owned))?;
                Ok(Some(text))
            }
            Some(Text::Computed(expression)) => match expression.evaluate(field, input, scope)? {
                Value::String(text) => Ok(Some(text)),
                other => Err(Failure::runtime(format!(
                    "The {field} field must find a string, but found: {other}"
                ))),
            },
        };
        Ok(Failure {
            error: show(&self.error, "ErrorPath")?,
            cause: show(&self.cause, "CausePath")?,
            location: None,
        })
    }
}

fn text(fields: &mut Fields<'_>, fixed: &'static str, computed: &'static str) -> Option<Text> {
    if let Some(query) = fields.query(fixed) {
        return Some(Text::Query(query));
    }
    let plain = fields.text(fixed).map(|text| Text::Fixed(text.to_owned()));
    if fields.speaks.jsonata() {
        return plain;
    }
    let Some(path) = fields.text(computed) else {
        return plain;
    };
    if plain.is_some() {
        fields.wrong(
            computed,
            format!("'{fixed}' is there too: one of the two is too many"),
        );
    }
    match Expression::parse(path) {
        Ok(expression) => Some(Text::Computed(expression)),
        Err(message) => {
            fields.report(Code::InvalidPath, computed, message);
            None
        }
    }
}
