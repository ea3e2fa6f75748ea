/// Why a call gets no slot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too many calls wait already.
    #[error("{0} calls are waiting for this function already; try again later")]
    QueueFull(usize),
    /// The function is scaled to zero by hand.
    #[error(
        "the function is paused (scaled to 0); run: kubectl scale function/NAME --replicas=auto"
    )]
    Paused,
    /// No pod can be started.
    #[error("{message}")]
    Unavailable {
        /// One CamelCase word.
        reason: String,
        /// The same for people.
        message: String,
    },
    /// The function was deleted while the call waited.
    #[error("the function was deleted")]
    Deleted,
    /// No pod became free in time.
    #[error("no pod of the function was ready within {0} s")]
    HoldExpired(u64),
}

impl Refusal {
    /// HTTP status and the reason for a `Status` answer.
    #[must_use]
    pub fn status(&self) -> (u16, &str) {
        match self {
            Self::QueueFull(_) => (429, "TooManyRequests"),
            Self::Paused => (503, "Paused"),
            Self::Unavailable { reason, .. } => (503, reason),
            Self::Deleted => (404, "NotFound"),
            Self::HoldExpired(_) => (504, "Timeout"),
        }
    }
}
