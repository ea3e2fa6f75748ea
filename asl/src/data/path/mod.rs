//! AWS's dialect of JSONPath: what is found in real state machines, RFC 9535 or not.
//!
//! `$.a-b`, `$.[0]`, `$.x.[0].y`, `$.[?(…)]`, `$['a','b']`, `$..name`, slices, filters, `.length()`. A *definite* path (names and single
//! indices only) finds one value or fails; any other finds a list, perhaps empty.

mod eval;
mod filter;
mod parse;

use std::fmt;

use thiserror::Error;

pub(crate) use parse::parse_prefix;

/// Where a path starts.
#[derive(Debug, Clone, PartialEq)]
pub enum Root {
    /// `$`: the data at hand.
    Input,
    /// `$$`: the context object.
    Context,
    /// `$name`: a variable.
    Variable(String),
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Segment {
    Key(String),
    Keys(Vec<String>),
    Index(i64),
    Indices(Vec<i64>),
    Slice {
        from: Option<i64>,
        to: Option<i64>,
        step: i64,
    },
    Wildcard,
    Filter(filter::Filter),
    /// `..`: this and everything beneath it; the next segment selects from each.
    Descend,
    Function(Function),
}

/// A function at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Function {
    Length,
    Min,
    Max,
    Sum,
    Avg,
    Keys,
}

/// A path that has been read.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    text: String,
    root: Root,
    segments: Vec<Segment>,
}

/// The text is no path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{text}' is not a path: {message} at character {at}")]
pub struct PathError {
    /// The text.
    pub text: String,
    /// Where it goes wrong, in characters from 1.
    pub at: usize,
    /// What was found and what is wanted.
    pub message: String,
}

/// A definite path finds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct NothingFound(pub(crate) String);

impl Path {
    /// Reads a path.
    pub fn parse(text: &str) -> Result<Path, PathError> {
        parse::parse(text)
    }

    /// Where it starts.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The path as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it finds one value (or fails), not a list.
    pub fn is_definite(&self) -> bool {
        self.segments.iter().all(|s| {
            matches!(
                s,
                Segment::Key(_) | Segment::Keys(_) | Segment::Index(_) | Segment::Function(_)
            )
        })
    }

    /// The path without its first steps.
    pub(crate) fn beyond(&self, steps: usize) -> Path {
        Path {
            text: self.text.clone(),
            root: self.root.clone(),
            segments: self.segments.iter().skip(steps).cloned().collect(),
        }
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
