use std::path::PathBuf;

/// Something cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The file cannot be read.
    #[error("read the cluster's secret in {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It can be guessed.
    #[error(
        "the cluster's secret in {path} has {found} bytes, want at least 32 random ones: openssl rand -hex 32 > FILE"
    )]
    Short {
        /// The file.
        path: PathBuf,
        /// How long it is.
        found: usize,
    },
    /// It was sealed with another secret, or changed.
    #[error("open what is sealed in {0}: the cluster has another secret, or it was tampered with")]
    Wrong(String),
    /// The key is not there.
    #[error(
        "open what is sealed in {name}: this master lacks the key {key}; restore authority/encryption-keys in its data \
         directory, or give it the --cluster-secret-file"
    )]
    UnknownKey {
        /// Where it is sealed.
        name: String,
        /// The key's id.
        key: String,
    },
    /// The keys' text is not what was written.
    #[error("read the encryption keys: {0}")]
    Keys(&'static str),
    /// The library refuses.
    #[error("seal {0}")]
    Refused(String),
}
