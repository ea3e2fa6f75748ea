use common::resources::Kind;

use crate::store::StoreError;

/// An object could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// There is an object of that name.
    #[error("create {kind} {name:?}: it already exists")]
    AlreadyExists {
        /// The kind's plural.
        kind: &'static str,
        /// The object's name.
        name: String,
    },
    /// There is no such object.
    #[error("{kind} {name:?} does not exist")]
    NotFound {
        /// The kind's plural.
        kind: &'static str,
        /// The object's name.
        name: String,
    },
    /// Somebody else was faster, or the object is not the one that was meant.
    #[error("{kind} {name:?}: {why}")]
    Conflict {
        /// The kind's plural.
        kind: &'static str,
        /// The object's name.
        name: String,
        /// What does not agree.
        why: String,
    },
    /// The object is not what the kind demands.
    #[error("{kind} {name:?} is not valid: {why}")]
    Invalid {
        /// The kind's plural.
        kind: &'static str,
        /// The object's name.
        name: String,
        /// Where and what.
        why: String,
    },
    /// The namespace is missing or is being deleted.
    #[error("namespace {name:?} {why}")]
    Namespace {
        /// The namespace.
        name: String,
        /// `does not exist` or `is being deleted`.
        why: &'static str,
        /// Whether it does not exist.
        missing: bool,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ObjectError {
    /// Whether the same may succeed later: the store is away or overloaded.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::Busy | StoreError::Failed { .. })
        )
    }

    /// Whether the same can never succeed: it lies in what was asked for, not in the store or in who leads.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Store(error) => matches!(error, StoreError::TooLarge(_)),
            Self::Conflict { .. } => false,
            _ => true,
        }
    }

    pub(crate) fn conflict(kind: &Kind, name: &str, why: impl Into<String>) -> Self {
        Self::Conflict {
            kind: kind.plural,
            name: name.to_owned(),
            why: why.into(),
        }
    }

    pub(crate) fn invalid(kind: &Kind, name: &str, why: impl ToString) -> Self {
        Self::Invalid {
            kind: kind.plural,
            name: name.to_owned(),
            why: why.to_string(),
        }
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::NotFound {
            kind: kind.plural,
            name: name.to_owned(),
        }
    }

    pub(crate) fn changed(kind: &Kind, name: &str) -> Self {
        Self::conflict(
            kind,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// Whether trying again with what is there now may help.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }
}
