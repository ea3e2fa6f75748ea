use super::{LeaseId, Revision};

/// A store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A condition of a transaction does not hold; nothing was changed.
    #[error("commit: {key:?} last changed at revision {found}, the transaction wants {wanted}")]
    Conflict {
        /// The key.
        key: String,
        /// The revision the transaction wants; 0 for absent.
        wanted: Revision,
        /// The revision that was found; 0 for absent.
        found: Revision,
    },
    /// The watcher must list again: what it asks for is no longer kept.
    #[error("watch: the changes after revision {after} are no longer kept, list again")]
    Compacted {
        /// The revision the watcher stood at.
        after: Revision,
    },
    /// Too many requests wait. Try again later.
    #[error("the store's queue is full")]
    Busy,
    /// The lease ended or never was.
    #[error("lease {0:x} is gone")]
    LeaseGone(LeaseId),
    /// A transaction breaks the store's limits.
    #[error("commit: {0}")]
    TooLarge(String),
    /// Another master leads; nothing was changed.
    #[error("another master leads now")]
    Deposed,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// Disk or network failed; for a commit it is unknown whether it happened.
    #[error("{attempt}")]
    Failed {
        /// What was attempted.
        attempt: String,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Wraps a failure of disk or network.
    pub fn failed(
        attempt: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Failed {
            attempt: attempt.into(),
            source: source.into(),
        }
    }
}
