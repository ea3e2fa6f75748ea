//! The comparisons of Choice rules.

use std::cmp::Ordering;

use serde_json::Value;

use crate::data::{number, timestamp};

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operator {
    String(Relation),
    Numeric(Relation),
    Timestamp(Relation),
    BooleanEquals,
    StringMatches,
    IsNull,
    IsPresent,
    IsNumeric,
    IsString,
    IsBoolean,
    IsTimestamp,
}

/// How two ordered values relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Relation {
    Equals,
    LessThan,
    GreaterThan,
    LessThanEquals,
    GreaterThanEquals,
}

impl Relation {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Relation::Equals => order == Ordering::Equal,
            Relation::LessThan => order == Ordering::Less,
            Relation::GreaterThan => order == Ordering::Greater,
            Relation::LessThanEquals => order != Ordering::Greater,
            Relation::GreaterThanEquals => order != Ordering::Less,
        }
    }
}

impl Operator {
    /// The sign of a comparison.
    pub(crate) fn sign(self) -> Option<&'static str> {
        match self {
            Operator::String(relation)
            | Operator::Numeric(relation)
            | Operator::Timestamp(relation) => Some(match relation {
                Relation::Equals => "=",
                Relation::LessThan => "<",
                Relation::GreaterThan => ">",
                Relation::LessThanEquals => "≤",
                Relation::GreaterThanEquals => "≥",
            }),
            Operator::BooleanEquals => Some("="),
            Operator::StringMatches => Some("~"),
            _ => None,
        }
    }

    /// What a test of a type tests for.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Operator::IsNull => "null",
            Operator::IsNumeric => "a number",
            Operator::IsString => "a text",
            Operator::IsBoolean => "a boolean",
            Operator::IsTimestamp => "a time",
            _ => "there",
        }
    }
}

/// All operators by their names in definitions, and whether they compare with what a path finds.
pub(super) fn names() -> impl Iterator<Item = (&'static str, Operator, bool)> {
    const NAMES: [(&str, &str, Operator); 16] = {
        use Operator as O;
        use Relation as R;
        [
            ("StringEquals", "StringEqualsPath", O::String(R::Equals)),
            (
                "StringLessThan",
                "StringLessThanPath",
                O::String(R::LessThan),
            ),
            (
                "StringGreaterThan",
                "StringGreaterThanPath",
                O::String(R::GreaterThan),
            ),
            (
                "StringLessThanEquals",
                "StringLessThanEqualsPath",
                O::String(R::LessThanEquals),
            ),
            (
                "StringGreaterThanEquals",
                "StringGreaterThanEqualsPath",
                O::String(R::GreaterThanEquals),
            ),
            ("NumericEquals", "NumericEqualsPath", O::Numeric(R::Equals)),
            (
                "NumericLessThan",
                "NumericLessThanPath",
                O::Numeric(R::LessThan),
            ),
            (
                "NumericGreaterThan",
                "NumericGreaterThanPath",
                O::Numeric(R::GreaterThan),
            ),
            (
                "NumericLessThanEquals",
                "NumericLessThanEqualsPath",
                O::Numeric(R::LessThanEquals),
            ),
            (
                "NumericGreaterThanEquals",
                "NumericGreaterThanEqualsPath",
                O::Numeric(R::GreaterThanEquals),
            ),
            (
                "TimestampEquals",
                "TimestampEqualsPath",
                O::Timestamp(R::Equals),
            ),
            (
                "TimestampLessThan",
                "TimestampLessThanPath",
                O::Timestamp(R::LessThan),
            ),
            (
                "TimestampGreaterThan",
                "TimestampGreaterThanPath",
                O::Timestamp(R::GreaterThan),
            ),
            (
                "TimestampLessThanEquals",
                "TimestampLessThanEqualsPath",
                O::Timestamp(R::LessThanEquals),
            ),
            (
                "TimestampGreaterThanEquals",
                "TimestampGreaterThanEqualsPath",
                O::Timestamp(R::GreaterThanEquals),
            ),
            ("BooleanEquals", "BooleanEqualsPath", O::BooleanEquals),
        ]
    };
    const PLAIN: [(&str, Operator); 7] = [
        ("StringMatches", Operator::StringMatches),
        ("IsNull", Operator::IsNull),
        ("IsPresent", Operator::IsPresent),
        ("IsNumeric", Operator::IsNumeric),
        ("IsString", Operator::IsString),
        ("IsBoolean", Operator::IsBoolean),
        ("IsTimestamp", Operator::IsTimestamp),
    ];
    let twins = NAMES
        .into_iter()
        .flat_map(|(name, path, operator)| [(name, operator, false), (path, operator, true)]);
    twins.chain(
        PLAIN
            .into_iter()
            .map(|(name, operator)| (name, operator, false)),
    )
}

