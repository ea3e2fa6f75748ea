//! Errors as people read them.

use std::error::Error;
use std::fmt::Write as _;

/// An error with its causes, in one line.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(cause) = at {
        let said = cause.to_string();
        // Some libraries repeat the cause in their own text.
        if !text.ends_with(&said) {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {said}");
        }
        at = cause.source();
    }
    text
}
