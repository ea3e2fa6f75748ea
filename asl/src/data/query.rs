//! JSONata in the fields of states: `{% … %}`.

use serde_json::{Map, Value};

use super::context::Scope;
use super::payload_template::{Template, shape};
use crate::failure::Failure;
use crate::jsonata::Expression;
use crate::program::problem::{Code, Place, Problem};

/// An expression and the field that it stands in.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The field, from its state: `Output/total`, `Choices[1]/Condition`.
    pub location: String,
    /// The expression.
    pub expression: Expression,
}

/// The expression in a text that is one as a whole; none if it is an ordinary text.
pub(crate) fn inside(text: &str) -> Option<Result<&str, &'static str>> {
    let text = text.trim();
    match (text.strip_prefix("{%"), text.ends_with("%}")) {
        (Some(rest), true) if rest.len() >= 2 => {
            Some(Ok(rest.strip_suffix("%}").unwrap_or(rest).trim()))
        }
        (Some(_), _) => Some(Err(
            "an expression begins with '{%' and ends with '%}', this text does not end so",
        )),
        (None, true) => Some(Err(
            "an expression begins with '{%' and ends with '%}', this text does not begin so",
        )),
        (None, false) => None,
    }
}

impl Query {
    /// Reads the expression of a field; none (and perhaps a problem) if the text has none.
    pub(crate) fn parse(
        text: &str,
        location: &str,
        place: &Place,
        problems: &mut Vec<Problem>,
    ) -> Option<Query> {
        let mut wrong = |message: String| {
            problems.push(place.problem(Code::SchemaValidationFailed, message));
            None
        };
        let text = match inside(text)? {
            Ok(text) => text,
            Err(message) => return wrong(message.to_owned()),
        };
        match Expression::parse(text) {
            Ok(expression) => match expression.misuse() {
                Some(message) => wrong(format!("the JSONata expression '{text}': {message}")),
                None => Some(Query {
                    location: location.to_owned(),
                    expression,
                }),
            },
            Err(error) => {
                let at = error
                    .at
                    .map_or_else(String::new, |at| format!(" at character {}", at + 1));
                wrong(format!(
                    "the JSONata expression '{text}' cannot be read: {}{at}",
                    error.message
                ))
            }
        }
    }

    /// Evaluates; undefined is a failure.
    pub(crate) fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, Failure> {
        match scope.query(&self.expression) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(self.failure("returned nothing (undefined).")),
            Err(error) => Err(self.failure(&format!("threw an error during evaluation. {error}"))),
        }
    }

    /// Evaluates to a value of a type: `read` says what it makes of it, `wanted` is the type's name for the message.
    pub(crate) fn typed<T>(
        &self,
        scope: &Scope<'_>,
        wanted: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<T, Failure> {
        let value = self.evaluate(scope)?;
        read(&value).ok_or_else(|| {
            let found = shape(&value).to_lowercase();
            self.failure(&format!(
                "returned an unexpected result type. Expected '{wanted}', but was '{found}' for value: {value}"
            ))
        })
    }

    fn failure(&self, what: &str) -> Failure {
        Failure::query(
            &self.location,
            format!(
                "The JSONata expression '{}' specified for the field '{}' {what}",
                self.expression.text(),
                self.location
            ),
        )
    }
}

/// Reads a value in which any text may be an expression.
pub(crate) fn template(
    value: &Value,
    location: &str,
    place: &Place,
    problems: &mut Vec<Problem>,
) -> Template {
    match value {
        Value::String(text) => match Query::parse(text, location, place, problems) {
            Some(query) => Template::Query(query),
            None => Template::Literal(value.clone()),
        },
        Value::Object(map) => object(map, value, location, place, problems),
        Value::Array(list) => {
            let items: Vec<Template> = list
                .iter()
                .enumerate()
                .map(|(i, item)| {
                    template(item, &format!("{location}[{i}]"), &place.index(i), problems)
                })
                .collect();
            if items.iter().all(|t| matches!(t, Template::Literal(_))) {
                return Template::Literal(value.clone());
            }
            Template::Array(items)
        }
        scalar => Template::Literal(scalar.clone()),
    }
}

fn object(
    map: &Map<String, Value>,
    value: &Value,
    location: &str,
    place: &Place,
    problems: &mut Vec<Problem>,
) -> Template {
    let mut fields = Vec::with_capacity(map.len());
    for (key, value) in map {
        let inner = template(
            value,
            &format!("{location}/{key}"),
            &place.key(key),
            problems,
        );
        fields.push((key.clone(), inner));
    }
    if fields
        .iter()
        .all(|(_, t)| matches!(t, Template::Literal(_)))
    {
        return Template::Literal(value.clone());
    }
    Template::Object(fields)
}