impl Operator {
    /// Whether a definition may compare with this value; the error is what is wanted.
    pub(super) fn check(self, value: &Value) -> Result<(), &'static str> {
        let (good, wanted) = match self {
            Operator::String(_) | Operator::StringMatches => (value.is_string(), "a string"),
            Operator::Numeric(_) => (value.is_number(), "a number"),
            Operator::Timestamp(_) => (
                value.as_str().and_then(timestamp::parse).is_some(),
                "an ISO-8601 time with offset, such as 2030-01-31T12:00:00Z",
            ),
            _ => (value.is_boolean(), "true or false"),
        };
        if good { Ok(()) } else { Err(wanted) }
    }

    /// Whether `value` relates so to `wanted`. Values of other types do not.
    pub(super) fn holds(self, value: &Value, wanted: &Value) -> bool {
        let is = |found: bool| wanted.as_bool() == Some(found);
        match self {
            Operator::String(relation) => match (value, wanted) {
                // Java compares UTF-16 units; so do we.
                (Value::String(a), Value::String(b)) => {
                    relation.holds(a.encode_utf16().cmp(b.encode_utf16()))
                }
                _ => false,
            },
            Operator::Numeric(relation) => match (value, wanted) {
                (Value::Number(a), Value::Number(b)) => relation.holds(number::compare(a, b)),
                _ => false,
            },
            Operator::Timestamp(relation) => match (time(value), time(wanted)) {
                (Some(a), Some(b)) => relation.holds(a.cmp(&b)),
                _ => false,
            },
            Operator::BooleanEquals => value.is_boolean() && value == wanted,
            Operator::StringMatches => match (value, wanted) {
                (Value::String(text), Value::String(pattern)) => matches(text, pattern),
                _ => false,
            },
            Operator::IsNull => is(value.is_null()),
            Operator::IsPresent => is(true),
            Operator::IsNumeric => is(value.is_number()),
            Operator::IsString => is(value.is_string()),
            Operator::IsBoolean => is(value.is_boolean()),
            Operator::IsTimestamp => is(time(value).is_some()),
        }
    }
}

fn time(value: &Value) -> Option<jiff::Timestamp> {
    value.as_str().and_then(timestamp::parse)
}

/// `*` stands for any characters, `\*` for itself, `\\` for a backslash.
fn matches(text: &str, pattern: &str) -> bool {
    let mut parts: Vec<Option<char>> = Vec::new();
    let mut characters = pattern.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '*' => parts.push(None),
            '\\' if matches!(characters.peek(), Some('*' | '\\')) => parts.push(characters.next()),
            c => parts.push(Some(c)),
        }
    }
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut part) = (0, 0);
    // Where the last `*` was, and how far it has reached.
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match parts.get(part) {
            Some(None) => {
                star = Some((part, at));
                part += 1;
            }
            Some(Some(c)) if text.get(at) == Some(c) => {
                at += 1;
                part += 1;
            }
            _ => match star {
                Some((star_part, reached)) => {
                    star = Some((star_part, reached + 1));
                    (part, at) = (star_part + 1, reached + 1);
                }
                None => return false,
            },
        }
    }
    parts.iter().skip(part).all(Option::is_none)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn there_are_39_operators_with_and_or_not() {
        // Recorded documentation counts And, Or, Not beside: 3 x 5 x 2 + 2 + 1 + 6 = 39.
        assert_eq!(names().count(), 39);
    }

    #[test]
    fn patterns() {
        for (text, pattern, wanted) in [
            ("foo23.log", "foo*.log", true),
            ("zebra.log", "*.log", true),
            ("foobar.zebra", "foo*.*", true),
            ("foo", "foo*", true),
            ("a*b", "a\\*b", true),
            ("aXb", "a\\*b", false),
            ("", "*", true),
            ("", "", true),
            ("a", "", false),
            ("abcabd", "*abd", true),
            ("aaaaaaaaaaaaaaaaaaaaaaab", "*a*a*a*a*a*a*a*c", false),
        ] {
            assert_eq!(matches(text, pattern), wanted, "{text} {pattern}");
        }
    }

    #[test]
    fn other_types_do_not_compare() {
        let equals = Operator::Numeric(Relation::Equals);
        assert!(equals.holds(&json!(1.0), &json!(1)));
        assert!(!equals.holds(&json!("1"), &json!(1)));
        assert!(!equals.holds(&json!(false), &json!(0)));
        assert!(Operator::IsNull.holds(&json!(1), &json!(false)));
        assert!(!Operator::Timestamp(Relation::Equals).holds(
            &json!("2023-02-24 12:15:56"),
            &json!("2012-10-09T19:00:55Z")
        ));
    }
}
