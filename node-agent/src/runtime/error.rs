use std::io;

use crate::bases::SavedError;
use crate::layout::LayoutError;

/// A runtime could not do something. The text is for people and ends up at the pod.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The system.
    #[error("{action}")]
    Io {
        /// What was attempted.
        action: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A directory.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Docker's engine.
    #[error("{action}")]
    Docker {
        /// What was attempted.
        action: &'static str,
        /// What the engine says.
        #[source]
        source: Box<bollard::errors::Error>,
    },
    /// An image did not come.
    #[error("pull {reference}, tried {tries} times")]
    Pull {
        /// Which.
        reference: String,
        /// How often.
        tries: u32,
        /// What the engine said last.
        #[source]
        source: Box<bollard::errors::Error>,
    },
    /// An image that was saved.
    #[error(transparent)]
    Saved(#[from] SavedError),
    /// It cannot be done as things are.
    #[error("{0}")]
    Refused(String),
}

impl RuntimeError {
    pub(crate) fn io(action: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Io {
            action: action.into(),
            source: source.into(),
        }
    }

    pub(crate) fn docker(action: &'static str) -> impl FnOnce(bollard::errors::Error) -> Self {
        move |source| Self::Docker {
            action,
            source: Box::new(source),
        }
    }
}
