use std::time::Duration;

use crate::key::ObjectKey;
use crate::router::Refusal;
use crate::upstream::UpstreamError;

/// The platform could not get an answer from the function.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is no function of the name.
    #[error("function {0} does not exist; run: kubectl get functions -A")]
    NoSuchFunction(ObjectKey),
    /// The call got no slot.
    #[error("call {function}: {refusal}")]
    Refused {
        /// The function.
        function: ObjectKey,
        /// Why.
        refusal: Refusal,
    },
    /// The pod was lost with the call.
    #[error("call {function} on pod {pod}")]
    Lost {
        /// The function.
        function: ObjectKey,
        /// The pod.
        pod: String,
        /// Why.
        source: UpstreamError,
    },
    /// The function did not answer in time, and its pod did not say so itself.
    #[error("call {function}: no answer within {} s", .after.as_secs_f64())]
    Deadline {
        /// The function.
        function: ObjectKey,
        /// How long was waited.
        after: Duration,
    },
    /// The directory of functions did not answer.
    #[error("find function {0}")]
    Directory(ObjectKey, #[source] crate::supervisor::AskError),
}

impl CallError {
    /// HTTP status and the reason for a `Status` answer.
    #[must_use]
    pub fn status(&self) -> (u16, &str) {
        match self {
            Self::NoSuchFunction(_) => (404, "NotFound"),
            Self::Refused { refusal, .. } => refusal.status(),
            Self::Lost { source, .. } if source.is_too_large() => (502, "AnswerTooLarge"),
            // The caller may try again, whatever the function does.
            Self::Lost { source, .. } if source.is_unsent() => (503, "NotReached"),
            Self::Lost { .. } => (502, "PodDied"),
            Self::Deadline { .. } => (504, "Timeout"),
            Self::Directory(..) => (503, "Unavailable"),
        }
    }

    /// The message with the reasons behind it.
    #[must_use]
    pub fn explain(&self) -> String {
        crate::explain(self)
    }
}
