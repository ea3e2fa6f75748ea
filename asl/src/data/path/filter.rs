//! Filters: `[?(@.price < 10 && @.kind == 'book')]`.

use std::cmp::Ordering;

use serde_json::Value;

use super::parse::Cursor;
use super::{PathError, Segment, eval};
use crate::data::number;

/// How deep filters may be nested.
const DEPTH: u32 = 32;

/// A condition on one element.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filter {
    Or(Box<Filter>, Box<Filter>),
    And(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Exists(Operand),
    Compare(Operand, Comparison, Operand),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    /// `@…`
    Element(Vec<Segment>),
    /// `$…`
    Root(Vec<Segment>),
    Literal(Value),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    NotIn,
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Filter, PathError> {
    cursor.depth += 1;
    if cursor.depth > DEPTH {
        return Err(cursor.error(format!("filters are nested more than {DEPTH} deep")));
    }
    let mut left = conjunction(cursor)?;
    loop {
        cursor.blanks();
        if !cursor.eat("||") {
            cursor.depth -= 1;
            return Ok(left);
        }
        left = Filter::Or(Box::new(left), Box::new(conjunction(cursor)?));
    }
}

fn conjunction(cursor: &mut Cursor<'_>) -> Result<Filter, PathError> {
    let mut left = term(cursor)?;
    loop {
        cursor.blanks();
        if !cursor.eat("&&") {
            return Ok(left);
        }
        left = Filter::And(Box::new(left), Box::new(term(cursor)?));
    }
}

fn term(cursor: &mut Cursor<'_>) -> Result<Filter, PathError> {
    cursor.blanks();
    if cursor.rest().starts_with('!') && !cursor.rest().starts_with("!=") {
        cursor.eat("!");
        cursor.depth += 1;
        if cursor.depth > DEPTH {
            return Err(cursor.error(format!("filters are nested more than {DEPTH} deep")));
        }
        let inner = term(cursor)?;
        cursor.depth -= 1;
        return Ok(Filter::Not(Box::new(inner)));
    }
    if cursor.eat("(") {
        let inner = parse(cursor)?;
        cursor.blanks();
        cursor.expect(")")?;
        return Ok(inner);
    }
    let left = operand(cursor)?;
    cursor.blanks();
    let Some(comparison) = comparison(cursor)? else {
        return Ok(Filter::Exists(left));
    };
    cursor.blanks();
    Ok(Filter::Compare(left, comparison, operand(cursor)?))
}

fn comparison(cursor: &mut Cursor<'_>) -> Result<Option<Comparison>, PathError> {
    if cursor.rest().starts_with("=~") {
        return Err(cursor.error("not supported yet: regular expressions in filters"));
    }
    let table = [
        ("==", Comparison::Equal),
        ("!=", Comparison::NotEqual),
        ("<=", Comparison::LessEqual),
        (">=", Comparison::GreaterEqual),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
        ("in ", Comparison::In),
        ("nin ", Comparison::NotIn),
    ];
    Ok(table
        .into_iter()
        .find(|(token, _)| cursor.eat(token))
        .map(|(_, c)| c))
}

fn operand(cursor: &mut Cursor<'_>) -> Result<Operand, PathError> {
    cursor.blanks();
    match cursor.peek() {
        Some('@') => {
            cursor.eat("@");
            Ok(Operand::Element(cursor.segments()?))
        }
        Some('$') => {
            cursor.eat("$");
            Ok(Operand::Root(cursor.segments()?))
        }
        Some('\'' | '"') => Ok(Operand::Literal(Value::String(cursor.quoted()?))),
        Some('[') => {
            cursor.eat("[");
            let mut items = Vec::new();
            loop {
                cursor.blanks();
                if cursor.eat("]") {
                    return Ok(Operand::Literal(Value::Array(items)));
                }
                if !items.is_empty() {
                    cursor.expect(",")?;
                    cursor.blanks();
                }
                items.push(scalar(cursor)?);
            }
        }
        _ => Ok(Operand::Literal(scalar(cursor)?)),
    }
}

fn scalar(cursor: &mut Cursor<'_>) -> Result<Value, PathError> {
    if matches!(cursor.peek(), Some('\'' | '"')) {
        return Ok(Value::String(cursor.quoted()?));
    }
    let word = cursor.take_while(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    serde_json::from_str(word).map_err(|_| {
        cursor.error("a value is wanted: '@.name', a number, a 'string', true, false or null")
    })
}

impl Filter {
    /// Whether the element passes. `root` is what `$` means inside.
    pub(super) fn passes(&self, element: &Value, root: &Value) -> bool {
        match self {
            Filter::Or(a, b) => a.passes(element, root) || b.passes(element, root),
            Filter::And(a, b) => a.passes(element, root) && b.passes(element, root),
            Filter::Not(inner) => !inner.passes(element, root),
            Filter::Exists(operand) => operand.value(element, root).is_some(),
            Filter::Compare(a, comparison, b) => {
                let (a, b) = (a.value(element, root), b.value(element, root));
                compare(a.as_ref(), *comparison, b.as_ref())
            }
        }
    }
}

impl Operand {
    fn value(&self, element: &Value, root: &Value) -> Option<Value> {
        match self {
            Operand::Literal(value) => Some(value.clone()),
            Operand::Element(segments) => eval::find(segments, element, root).ok(),
            Operand::Root(segments) => eval::find(segments, root, root).ok(),
        }
    }
}

fn compare(a: Option<&Value>, comparison: Comparison, b: Option<&Value>) -> bool {
    let order = match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => Some(number::compare(a, b)),
        (Some(Value::String(a)), Some(Value::String(b))) => Some(a.cmp(b)),
        _ => None,
    };
    let equal = || order.map_or_else(|| a.is_some() && a == b, |o| o == Ordering::Equal);
    let contained = || match (a, b) {
        (Some(a), Some(Value::Array(list))) => list
            .iter()
            .any(|item| compare(Some(a), Comparison::Equal, Some(item))),
        _ => false,
    };
    match comparison {
        Comparison::Equal => equal(),
        Comparison::NotEqual => !equal(),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        Comparison::In => contained(),
        Comparison::NotIn => !contained(),
    }
}
