//! Operators between values.

use std::rc::Rc;

use super::super::error::{Error, out_of_range};
use super::super::syntax::ast::{Node, Operator};
use super::super::value::Item;
use super::frame::Frame;
use super::{Evaluator, Result, equal};

/// The longest `[a..b]`.
const LONGEST_RANGE: f64 = 1e7;

impl<'a> Evaluator<'a> {
    pub(super) fn operate(
        &self,
        operator: Operator,
        left: &'a Node,
        right: &'a Node,
        input: &Item<'a>,
        frame: &Rc<Frame<'a>>,
    ) -> Result<Item<'a>> {
        use Operator as O;
        let first = self.evaluate(left, input, frame)?;
        let second = || self.evaluate(right, input, frame);
        match operator {
            O::And => return Ok(Item::Bool(truth(&first) && truth(&second()?))),
            O::Or => return Ok(Item::Bool(truth(&first) || truth(&second()?))),
            O::Default => return if truth(&first) { Ok(first) } else { second() },
            O::Coalesce => {
                return if first.is_undefined() {
                    second()
                } else {
                    Ok(first)
                };
            }
            _ => {}
        }
        let second = second()?;
        match operator {
            O::Equal | O::NotEqual => {
                if first.is_undefined() || second.is_undefined() {
                    return Ok(Item::Bool(false));
                }
                let same = equal::deep(&first, &second, &self.purse)?;
                Ok(Item::Bool(same == (operator == O::Equal)))
            }
            O::Less | O::Greater | O::LessEqual | O::GreaterEqual => {
                compare(operator, &first, &second)
            }
            O::Concat => {
                let (first, second) = (self.shown(&first)?, self.shown(&second)?);
                self.purse.hold(first.len() + second.len())?;
                Ok(Item::text(first + &second))
            }
            O::In => {
                let list = second.listed();
                self.purse.work(list.len())?;
                Ok(Item::Bool(
                    !first.is_undefined()
                        && !second.is_undefined()
                        && list.iter().any(|item| same_scalar(&first, &item)),
                ))
            }
            O::Range => self.range(&first, &second),
            _ => arithmetic(operator, &first, &second),
        }
    }

    /// `[first..second]`
    fn range(&self, first: &Item<'a>, second: &Item<'a>) -> Result<Item<'a>> {
        let whole = |item: &Item<'_>| match item {
            Item::Undefined => Ok(None),
            Item::Number(number) if number.value().fract() == 0.0 => Ok(Some(number.value())),
            _ => Err(()),
        };
        let message = |side: &str| {
            format!("The {side} side of the range operator (..) must evaluate to an integer")
        };
        let first = whole(first).map_err(|()| Error::new("T2003", message("left")))?;
        let second = whole(second).map_err(|()| Error::new("T2004", message("right")))?;
        let (Some(first), Some(second)) = (first, second) else {
            return Ok(Item::Undefined);
        };
        let length = second - first + 1.0;
        if length < 1.0 {
            return Ok(Item::Undefined);
        }
        if length > LONGEST_RANGE {
            return Err(Error::new(
                "D2014",
                format!(
                    "The size of the sequence allocated by the range operator (..) must not exceed 1e7. Attempted to allocate {length}."
                ),
            ));
        }
        let length = length as usize;
        self.purse.hold(length * size_of::<Item<'a>>())?;
        self.purse.work(length)?;
        let items = (0..length)
            .map(|index| Item::float(first + index as f64))
            .collect();
        Ok(Item::Array(self.sequence(items)?))
    }
}

/// What a condition makes of a value: JavaScript's truth, but empty lists and objects, and lists of such, are false.
pub(crate) fn truth(item: &Item<'_>) -> bool {
    match item {
        Item::Undefined | Item::Null | Item::Function(_) => false,
        Item::Bool(value) => *value,
        Item::Number(number) => number.value() != 0.0,
        Item::Text(text) => !text.as_str().is_empty(),
        Item::Object(object) => object.len() > 0,
        Item::Array(array) => array.iter().any(|item| truth(&item)),
    }
}

pub(super) fn negate(item: Item<'_>) -> Result<Item<'_>> {
    match item {
        Item::Undefined => Ok(item),
        Item::Number(number) => Ok(Item::float(-number.value())),
        other => Err(Error::new(
            "D1002",
            format!("Cannot negate a non-numeric value: {}", brief(&other)),
        )),
    }
}

fn arithmetic<'a>(operator: Operator, first: &Item<'a>, second: &Item<'a>) -> Result<Item<'a>> {
    let number = |item: &Item<'_>, code, side: &str| match item {
        Item::Undefined => Ok(None),
        Item::Number(number) => Ok(Some(number.value())),
        _ => Err(Error::new(
            code,
            format!(
                "The {side} side of the {} operator must evaluate to a number",
                operator.as_str()
            ),
        )),
    };
    let first = number(first, "T2001", "left")?;
    let second = number(second, "T2002", "right")?;
    let (Some(first), Some(second)) = (first, second) else {
        return Ok(Item::Undefined);
    };
    let result = match operator {
        Operator::Add => first + second,
        Operator::Subtract => first - second,
        Operator::Multiply => first * second,
        Operator::Divide => first / second,
        _ => first % second,
    };
    if !result.is_finite() {
        return Err(out_of_range(result));
    }
    Ok(Item::float(result))
}

fn compare<'a>(operator: Operator, first: &Item<'a>, second: &Item<'a>) -> Result<Item<'a>> {
    let comparable =
        |item: &Item<'_>| matches!(item, Item::Undefined | Item::Number(_) | Item::Text(_));
    if !comparable(first) || !comparable(second) {
        return Err(Error::new(
            "T2010",
            format!(
                "The expressions either side of operator {} must evaluate to numeric or string values",
                operator.as_str()
            ),
        ));
    }
    let order = match (first, second) {
        (Item::Undefined, _) | (_, Item::Undefined) => return Ok(Item::Undefined),
        (Item::Number(a), Item::Number(b)) => a.value().partial_cmp(&b.value()),
        (Item::Text(a), Item::Text(b)) => Some(compare_texts(a.as_str(), b.as_str())),
        _ => {
            return Err(Error::new(
                "T2009",
                format!(
                    "The values {} and {} either side of operator {} must be of the same data type",
                    brief(first),
                    brief(second),
                    operator.as_str()
                ),
            ));
        }
    };
    Ok(Item::Bool(order.is_some_and(|order| match operator {
        Operator::Less => order.is_lt(),
        Operator::Greater => order.is_gt(),
        Operator::LessEqual => order.is_le(),
        _ => order.is_ge(),
    })))
}

/// By UTF-16 code units, as JavaScript and Java do.
pub(crate) fn compare_texts(a: &str, b: &str) -> std::cmp::Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}

/// The same number, text, boolean or null; `in` knows no equal lists and objects.
fn same_scalar(a: &Item<'_>, b: &Item<'_>) -> bool {
    match (a, b) {
        (Item::Null, Item::Null) => true,
        (Item::Bool(a), Item::Bool(b)) => a == b,
        (Item::Number(a), Item::Number(b)) => a.value() == b.value(),
        (Item::Text(a), Item::Text(b)) => a.as_str() == b.as_str(),
        _ => false,
    }
}

/// A value as a message shows it.
pub(crate) fn brief(item: &Item<'_>) -> String {
    match item {
        Item::Null => "null".to_owned(),
        Item::Bool(value) => value.to_string(),
        Item::Number(number) => number.text(),
        Item::Text(text) => format!(
            "\"{}\"",
            text.as_str().chars().take(100).collect::<String>()
        ),
        other => other.type_name().to_owned(),
    }
}
