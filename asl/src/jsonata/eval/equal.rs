//! Deep equality.

use super::super::budget::Purse;
use super::super::value::Item;
use super::Result;

/// Whether two values are the same; the order of an object's fields does not matter.
pub(crate) fn deep(a: &Item<'_>, b: &Item<'_>, purse: &Purse) -> Result<bool> {
    purse.work(1)?;
    Ok(match (a, b) {
        (Item::Undefined, Item::Undefined) | (Item::Null, Item::Null) => true,
        (Item::Bool(a), Item::Bool(b)) => a == b,
        (Item::Number(a), Item::Number(b)) => a.value() == b.value(),
        (Item::Text(a), Item::Text(b)) => a.as_str() == b.as_str(),
        (Item::Array(a), Item::Array(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b.iter()) {
                if !deep(&a, &b, purse)? {
                    return Ok(false);
                }
            }
            true
        }
        (Item::Object(a), Item::Object(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (name, value) in a.entries() {
                match b.get(name.as_str()) {
                    Some(other) if deep(&value, &other, purse)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        (Item::Function(a), Item::Function(b)) => {
            std::ptr::addr_eq(std::rc::Rc::as_ptr(a), std::rc::Rc::as_ptr(b))
        }
        _ => false,
    })
}
