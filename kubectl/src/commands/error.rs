//! Why a command failed, as it is told to the person who typed it.

use crate::client;
use crate::manifest::Problems;
use crate::print::jsonpath;

/// A command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server said no, or could not be asked.
    #[error("{0}")]
    Client(#[from] client::Error),
    /// The files are wrong; nothing was changed.
    #[error("error: {0}\nNothing was changed.")]
    Problems(#[from] Problems),
    /// The template is wrong.
    #[error("error: {0}")]
    Template(#[from] jsonpath::Error),
    /// Anything else.
    #[error("error: {0}")]
    Message(String),
    /// All has been said; only the exit code is left.
    #[error("")]
    Said,
    /// The reader of our output went away.
    #[error("")]
    Pipe,
    /// The next kubectl on PATH can do this, we cannot.
    #[error("error: {0}")]
    HandOver(String),
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::Pipe,
            _ => Self::Message(format!("write the output: {error}")),
        }
    }
}

/// An error in plain words.
pub(super) fn message<T>(text: impl Into<String>) -> Result<T, Error> {
    Err(Error::Message(text.into()))
}
