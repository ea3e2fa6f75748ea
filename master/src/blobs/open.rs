use std::path::Path;

use super::{BlobError, Blobs, Bucket, BucketTarget, Directory};

/// The blobs in a bucket, or else in a directory. Looks whether they can be used.
///
/// # Errors
/// When they cannot.
pub async fn open(bucket: Option<&BucketTarget>, directory: &Path) -> Result<Blobs, BlobError> {
    match bucket {
        Some(target) => {
            let bucket = Bucket::open(target)?;
            bucket.check().await?;
            Ok(Blobs::new(bucket))
        }
        None => Ok(Blobs::new(Directory::open(directory)?)),
    }
}
