//! What goes wrong in an expression.

use thiserror::Error;

/// A failure with JSONata's code and words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{code}: {message}")]
pub struct Error {
    /// For example `T1006`. S: syntax, T: types, D: at run time.
    pub code: &'static str,
    /// What a person reads.
    pub message: String,
    /// Where in the text, in characters from 0; known for syntax errors.
    pub at: Option<usize>,
}

impl Error {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Error {
        Error {
            code,
            message: message.into(),
            at: None,
        }
    }

    pub(crate) fn at(code: &'static str, at: usize, message: impl Into<String>) -> Error {
        Error {
            code,
            message: message.into(),
            at: Some(at),
        }
    }
}

pub(crate) fn not_a_function() -> Error {
    Error::new("T1006", "Attempted to invoke a non-function")
}

pub(crate) fn out_of_range(value: f64) -> Error {
    Error::new("D1001", format!("Number out of range: {value}"))
}

pub(crate) fn too_deep() -> Error {
    Error::new(
        "D1011",
        "Stack overflow. Check for non-terminating recursive function. Consider rewriting as tail-recursive",
    )
}
