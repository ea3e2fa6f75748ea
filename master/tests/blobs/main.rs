//! Sources and layers in a directory and in a bucket of a real object store (moto's, which the suite's runner
//! installs): the same suite for both, and what only a bucket can do, such as being away.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test"
)]

mod bucket;
mod suite;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::digest::Digest;
use common::trust::install_crypto;
use master::blobs::{Blobs, Bucket, BucketTarget, Directory, Place, S3Settings};
use tests::S3;

use self::suite::Subject;

struct InDirectory(tempfile::TempDir);

impl InDirectory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("blobs")
    }
}

impl Subject for InDirectory {
    fn place(&self) -> Arc<dyn Place> {
        Arc::new(Directory::open(&self.path()).unwrap())
    }

    fn blobs(&self) -> Blobs {
        Blobs::new(Directory::open(&self.path()).unwrap())
    }

    fn spoil(&self, digest: &Digest, bytes: &'static [u8]) {
        std::fs::write(self.path().join(file_name(digest)), bytes).unwrap();
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.unwrap().file_name().into_string().unwrap()
        };
        entries.map(name).collect()
    }
}

struct InBucket(S3);

impl InBucket {
    fn new() -> Self {
        Self(S3::start())
    }

    fn target(&self, blobs: &str) -> BucketTarget {
        install_crypto();
        target(&self.0.endpoint(), blobs, &self.0.credentials_file())
    }

    fn open(&self) -> Bucket {
        Bucket::open(&self.target(&self.0.url("a/b"))).unwrap()
    }
}

impl Subject for InBucket {
    fn place(&self) -> Arc<dyn Place> {
        Arc::new(self.open())
    }

    fn blobs(&self) -> Blobs {
        Blobs::new(self.open())
    }

    fn spoil(&self, digest: &Digest, bytes: &'static [u8]) {
        self.0.spoil(&format!("a/b/{}", file_name(digest)), bytes);
    }

    fn files(&self) -> Vec<String> {
        // A mark that says when a blob was touched is no blob.
        let objects = self
            .0
            .objects()
            .into_iter()
            .filter(|name| !name.contains("/touched/"));
        objects.chain(self.0.uploads()).collect()
    }
}

fn target(endpoint: &str, blobs: &str, credentials: &Path) -> BucketTarget {
    let settings = S3Settings {
        endpoint: endpoint.to_owned(),
        credentials_file: credentials.to_owned(),
        ..S3Settings::default()
    };
    settings.target(blobs).unwrap().unwrap()
}

fn file_name(digest: &Digest) -> String {
    format!("sha256-{}", digest.hex())
}

macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        mod directory {
            $(#[test] fn $name() { crate::suite::$name(&crate::InDirectory::new()); })*
        }
        mod object_store {
            $(#[test] fn $name() { crate::suite::$name(&crate::InBucket::new()); })*
        }
    };
}

suite!(
    a_blob_is_what_its_name_says_or_not_there,
    a_large_blob_is_kept_piece_by_piece,
    what_was_spoilt_is_not_given_out,
    an_upload_that_is_given_up_leaves_nothing,
    what_is_counted_on_is_as_new_as_just_written,
);
