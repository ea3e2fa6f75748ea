use std::io;
use std::path::Path;

/// An archive was not made or not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The archive holds what none may hold.
    #[error("entry {path:?}: {problem}")]
    Refused {
        /// The entry.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// More than is allowed.
    #[error("too big: {problem} (at {path:?})")]
    Limit {
        /// The entry at which it was noticed.
        path: String,
        /// Which limit.
        problem: String,
    },
    /// Not an archive, or cut off.
    #[error("not a complete archive: {0}")]
    Malformed(String),
    /// The disk.
    #[error("{action} {path}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// With which file.
        path: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl Error {
    pub(super) fn refused(path: &str, problem: impl Into<String>) -> Self {
        Self::Refused {
            path: shorten(path),
            problem: problem.into(),
        }
    }

    pub(super) fn limit(path: &str, problem: String) -> Self {
        Self::Limit {
            path: shorten(path),
            problem,
        }
    }

    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.display().to_string(),
            source,
        }
    }
}

fn shorten(path: &str) -> String {
    path.chars().take(200).collect()
}
