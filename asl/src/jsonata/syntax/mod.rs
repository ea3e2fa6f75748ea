//! From an expression's text to its tree.
//!
//! - `token`: the text cut into tokens
//! - `parse`: tokens become a tree, by binding powers
//! - `shape`: paths flattened, steps marked, `%` resolved
//! - `signature`: the types of a function's parameters
//! - `misuse`: what Step Functions forbids

pub(super) mod ast;
pub(super) mod misuse;
mod parse;
mod shape;
pub(super) mod signature;
mod token;

use super::error::Error;
use ast::Tree;

/// Expressions are at most this long, in bytes: a definition has at most 1 MB.
const LONGEST: usize = 1 << 20;

pub(super) fn parse(text: &str) -> Result<Tree, Error> {
    if text.len() > LONGEST {
        return Err(Error::new("S0201", "the expression is longer than 1 MiB"));
    }
    let raw = parse::parse(text)?;
    shape::shape(raw)
}
