use std::path::PathBuf;

use common::digest::Digest;

/// The registry does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No answer.
    #[error("{action} at the registry {registry}")]
    Unreachable {
        /// What was attempted.
        action: &'static str,
        /// Where.
        registry: String,
        /// Why.
        source: reqwest::Error,
    },
    /// It wants other credentials.
    #[error(
        "{action} at the registry {registry}: it refuses the credentials ({said}); set \
         registry-access.username and registry-access.password-file"
    )]
    Denied {
        /// What was attempted.
        action: &'static str,
        /// Where.
        registry: String,
        /// What it said.
        said: String,
    },
    /// It answers something else.
    #[error("{action} at the registry {registry}: it answers {status}: {said}")]
    Answer {
        /// What was attempted.
        action: &'static str,
        /// Where.
        registry: String,
        /// The status.
        status: u16,
        /// What it said, in part.
        said: String,
    },
    /// What it holds under a digest is something else.
    #[error("the registry {registry} gives other bytes for {digest}")]
    Forged {
        /// Where.
        registry: String,
        /// Which.
        digest: Digest,
    },
    /// A file that is to be pushed, or that a setting names.
    #[error("read {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Its certificates or the client.
    #[error("prepare the connection to the registry")]
    Tls(#[from] common::trust::Error),
    /// The client.
    #[error("prepare the connection to the registry")]
    Client(#[source] reqwest::Error),
    /// The registry that the master runs itself.
    #[error("run the registry in {directory}: {message}")]
    Own {
        /// Where.
        directory: PathBuf,
        /// Why not.
        message: String,
    },
}
