//! JSONata: the query language of states that say `"QueryLanguage": "JSONata"`.
//!
//! An own evaluator, for three reasons. Expressions come from people who may be hostile, and every evaluation is bounded in steps,
//! depth and bytes ([`Budget`]), counted and not timed, so that it ends the same way on every machine. Numbers that an expression only
//! moves keep all their digits, and data is borrowed, not copied: an expression in each of 100,000 iterations may look at one large input.
//! Time and randomness come from outside, as everywhere in this crate.
//!
//! - `syntax`: from text to a tree
//! - `eval`: from a tree to a value; `value`, `number`: the values
//! - `functions`: the library, Step Functions' own included
//! - [`error`]: what can go wrong, with JSONata's codes
//!
//! `$eval` does not exist here, as in Step Functions.

mod budget;
pub mod error;
mod eval;
mod functions;
mod number;
mod regex;
mod syntax;
pub(crate) mod value;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

pub use budget::Budget;
pub use error::Error;
pub(crate) use value::Item;

use crate::entropy::Entropy;
use syntax::ast::Tree;

/// An expression that has been read.
#[derive(Debug, Clone)]
pub struct Expression {
    text: Arc<str>,
    tree: Arc<Tree>,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// What an expression may use beside its own text.
pub(crate) struct World<'a> {
    /// The variables, by name without `$`.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<Item<'a>>,
    /// `$now()` and `$millis()`.
    pub(crate) now: Timestamp,
    /// `$random()`, `$uuid()` and `$shuffle()`.
    pub(crate) entropy: &'a Entropy,
    /// How much it may do.
    pub(crate) budget: Budget,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// With JSONata's own code and the place in the text.
    pub fn parse(text: &str) -> Result<Expression, Error> {
        Ok(Expression {
            text: text.into(),
            tree: Arc::new(syntax::parse(text)?),
        })
    }

    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What Step Functions forbids in it: `$` and `$$`, or the name of a field, where there is nothing that they could mean.
    pub(crate) fn misuse(&self) -> Option<String> {
        syntax::misuse::find(&self.tree.root)
    }

    /// Evaluates; none is JSONata's *undefined*.
    pub(crate) fn evaluate<'a>(&'a self, world: World<'a>) -> Result<Option<Value>, Error> {
        eval::run(&self.tree, world)
    }
}

#[cfg(test)]
mod tests;
