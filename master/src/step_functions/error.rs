use common::resources;

use crate::arn::ParseArnError;
use crate::objects::ObjectError;
use crate::workflows::{JournalError, StartError};

/// An answer of the Step Functions API that is an error: the shape's name, as the SDKs know it, and words.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub(super) struct Error {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Error {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(super) fn invalid_arn(arn: &str) -> Self {
        Self::new("InvalidArn", format!("Invalid Arn: '{arn}'"))
    }

    pub(super) fn no_machine(arn: &str) -> Self {
        let message = format!("State Machine Does Not Exist: '{arn}'");
        Self::new("StateMachineDoesNotExist", message)
    }

    pub(super) fn no_execution(arn: &str) -> Self {
        let message = format!("Execution Does Not Exist: '{arn}'");
        Self::new("ExecutionDoesNotExist", message)
    }

    pub(super) fn no_activity(arn: &str) -> Self {
        let message = format!("Activity Does Not Exist: '{arn}'");
        Self::new("ActivityDoesNotExist", message)
    }

    /// Whether the platform is to blame.
    pub(super) fn is_internal(&self) -> bool {
        self.code == "InternalFailure"
    }
}

impl From<ParseArnError> for Error {
    fn from(error: ParseArnError) -> Self {
        Self::new("InvalidArn", error.to_string())
    }
}

impl From<ObjectError> for Error {
    fn from(error: ObjectError) -> Self {
        tracing::error!(%error, "the Step Functions API could not reach the store");
        Self::new("InternalFailure", error.to_string())
    }
}

impl From<JournalError> for Error {
    fn from(error: JournalError) -> Self {
        tracing::error!(%error, "the Step Functions API could not read a journal");
        Self::new("InternalFailure", error.to_string())
    }
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Objects(error) => error.into(),
            StartError::NotFound { .. } => Self::new("StateMachineDoesNotExist", error.to_string()),
            StartError::Definition { .. } => Self::new("InvalidDefinition", error.to_string()),
        }
    }
}

/// Refuses a name that nothing here can have.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    resources::check_name(name)
        .map_err(|error| Error::new("InvalidName", format!("Invalid Name: {error}")))
}
