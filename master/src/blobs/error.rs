use std::io;
use std::path::PathBuf;

use common::digest::Digest;

/// A blob could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The file system failed.
    #[error("{action} blob {what}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which blob or directory.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// The object store failed.
    #[error("{action} blob {what} in {bucket}")]
    Bucket {
        /// What was attempted.
        action: &'static str,
        /// On which blob.
        what: String,
        /// The bucket, as `s3://BUCKET/PREFIX`.
        bucket: String,
        /// Why.
        source: Box<object_store::Error>,
    },
    /// The object store does not answer in time.
    #[error("{action} blob {what} in {bucket}: no answer within {seconds} s")]
    Late {
        /// What was attempted.
        action: &'static str,
        /// On which blob.
        what: String,
        /// The bucket.
        bucket: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The bucket cannot be used as the settings have it.
    #[error("use {bucket}: {hint}")]
    Unusable {
        /// The bucket.
        bucket: String,
        /// What to do.
        hint: String,
        /// Why.
        #[source]
        source: Option<Box<object_store::Error>>,
    },
    /// A file that the settings name.
    #[error("read {path}, which the settings of s3 name")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The connection to the object store.
    #[error("prepare the connection to the object store")]
    Tls(#[from] common::trust::Error),
    /// The client.
    #[error("prepare the connection to the object store")]
    Client(#[source] reqwest::Error),
    /// The bytes are not the ones the name stands for.
    #[error("write blob {wanted}: the bytes that came have digest {found}; send them again")]
    Mismatch {
        /// The name.
        wanted: Digest,
        /// What the bytes are.
        found: Digest,
    },
    /// What is kept is not what the name stands for any more.
    #[error(
        "read blob {wanted}: what is kept has digest {found}; remove it, and upload or build it again"
    )]
    Spoilt {
        /// The name.
        wanted: Digest,
        /// What the bytes are.
        found: Digest,
    },
    /// Too many bytes.
    #[error("handle blob {digest}: larger than {limit} bytes")]
    TooLarge {
        /// The name.
        digest: Digest,
        /// The limit.
        limit: u64,
    },
    /// It is not there.
    #[error("read blob {0}: it is not there")]
    Missing(Digest),
}
