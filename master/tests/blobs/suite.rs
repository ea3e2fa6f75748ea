use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::digest::Digest;
use futures_util::TryStreamExt as _;
use master::blobs::{BlobError, Blobs, Place};
use tests::{eventually, runtime};

const HOUR: Duration = Duration::from_secs(3600);
/// Larger than what is sent to a bucket in one piece.
const LARGE: usize = 9 << 20;

/// Something that keeps blobs.
pub(crate) trait Subject {
    fn place(&self) -> Arc<dyn Place>;
    fn blobs(&self) -> Blobs;
    /// Puts other bytes in the place of a blob.
    fn spoil(&self, digest: &Digest, bytes: &'static [u8]);
    /// Whatever lies there, finished or not.
    fn files(&self) -> Vec<String>;
}

/// Bytes of which no two parts are the same.
fn large() -> Bytes {
    let mut bytes = vec![0; LARGE];
    for (number, place) in bytes.chunks_exact_mut(8).enumerate() {
        place.copy_from_slice(&(number as u64).to_le_bytes());
    }
    bytes.into()
}

async fn read(blobs: &Blobs, digest: &Digest) -> Result<(u64, Vec<Bytes>), BlobError> {
    let reading = blobs.read(digest).await?.unwrap();
    Ok((reading.size, reading.pieces.try_collect().await?))
}

pub(crate) fn a_blob_is_what_its_name_says_or_not_there(subject: &impl Subject) {
    let blobs = subject.blobs();
    runtime().block_on(async {
        let digest = blobs.put("layer").await.unwrap();
        assert_eq!(blobs.put("layer").await.unwrap(), digest);
        assert_eq!(blobs.size(&digest).await.unwrap(), Some(5));
        assert_eq!(blobs.bytes(&digest, 5).await.unwrap(), b"layer");
        let short = blobs.bytes(&digest, 4).await;
        assert!(
            matches!(short, Err(BlobError::TooLarge { .. })),
            "{short:?}"
        );
        let empty = blobs.put("").await.unwrap();
        assert_eq!(read(&blobs, &empty).await.unwrap().0, 0);
        blobs.remove_older(&empty, Duration::ZERO).await.unwrap();

        let other = Digest::of(b"other");
        let mut upload = blobs.begin(other, 100).await.unwrap();
        upload.write("forged".into()).await.unwrap();
        let forged = upload.finish().await;
        assert!(
            matches!(forged, Err(BlobError::Mismatch { .. })),
            "{forged:?}"
        );
        let mut upload = blobs.begin(other, 3).await.unwrap();
        let much = upload.write("other".into()).await;
        assert!(matches!(much, Err(BlobError::TooLarge { .. })), "{much:?}");
        drop(upload);
        assert_eq!(blobs.size(&other).await.unwrap(), None);
        assert!(blobs.read(&other).await.unwrap().is_none());
        let missing = blobs.bytes(&other, 5).await;
        assert!(matches!(missing, Err(BlobError::Missing(_))), "{missing:?}");
        blobs.touch(&digest).await.unwrap();
    });
    assert_eq!(subject.files().len(), 1, "{:?}", subject.files());
}

pub(crate) fn a_large_blob_is_kept_piece_by_piece(subject: &impl Subject) {
    let blobs = subject.blobs();
    let bytes = large();
    let digest = Digest::of(&bytes);
    runtime().block_on(async {
        let mut upload = blobs.begin(digest, LARGE as u64).await.unwrap();
        for piece in bytes.chunks(60_000) {
            upload.write(bytes.slice_ref(piece)).await.unwrap();
        }
        upload.finish().await.unwrap();
        let (size, pieces) = read(&blobs, &digest).await.unwrap();
        assert_eq!(size, LARGE as u64);
        assert!(pieces.len() > 1);
        assert_eq!(Digest::of(&pieces.concat()), digest);
    });
    assert_eq!(subject.files().len(), 1, "{:?}", subject.files());
}

pub(crate) fn what_was_spoilt_is_not_given_out(subject: &impl Subject) {
    let blobs = subject.blobs();
    let digest = runtime().block_on(blobs.put("true")).unwrap();
    subject.spoil(&digest, b"lies");
    runtime().block_on(async {
        let reading = blobs.read(&digest).await.unwrap().unwrap();
        let mut pieces = reading.pieces;
        let first = pieces.try_next().await;
        assert!(matches!(first, Err(BlobError::Spoilt { .. })), "{first:?}");
    });
}

pub(crate) fn an_upload_that_is_given_up_leaves_nothing(subject: &impl Subject) {
    let blobs = subject.blobs();
    let other = large().slice(1..);
    let digest = Digest::of(b"large");
    runtime().block_on(async {
        let mut upload = blobs.begin(digest, LARGE as u64).await.unwrap();
        upload.write(other.clone()).await.unwrap();
        drop(upload);
        // One that was sent to its end, and is not what it should be.
        let mut upload = blobs.begin(digest, LARGE as u64).await.unwrap();
        upload.write(other).await.unwrap();
        let forged = upload.finish().await;
        assert!(
            matches!(forged, Err(BlobError::Mismatch { .. })),
            "{forged:?}"
        );
    });
    eventually("nothing is left", || match subject.files() {
        files if files.is_empty() => Ok(()),
        files => Err(files),
    });
}

pub(crate) fn what_is_counted_on_is_as_new_as_just_written(subject: &impl Subject) {
    let (blobs, place) = (subject.blobs(), subject.place());
    let digest = runtime().block_on(blobs.put("layer")).unwrap();
    let written = || runtime().block_on(place.written(&digest)).unwrap().unwrap();
    let first = written();
    // An object store counts in seconds.
    eventually("it is newer", || {
        runtime().block_on(blobs.touch(&digest)).unwrap();
        if written() > first {
            Ok(())
        } else {
            Err(written())
        }
    });
    runtime().block_on(async {
        assert!(
            place
                .list()
                .await
                .unwrap()
                .iter()
                .any(|(_, at)| *at > first)
        );
        assert_eq!(blobs.older_than(Duration::ZERO).await.unwrap(), [digest]);
        assert_eq!(blobs.older_than(HOUR).await.unwrap(), []);
        blobs.remove_older(&digest, HOUR).await.unwrap();
        assert_eq!(blobs.size(&digest).await.unwrap(), Some(5));
        blobs.remove_older(&digest, Duration::ZERO).await.unwrap();
        assert_eq!(blobs.size(&digest).await.unwrap(), None);
        blobs.remove_older(&digest, Duration::ZERO).await.unwrap();
        assert_eq!(blobs.older_than(Duration::ZERO).await.unwrap(), []);
    });
    assert_eq!(subject.files(), Vec::<String>::new());
}
