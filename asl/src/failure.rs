//! How states fail: an error name that Retry and Catch compare, and a cause that a person reads.

use serde::{Deserialize, Serialize};

/// The error names that the language itself gives.
pub mod names {
    /// Catches everything but `States.DataLimitExceeded` and `States.Runtime`.
    pub const ALL: &str = "States.ALL";
    /// A task (or the run) took longer than its `TimeoutSeconds`.
    pub const TIMEOUT: &str = "States.Timeout";
    /// A task was silent for longer than its `HeartbeatSeconds`.
    pub const HEARTBEAT_TIMEOUT: &str = "States.HeartbeatTimeout";
    /// Catches every failure of a task but timeouts.
    pub const TASK_FAILED: &str = "States.TaskFailed";
    /// The definition asks for what the data does not have.
    pub const RUNTIME: &str = "States.Runtime";
    /// A result is larger than a state may hold.
    pub const DATA_LIMIT: &str = "States.DataLimitExceeded";
    /// No rule of a Choice matched and it has no Default.
    pub const NO_CHOICE_MATCHED: &str = "States.NoChoiceMatched";
    /// The items of a distributed Map cannot be read.
    pub const ITEM_READER: &str = "States.ItemReaderFailed";
    /// The results of a distributed Map cannot be written.
    pub const RESULT_WRITER: &str = "States.ResultWriterFailed";
    /// A JSONata expression failed, gave nothing, or gave another type than its field wants.
    pub const QUERY_EVALUATION: &str = "States.QueryEvaluationError";
    /// More iterations of a Map failed than it tolerates.
    pub const TOLERATED_FAILURES: &str = "States.ExceedToleratedFailureThreshold";
}

/// A failure: of a task, of a state, of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Failure {
    /// The error's name; a Fail state may have none.
    pub error: Option<String>,
    /// What a person reads.
    pub cause: Option<String>,
    /// The field whose expression failed, until it is recorded.
    #[serde(skip)]
    pub location: Option<String>,
}

impl Failure {
    /// A failure with a name and a cause.
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Failure {
            error: Some(error.into()),
            cause: Some(cause.into()),
            location: None,
        }
    }

    /// `States.Runtime` with a cause.
    pub(crate) fn runtime(cause: impl Into<String>) -> Self {
        Failure::new(names::RUNTIME, cause)
    }

    /// `States.QueryEvaluationError` at a field.
    pub(crate) fn query(location: &str, cause: impl Into<String>) -> Self {
        Failure {
            location: Some(location.to_owned()),
            ..Failure::new(names::QUERY_EVALUATION, cause)
        }
    }

    /// Whether an `ErrorEquals` list names this failure.
    ///
    /// `States.ALL` leaves out `States.Runtime` and `States.DataLimitExceeded`; `States.TaskFailed` stands for
    /// whatever a task reports but timeouts.
    pub(crate) fn matches(&self, error_equals: &[String]) -> bool {
        let error = self.error.as_deref().unwrap_or_default();
        error_equals.iter().any(|wanted| match wanted.as_str() {
            names::ALL => error != names::RUNTIME && error != names::DATA_LIMIT,
            names::TASK_FAILED => {
                error == names::TASK_FAILED
                    || !(error == names::TIMEOUT
                        || error == names::HEARTBEAT_TIMEOUT
                        || error == names::RUNTIME
                        || error == names::DATA_LIMIT)
            }
            names::TIMEOUT => error == names::TIMEOUT || error == names::HEARTBEAT_TIMEOUT,
            name => name == error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_leave_out_what_cannot_be_handled() {
        let matches = |error: &str, list: &[&str]| {
            let list: Vec<String> = list.iter().map(|s| (*s).to_owned()).collect();
            Failure::new(error, "").matches(&list)
        };
        assert!(matches("ValueError", &["States.TaskFailed"]));
        assert!(matches("ValueError", &["Other", "States.ALL"]));
        assert!(!matches("States.Timeout", &["States.TaskFailed"]));
        assert!(matches("States.HeartbeatTimeout", &["States.Timeout"]));
        assert!(!matches("States.Runtime", &["States.ALL"]));
        assert!(matches(
            "States.DataLimitExceeded",
            &["States.DataLimitExceeded"]
        ));
    }
}
