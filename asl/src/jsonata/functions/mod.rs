//! The library: JSONata's functions and those that Step Functions adds, without `$eval`.
//!
//! - `string`, `matching`, `encoding`: texts; `matching` is what takes regular expressions
//! - `number`, `integer`, `picture`: numbers and how they are written
//! - `list`, `object`, `callback`: lists, objects, functions that take functions
//! - `time`, `calendar`: times and how they are written
//! - `step_functions`: `$partition`, `$range`, `$hash`, `$random`, `$uuid`, `$parse`

mod calendar;
mod callback;
mod encoding;
mod integer;
mod list;
mod matching;
mod number;
mod object;
mod picture;
mod step_functions;
mod string;
mod time;

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use super::error::Error;
use super::eval::Evaluator;
use super::syntax::signature::Signature;
use super::value::Item;

type Result<T, E = Error> = std::result::Result<T, E>;

/// What a library function does with arguments that fit its signature; those left out are undefined.
type Call = for<'a> fn(&Evaluator<'a>, &[Item<'a>]) -> Result<Item<'a>>;

/// A function of the library.
pub(crate) struct Native {
    pub(super) name: &'static str,
    types: &'static str,
    pub(super) call: Call,
    signature: OnceLock<Signature>,
}

impl Native {
    /// With how many arguments it is called back.
    pub(super) fn arity(&self) -> usize {
        // `$string` would take a position for its second parameter.
        if self.name == "string" {
            1
        } else {
            self.signature().parameters.len()
        }
    }

    pub(super) fn signature(&self) -> &Signature {
        self.signature.get_or_init(|| {
            // All of them are read by a test.
            Signature::parse(self.types).unwrap_or(Signature {
                parameters: Vec::new(),
            })
        })
    }
}

/// A function by its name without `$`.
pub(super) fn find(name: &str) -> Option<&'static Native> {
    static ALL: LazyLock<HashMap<&'static str, Native>> = LazyLock::new(|| {
        let tables = [
            string::FUNCTIONS,
            matching::FUNCTIONS,
            encoding::FUNCTIONS,
            number::FUNCTIONS,
            list::FUNCTIONS,
            object::FUNCTIONS,
            callback::FUNCTIONS,
            time::FUNCTIONS,
            step_functions::FUNCTIONS,
        ];
        let all = tables.into_iter().flatten();
        all.map(|(name, types, call)| {
            let native = Native {
                name,
                types,
                call: *call,
                signature: OnceLock::new(),
            };
            (*name, native)
        })
        .collect()
    });
    ALL.get(name)
}

/// Name, signature and function: the rows of a table of functions.
type Row = (&'static str, &'static str, Call);

fn number_of(item: Option<&Item<'_>>) -> Option<f64> {
    match item {
        Some(Item::Number(number)) => Some(number.value()),
        _ => None,
    }
}

fn text_of<'i>(item: Option<&'i Item<'_>>) -> Option<&'i str> {
    match item {
        Some(Item::Text(text)) => Some(text.as_str()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_can_be_read() {
        for name in ["sum", "substring", "map", "hash", "fromMillis", "replace"] {
            let native = find(name).unwrap();
            assert_eq!(native.name, name);
            assert!(!native.signature().parameters.is_empty(), "{name}");
        }
        assert!(find("eval").is_none());
    }
}
