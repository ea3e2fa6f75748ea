//! Conditions of rules.

use serde_json::Value;

use super::operator::{self, Operator};
use crate::data::context::Scope;
use crate::data::path::Path;
use crate::data::query::Query;
use crate::failure::Failure;
use crate::program::fields::Fields;
use crate::program::problem::Code;

/// When a rule matches.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// All of them; the first that does not hold ends it.
    And(Vec<Condition>),
    /// One of them; the first that holds ends it.
    Or(Vec<Condition>),
    /// Not that.
    Not(Box<Condition>),
    /// JSONata's `Condition`.
    Query(Query),
    /// A `Condition` that is `true` or `false` as it stands.
    Fixed(bool),
    /// A test of one variable.
    Test {
        /// Where it is.
        variable: Path,
        /// How it is tested.
        operator: Operator,
        /// Against what.
        against: Against,
    },
}

/// What a variable is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Against {
    /// A value.
    Value(Value),
    /// What a path finds (`…Path` operators).
    Path(Path),
}

/// Reads the condition of a rule; `Next` and the like have been read before.
pub(super) fn parse(rule: &mut Fields<'_>) -> Option<Condition> {
    rule.text("Comment");
    let mut found: Vec<Option<Condition>> = Vec::new();
    for name in ["And", "Or"] {
        if rule.has(name) {
            let parts = parts(rule, name);
            found.push(parts.map(if name == "And" {
                Condition::And
            } else {
                Condition::Or
            }));
        }
    }
    if let Some(value) = rule.get("Not") {
        let place = rule.place.key("Not");
        found.push(nested(value, place, rule).map(|c| Condition::Not(Box::new(c))));
    }
    for (name, operator, is_path) in operator::names() {
        if rule.has(name) {
            found.push(test(rule, name, operator, is_path));
        }
    }
    match found.len() {
        1 => found.pop().flatten(),
        0 => {
            let message = "a choice rule lacks an operator: And, Or, Not, or a 'Variable' with a comparison such as NumericGreaterThan";
            let problem = rule.place.problem(Code::SchemaValidationFailed, message);
            rule.problems.push(problem);
            None
        }
        count => {
            let message = format!("a choice rule has exactly one operator, this one has {count}");
            let problem = rule.place.problem(Code::SchemaValidationFailed, message);
            rule.problems.push(problem);
            None
        }
    }
}

/// Reads the `Condition` of a rule in JSONata.
pub(super) fn parse_query(rule: &mut Fields<'_>) -> Option<Condition> {
    rule.text("Comment");
    match rule.required("Condition")? {
        Value::Bool(holds) => Some(Condition::Fixed(*holds)),
        Value::String(_) => {
            let before = rule.problems.len();
            let query = rule.query("Condition");
            if query.is_none() && rule.problems.len() == before {
                rule.wrong(
                    "Condition",
                    "'Condition' must be true, false or an expression: {% … %}",
                );
            }
            query.map(Condition::Query)
        }
        _ => {
            rule.wrong(
                "Condition",
                "'Condition' must be true, false or an expression: {% … %}",
            );
            None
        }
    }
}

fn parts(rule: &mut Fields<'_>, name: &'static str) -> Option<Vec<Condition>> {
    let list = rule.list(name)?;
    if list.is_empty() {
        rule.wrong(name, format!("'{name}' must have at least one rule"));
    }
    let place = rule.place.key(name);
    let parsed = list
        .iter()
        .enumerate()
        .map(|(i, value)| nested(value, place.index(i), rule))
        .collect::<Vec<_>>();
    parsed.into_iter().collect()
}

fn nested(
    value: &Value,
    place: crate::program::problem::Place,
    rule: &mut Fields<'_>,
) -> Option<Condition> {
    let mut inner = Fields::of("a nested choice rule", value, place, rule.problems)?;
    if inner.get("Next").is_some() {
        inner.wrong(
            "Next",
            "only the rule at the top has 'Next', not those inside And, Or and Not",
        );
    }
    let condition = parse(&mut inner);
    inner.finish();
    condition
}

fn test(
    rule: &mut Fields<'_>,
    name: &'static str,
    operator: Operator,
    is_path: bool,
) -> Option<Condition> {
    let value = rule.get(name)?;
    let variable = match rule.required("Variable") {
        Some(_) => rule.path("Variable"),
        None => None,
    };
    let against = if is_path {
        rule.path(name).map(Against::Path)
    } else {
        match operator.check(value) {
            Ok(()) => Some(Against::Value(value.clone())),
            Err(wanted) => {
                rule.wrong(name, format!("'{name}' must be {wanted} but is {value}"));
                None
            }
        }
    };
    Some(Condition::Test {
        variable: variable?,
        operator,
        against: against?,
    })
}

impl Condition {
    /// Whether it holds.
    pub(crate) fn holds(&self, input: &Value, scope: &Scope<'_>) -> Result<bool, Failure> {
        match self {
            Condition::And(parts) => {
                for part in parts {
                    if !part.holds(input, scope)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Condition::Or(parts) => {
                for part in parts {
                    if part.holds(input, scope)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Condition::Fixed(holds) => Ok(*holds),
            Condition::Query(query) => query.typed(scope, "boolean", Value::as_bool),
            Condition::Not(part) => Ok(!part.holds(input, scope)?),
            Condition::Test {
                variable,
                operator: Operator::IsPresent,
                against,
            } => {
                let wanted = !matches!(against, Against::Value(Value::Bool(false)));
                Ok(scope.find(variable, input).is_ok() == wanted)
            }
            Condition::Test {
                variable,
                operator,
                against,
            } => {
                let invalid = |path: &Path| {
                    Failure::runtime(format!(
                        "Invalid path '{path}': The choice state's condition path references an invalid value."
                    ))
                };
                let value = scope.find(variable, input).map_err(|_| invalid(variable))?;
                match against {
                    Against::Value(wanted) => Ok(operator.holds(&value, wanted)),
                    Against::Path(path) => {
                        let wanted = scope.find(path, input).map_err(|_| invalid(path))?;
                        Ok(operator.holds(&value, &wanted))
                    }
                }
            }
        }
    }
}
