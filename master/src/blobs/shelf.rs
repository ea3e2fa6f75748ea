use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use common::digest::Digest;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::verify::verified;
use super::{BlobError, Place, Upload};

/// The blobs of a cluster. Cheap to clone.
#[derive(Clone)]
pub struct Blobs {
    place: Arc<dyn Place>,
}

/// A blob being read.
pub struct Reading {
    /// How many bytes there are.
    pub size: u64,
    /// The bytes. The last ones come only when all of them have the digest that was asked for.
    pub pieces: BoxStream<'static, Result<Bytes, BlobError>>,
}

impl Blobs {
    /// The blobs that are kept somewhere.
    pub fn new(place: impl Place + 'static) -> Self {
        Self {
            place: Arc::new(place),
        }
    }

    /// Size of a blob in bytes, or `None` when it is not there.
    ///
    /// # Errors
    /// When the place does not say.
    pub async fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        self.place.size(digest).await
    }

    /// Opens a blob for reading, or `None` when it is not there.
    ///
    /// # Errors
    /// When the place fails.
    pub async fn read(&self, digest: &Digest) -> Result<Option<Reading>, BlobError> {
        let found = self.place.read(digest).await?;
        Ok(found.map(|(size, pieces)| Reading {
            size,
            pieces: verified(*digest, pieces).boxed(),
        }))
    }

    /// A small blob as a whole.
    ///
    /// # Errors
    /// When it is not there, larger than `limit` bytes, or the place fails.
    pub async fn bytes(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, BlobError> {
        let reading = self.read(digest).await?;
        let reading = reading.ok_or(BlobError::Missing(*digest))?;
        let mut whole = Vec::new();
        let mut pieces = reading.pieces;
        while let Some(piece) = pieces.try_next().await? {
            if (whole.len() + piece.len()) as u64 > limit {
                let digest = *digest;
                return Err(BlobError::TooLarge { digest, limit });
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    /// The bytes of a blob, which is opened when the first of them is asked for.
    pub fn pieces(
        &self,
        digest: Digest,
    ) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + 'static {
        let blobs = self.clone();
        let open = async move {
            let reading = blobs.read(&digest).await.map_err(io::Error::other)?;
            let reading = reading.ok_or_else(|| io::Error::other(BlobError::Missing(digest)))?;
            Ok::<_, io::Error>(reading.pieces.map_err(io::Error::other))
        };
        futures_util::stream::once(open).try_flatten()
    }

    /// The blobs that were written longer ago than `age`.
    ///
    /// # Errors
    /// When the place does not say.
    pub async fn older_than(&self, age: Duration) -> Result<Vec<Digest>, BlobError> {
        let mut all = self.place.list().await?;
        all.retain(|(_, written)| is_old(*written, age));
        Ok(all.into_iter().map(|(digest, _)| digest).collect())
    }

    /// Notes that somebody counts on a blob that is there, so that it is as new as one just written.
    ///
    /// # Errors
    /// When the place fails.
    pub async fn touch(&self, digest: &Digest) -> Result<(), BlobError> {
        self.place.touch(digest).await
    }

    /// Removes a blob, unless somebody has counted on it within `age`; nothing to do when it is gone.
    ///
    /// # Errors
    /// When the place fails.
    pub async fn remove_older(&self, digest: &Digest, age: Duration) -> Result<(), BlobError> {
        let written = self.place.written(digest).await?;
        if !written.is_some_and(|at| is_old(at, age)) {
            return Ok(());
        }
        self.place.remove(digest).await
    }

    /// Begins to write a blob of at most `limit` bytes.
    ///
    /// # Errors
    /// When the place fails.
    pub async fn begin(&self, digest: Digest, limit: u64) -> Result<Upload, BlobError> {
        Ok(Upload::new(digest, limit, self.place.begin(&digest).await?))
    }

    /// Writes a whole blob.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn put(&self, bytes: impl Into<Bytes>) -> Result<Digest, BlobError> {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        if self.size(&digest).await?.is_some() {
            self.touch(&digest).await?;
        } else {
            let mut upload = self.begin(digest, bytes.len() as u64).await?;
            upload.write(bytes).await?;
            upload.finish().await?;
        }
        Ok(digest)
    }

    /// Removes what uploads left unfinished that will not be finished any more: at the start of the master that leads.
    ///
    /// # Errors
    /// When the place fails.
    pub async fn tidy(&self) -> Result<(), BlobError> {
        self.place.tidy().await
    }
}

/// A clock that went back makes nothing old.
fn is_old(written: SystemTime, age: Duration) -> bool {
    written.elapsed().is_ok_and(|passed| passed >= age)
}
