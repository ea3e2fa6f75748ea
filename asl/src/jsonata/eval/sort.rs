//! Order-by, and a sort that bears any comparison.

use std::cmp::Ordering;
use std::rc::Rc;

use super::super::error::Error;
use super::super::syntax::ast::Term;
use super::super::value::{Array, Item};
use super::frame::Frame;
use super::operator::{brief, compare_texts};
use super::path::value_of;
use super::{Evaluator, Result};

impl<'a> Evaluator<'a> {
    /// `^(…)`: the terms are evaluated once for each item.
    pub(super) fn sort_by(
        &self,
        terms: &'a [Term],
        input: &Array<'a>,
        frame: &Rc<Frame<'a>>,
    ) -> Result<Array<'a>> {
        let mut rows = Vec::with_capacity(input.len());
        for item in input.iter() {
            let (context, inner) = match (&item, input.tuples) {
                (Item::Object(tuple), true) => (value_of(&item), Frame::of_tuple(frame, tuple)),
                _ => (item.clone(), Rc::clone(frame)),
            };
            let mut keys = Vec::with_capacity(terms.len());
            for term in terms {
                keys.push(self.evaluate(&term.by, &context, &inner)?);
            }
            rows.push((keys, item));
        }
        let sorted = merge_sort(rows, &mut |a, b| {
            self.purse.work(1)?;
            for (term, (a, b)) in terms.iter().zip(a.0.iter().zip(&b.0)) {
                let order = compare(a, b)?;
                // What is not there comes last, whatever the direction.
                let fixed = a.is_undefined() || b.is_undefined();
                match if term.descending && !fixed {
                    order.reverse()
                } else {
                    order
                } {
                    Ordering::Equal => {}
                    order => return Ok(order == Ordering::Greater),
                }
            }
            Ok(false)
        })?;
        let items = sorted.into_iter().map(|(_, item)| item).collect();
        let mut array = self.sequence(items)?;
        array.tuples = input.tuples;
        Ok(array)
    }
}

fn compare(a: &Item<'_>, b: &Item<'_>) -> Result<Ordering> {
    let unsortable =
        |item: &Item<'_>| !matches!(item, Item::Undefined | Item::Number(_) | Item::Text(_));
    match (a, b) {
        (Item::Undefined, Item::Undefined) => Ok(Ordering::Equal),
        (Item::Undefined, _) => Ok(Ordering::Greater),
        (_, Item::Undefined) => Ok(Ordering::Less),
        (a, b) if unsortable(a) || unsortable(b) => Err(Error::new(
            "T2008",
            "The expressions within an order-by clause must evaluate to numeric or string values",
        )),
        (Item::Number(a), Item::Number(b)) => {
            Ok(a.value().partial_cmp(&b.value()).unwrap_or(Ordering::Equal))
        }
        (Item::Text(a), Item::Text(b)) => Ok(compare_texts(a.as_str(), b.as_str())),
        (a, b) => Err(Error::new(
            "T2007",
            format!(
                "Type mismatch when comparing values {} and {} in order-by clause",
                brief(a),
                brief(b)
            ),
        )),
    }
}

/// A stable sort. `swap` says whether the first belongs behind the second; it may say what it likes, or fail.
pub(crate) fn merge_sort<T>(
    items: Vec<T>,
    swap: &mut impl FnMut(&T, &T) -> Result<bool>,
) -> Result<Vec<T>> {
    if items.len() < 2 {
        return Ok(items);
    }
    let mut left = items;
    let right = left.split_off(left.len() / 2);
    let left = merge_sort(left, swap)?;
    let right = merge_sort(right, swap)?;
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if swap(a, b)? {
            right.next()
        } else {
            left.next()
        };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}
