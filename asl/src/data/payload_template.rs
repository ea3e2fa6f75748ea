//! Payload templates: JSON in which fields named `….$` hold paths or intrinsic functions.

use serde_json::{Map, Value};

use super::context::Scope;
use super::intrinsics::Call;
use super::path::Path;
use super::query::Query;
use crate::failure::Failure;
use crate::program::problem::{Code, Place, Problem};

/// A path or an intrinsic function: what a `….$` field holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// `$.x`, `$$.x`, `$variable`
    Path(Path),
    /// `States.Format(…)`
    Call(Call),
}

/// A template that has been read.
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// Nothing to evaluate inside.
    Literal(Value),
    /// An object; some fields may be expressions.
    Object(Vec<(String, Template)>),
    /// A list.
    Array(Vec<Template>),
    /// The value of a `….$` field, with the field's full name for messages.
    Expression(String, Expression),
    /// `{% … %}`
    Query(Query),
}

impl Expression {
    /// Reads a path or a call.
    pub(crate) fn parse(text: &str) -> Result<Expression, String> {
        if text.starts_with('$') {
            return Path::parse(text)
                .map(Expression::Path)
                .map_err(|e| e.to_string());
        }
        Call::parse(text)
            .map(Expression::Call)
            .map_err(|e| e.to_string())
    }

    /// Evaluates; `field` is named in the failure's cause.
    pub(crate) fn evaluate(
        &self,
        field: &str,
        input: &Value,
        scope: &Scope<'_>,
    ) -> Result<Value, Failure> {
        match self {
            Expression::Path(path) => match scope.find(path, input) {
                Ok(value) => Ok(value.into_owned()),
                Err(_) => Err(Failure::runtime(format!(
                    "The JSONPath '{path}' specified for the field '{field}' could not be found in the input '{}'",
                    scope.shown(path, input)
                ))),
            },
            Expression::Call(call) => call.evaluate(input, scope).map_err(Failure::runtime),
        }
    }
}

impl Template {
    pub(crate) fn parse(value: &Value, place: &Place, problems: &mut Vec<Problem>) -> Template {
        match value {
            Value::Object(map) => {
                let mut fields = Vec::with_capacity(map.len());
                for (key, value) in map {
                    let at = place.key(key);
                    let Some(name) = key.strip_suffix(".$") else {
                        fields.push((key.clone(), Template::parse(value, &at, problems)));
                        continue;
                    };
                    if map.contains_key(name) {
                        problems.push(at.problem(
                            Code::SchemaValidationFailed,
                            format!("there is a field '{name}' too: one of the two is too many"),
                        ));
                    }
                    match value.as_str().map(Expression::parse) {
                        Some(Ok(expression)) => {
                            fields.push((name.to_owned(), Template::Expression(key.clone(), expression)));
                        }
                        Some(Err(message)) => problems.push(at.problem(
                            Code::SchemaValidationFailed,
                            format!("The value for the field '{key}' must be a valid JSONPath or a valid intrinsic function call: {message}"),
                        )),
                        None => problems.push(at.problem(
                            Code::SchemaValidationFailed,
                            format!("The value for the field '{key}' must be a STRING that contains a JSONPath but was {}", shape(value)),
                        )),
                    }
                }
                if fields
                    .iter()
                    .all(|(_, t)| matches!(t, Template::Literal(_)))
                {
                    return Template::Literal(value.clone());
                }
                Template::Object(fields)
            }
            Value::Array(list) => {
                let items: Vec<Template> = list
                    .iter()
                    .enumerate()
                    .map(|(i, item)| Template::parse(item, &place.index(i), problems))
                    .collect();
                if items.iter().all(|t| matches!(t, Template::Literal(_))) {
                    return Template::Literal(value.clone());
                }
                Template::Array(items)
            }
            scalar => Template::Literal(scalar.clone()),
        }
    }

    /// Builds the document.
    pub fn evaluate(&self, input: &Value, scope: &Scope<'_>) -> Result<Value, Failure> {
        Ok(match self {
            Template::Literal(value) => value.clone(),
            Template::Object(fields) => {
                let mut map = Map::with_capacity(fields.len());
                for (name, template) in fields {
                    map.insert(name.clone(), template.evaluate(input, scope)?);
                }
                Value::Object(map)
            }
            Template::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|t| t.evaluate(input, scope))
                    .collect::<Result<_, _>>()?,
            ),
            Template::Expression(field, expression) => expression.evaluate(field, input, scope)?,
            Template::Query(query) => query.evaluate(scope)?,
        })
    }
}

/// A value's type as Step Functions' messages name it.
pub(crate) fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Bool(_) => "BOOLEAN",
        Value::Number(_) => "NUMBER",
        Value::String(_) => "STRING",
        Value::Array(_) => "ARRAY",
        Value::Object(_) => "OBJECT",
    }
}
