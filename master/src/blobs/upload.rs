use bytes::Bytes;
use common::digest::{Digest, Digester};

use super::{BlobError, Draft};

/// A blob being written. Nothing stays of one that is dropped unfinished.
pub struct Upload {
    digest: Digest,
    limit: u64,
    written: u64,
    digester: Digester,
    draft: Box<dyn Draft>,
}

impl Upload {
    pub(super) fn new(digest: Digest, limit: u64, draft: Box<dyn Draft>) -> Self {
        Self {
            digest,
            limit,
            written: 0,
            digester: Digester::default(),
            draft,
        }
    }

    /// Adds the next piece.
    ///
    /// # Errors
    /// When there are too many bytes, or the place fails.
    pub async fn write(&mut self, piece: Bytes) -> Result<(), BlobError> {
        self.written += piece.len() as u64;
        if self.written > self.limit {
            return Err(BlobError::TooLarge {
                digest: self.digest,
                limit: self.limit,
            });
        }
        self.digester.update(&piece);
        self.draft.write(piece).await
    }

    /// Checks the digest and gives the blob its name. It is kept when this returns.
    ///
    /// # Errors
    /// When the bytes are not the ones the name stands for, or the place fails.
    pub async fn finish(self) -> Result<(), BlobError> {
        let found = self.digester.finish();
        if found != self.digest {
            return Err(BlobError::Mismatch {
                wanted: self.digest,
                found,
            });
        }
        self.draft.finish().await
    }
}
