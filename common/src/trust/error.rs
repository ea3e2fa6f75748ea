use std::io;
use std::path::{Path, PathBuf};

/// Something about keys, certificates or their files is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{action} {path}")]
    File {
        /// What was attempted.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A certificate could not be made.
    #[error("make certificate")]
    Make(#[from] rcgen::Error),
    /// Something is not what it should be.
    #[error("read {what}: {problem}")]
    Read {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The TLS library refuses the material.
    #[error("set up TLS")]
    Tls(#[from] rustls::Error),
}

impl Error {
    pub(super) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File {
            action,
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn read(what: &'static str, problem: impl ToString) -> Self {
        Self::Read {
            what,
            problem: problem.to_string(),
        }
    }
}
