use std::path::Path;

use async_trait::async_trait;
use common::digest::Digest;

/// Where blobs come from and go to: the master.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Writes a blob into a file. What stands there afterwards has this digest.
    async fn get(&self, digest: Digest, file: &Path, max_bytes: u64) -> Result<u64, BlobError>;

    /// Whether a blob is there.
    async fn has(&self, digest: Digest) -> Result<bool, BlobError>;

    /// Stores a file's content under its digest.
    async fn put(&self, digest: Digest, file: &Path) -> Result<(), BlobError>;
}

/// A blob did not get from here to there.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct BlobError {
    /// What was attempted and what happened.
    pub message: String,
    /// Whether another try may succeed.
    pub transient: bool,
}

impl BlobError {
    /// One that another try may mend.
    pub fn transient(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            transient: true,
        }
    }

    /// One that stays.
    pub fn lasting(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            transient: false,
        }
    }
}
