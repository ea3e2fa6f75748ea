use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use common::digest::Digest;
use futures_util::stream::BoxStream;

use super::BlobError;

/// Keeps bytes under the digests that it is told. Every call ends, in success or not.
#[async_trait]
pub trait Place: Send + Sync {
    /// Size of a blob in bytes, or `None` when it is not there.
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError>;

    /// Size and bytes of a blob, or `None` when it is not there.
    async fn read(
        &self,
        digest: &Digest,
    ) -> Result<Option<(u64, BoxStream<'static, Result<Bytes, BlobError>>)>, BlobError>;

    /// When somebody last wrote or touched a blob, or `None` when it is not there.
    async fn written(&self, digest: &Digest) -> Result<Option<SystemTime>, BlobError>;

    /// All blobs, each with when somebody last wrote or touched it.
    async fn list(&self) -> Result<Vec<(Digest, SystemTime)>, BlobError>;

    /// Notes that a blob that is there is as new as one just written.
    async fn touch(&self, digest: &Digest) -> Result<(), BlobError>;

    /// Removes a blob; nothing to do when it is gone.
    async fn remove(&self, digest: &Digest) -> Result<(), BlobError>;

    /// Begins to write a blob.
    async fn begin(&self, digest: &Digest) -> Result<Box<dyn Draft>, BlobError>;

    /// Removes what uploads left unfinished that will not be finished any more.
    async fn tidy(&self) -> Result<(), BlobError>;
}

/// A blob being written. Nothing stays of one that is dropped unfinished.
#[async_trait]
pub trait Draft: Send {
    /// Adds the next piece.
    async fn write(&mut self, piece: Bytes) -> Result<(), BlobError>;

    /// Gives the blob its name. It is kept when this returns.
    async fn finish(self: Box<Self>) -> Result<(), BlobError>;
}
