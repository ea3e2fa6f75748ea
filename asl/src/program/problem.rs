//! What is wrong with a definition, said so that a person can act on it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind of a problem: stable, as in Step Functions' `ValidateStateMachineDefinition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// The text is not JSON.
    InvalidJsonDescription,
    /// A field is missing, unknown, of the wrong type or out of range.
    SchemaValidationFailed,
    /// A transition leads to a state that does not exist, or a state that nothing leads to.
    MissingTransitionTarget,
    /// Two states have one name.
    DuplicateStateName,
    /// States that lead only to each other: the run could never end.
    LoopWithoutExit,
    /// A path, a reference path or an intrinsic function that cannot be read.
    InvalidPath,
}

impl Code {
    /// The code's text, for example `MISSING_TRANSITION_TARGET`.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::InvalidJsonDescription => "INVALID_JSON_DESCRIPTION",
            Code::SchemaValidationFailed => "SCHEMA_VALIDATION_FAILED",
            Code::MissingTransitionTarget => "MISSING_TRANSITION_TARGET",
            Code::DuplicateStateName => "DUPLICATE_STATE_NAME",
            Code::LoopWithoutExit => "LOOP_WITHOUT_EXIT",
            Code::InvalidPath => "INVALID_PATH",
        }
    }
}

impl Code {
    /// Whether a definition can run all the same: the history's limit ends what has no end, as in Step Functions.
    pub fn is_warning(self) -> bool {
        self == Code::LoopWithoutExit
    }

    /// `ERROR` or `WARNING`.
    pub fn severity(self) -> &'static str {
        if self.is_warning() {
            "WARNING"
        } else {
            "ERROR"
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The kind.
    pub code: Code,
    /// Where, for people: `States.node1.Next`, `spec.workflowNodes[1].choiceData.checkType`.
    pub path: String,
    /// Where, for programs: a JSON pointer, `/States/node1/Next`.
    pub pointer: String,
    /// Line and column (from 1) in the text, where it came as text.
    pub position: Option<(usize, usize)>,
    /// What was found and what is wanted.
    pub message: String,
}

impl Problem {
    /// A diagnostic of `ValidateStateMachineDefinition`: `severity`, `code`, `message` and `location`.
    pub fn to_api(&self) -> Value {
        let location = self.pointer.replace("~1", "/").replace("~0", "~");
        let mut message = self.message.clone();
        if let Some((line, column)) = self.position {
            message = format!("{message} (line {line}, column {column})");
        }
        json!({"severity": self.code.severity(), "code": self.code.as_str(), "message": message, "location": location})
    }

    /// The same problem as it is seen from inside a place.
    pub(crate) fn within(mut self, place: &Place) -> Problem {
        if let Some(rest) = self.pointer.strip_prefix(&place.pointer) {
            self.pointer = rest.to_owned();
        }
        if let Some(rest) = self.path.strip_prefix(&place.path) {
            self.path = rest.trim_start_matches('.').to_owned();
        }
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.position {
            write!(f, "line {line} column {column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Problem {}

/// A place in a document, grown step by step while reading it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    path: String,
    pointer: String,
}

impl Place {
    pub(crate) fn root() -> Self {
        Place::default()
    }

    pub(crate) fn key(&self, key: &str) -> Place {
        let plain = !key.is_empty() && !key.contains(['.', '[', ']']);
        let path = match (self.path.is_empty(), plain) {
            (true, true) => key.to_owned(),
            (false, true) => format!("{}.{key}", self.path),
            (_, false) => format!("{}['{key}']", self.path),
        };
        let escaped = key.replace('~', "~0").replace('/', "~1");
        Place {
            path,
            pointer: format!("{}/{escaped}", self.pointer),
        }
    }

    pub(crate) fn index(&self, index: usize) -> Place {
        Place {
            path: format!("{}[{index}]", self.path),
            pointer: format!("{}/{index}", self.pointer),
        }
    }

    pub(crate) fn problem(&self, code: Code, message: impl Into<String>) -> Problem {
        Problem {
            code,
            path: self.path.clone(),
            pointer: self.pointer.clone(),
            position: None,
            message: message.into(),
        }
    }
}
