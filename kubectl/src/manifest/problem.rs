//! What is wrong with a file, and where.

use std::fmt;

use super::places::{Place, Places, path_of};

/// One thing that is wrong with what was given, said so that a person can act on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: String,
    /// Where in the file.
    pub place: Option<Place>,
    /// The field, as `spec.env[0].name`; empty for the document as a whole.
    pub field: String,
    /// What was found and what is wanted.
    pub message: String,
}

impl Problem {
    /// A problem of a whole file.
    pub fn of_file(file: &str, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            message: message.into(),
            ..Self::default()
        }
    }

    /// A problem of the field at `pointer`.
    pub fn at(file: &str, places: &Places, pointer: &str, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place: places.find(pointer),
            field: path_of(pointer),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(Place { line, .. }) = self.place {
            write!(f, " line {line}")?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Everything that is wrong with what was given; nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nerror: "))]
pub struct Problems(pub Vec<Problem>);

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}
