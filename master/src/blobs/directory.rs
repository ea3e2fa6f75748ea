use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use common::digest::Digest;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{BlobError, Draft, Place};

/// Bytes read from disk at once.
const PIECE: usize = 256 << 10;
/// What files begin with that are not finished.
const PARTIAL: &str = "upload-";

/// A directory of files named by their digests.
#[derive(Clone, Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// The blobs in a directory, which is made when it is missing.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(directory: &Path) -> Result<Self, BlobError> {
        std::fs::create_dir_all(directory).map_err(|source| BlobError::Io {
            action: "open directory of",
            what: directory.display().to_string(),
            source,
        })?;
        Ok(Self(directory.to_owned()))
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.0.join(format!("sha256-{}", digest.hex()))
    }

    fn fail(&self, action: &'static str, source: io::Error) -> BlobError {
        BlobError::Io {
            action,
            what: self.0.display().to_string(),
            source,
        }
    }

    async fn entries(&self, action: &'static str) -> Result<Vec<fs::DirEntry>, BlobError> {
        let fail = |source| self.fail(action, source);
        let mut directory = fs::read_dir(&self.0).await.map_err(fail)?;
        let mut entries = Vec::new();
        while let Some(entry) = directory.next_entry().await.map_err(fail)? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

fn failed(action: &'static str, digest: &Digest, source: io::Error) -> BlobError {
    BlobError::Io {
        action,
        what: digest.to_string(),
        source,
    }
}

/// What is not there is no failure.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[async_trait]
impl Place for Directory {
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        let metadata = found(fs::metadata(self.path(digest)).await);
        let metadata = metadata.map_err(|source| failed("look for", digest, source))?;
        Ok(metadata.map(|metadata| metadata.len()))
    }

    async fn read(
        &self,
        digest: &Digest,
    ) -> Result<Option<(u64, BoxStream<'static, Result<Bytes, BlobError>>)>, BlobError> {
        let digest = *digest;
        let fail = move |source| failed("read", &digest, source);
        let Some(file) = found(File::open(self.path(&digest)).await).map_err(fail)? else {
            return Ok(None);
        };
        let size = file.metadata().await.map_err(fail)?.len();
        let pieces = futures_util::stream::try_unfold(file, move |mut file| async move {
            let mut piece = Vec::with_capacity(PIECE);
            let mut limited = (&mut file).take(PIECE as u64);
            let read = limited.read_to_end(&mut piece).await.map_err(fail)?;
            Ok((read > 0).then(|| (Bytes::from(piece), file)))
        });
        Ok(Some((size, pieces.boxed())))
    }

    async fn written(&self, digest: &Digest) -> Result<Option<SystemTime>, BlobError> {
        let fail = |source| failed("look for", digest, source);
        let metadata = found(fs::metadata(self.path(digest)).await).map_err(fail)?;
        let at = metadata.map(|metadata| metadata.modified());
        at.transpose().map_err(fail)
    }

    async fn list(&self) -> Result<Vec<(Digest, SystemTime)>, BlobError> {
        let mut all = Vec::new();
        for entry in self.entries("list").await? {
            let name = entry.file_name().to_string_lossy().replacen('-', ":", 1);
            let metadata = entry.metadata().await;
            // One that is gone by now is not there.
            let written = metadata.and_then(|metadata| metadata.modified());
            if let (Ok(digest), Ok(written)) = (name.parse(), written) {
                all.push((digest, written));
            }
        }
        Ok(all)
    }

    async fn touch(&self, digest: &Digest) -> Result<(), BlobError> {
        let fail = |source| failed("touch", digest, source);
        // One that is gone by now is found missing by whoever wants it.
        let Some(file) = found(File::open(self.path(digest)).await).map_err(fail)? else {
            return Ok(());
        };
        let file = file.into_std().await;
        file.set_modified(SystemTime::now()).map_err(fail)
    }

    async fn remove(&self, digest: &Digest) -> Result<(), BlobError> {
        let removed = found(fs::remove_file(self.path(digest)).await);
        removed.map_err(|source| failed("remove", digest, source))?;
        Ok(())
    }

    async fn begin(&self, digest: &Digest) -> Result<Box<dyn Draft>, BlobError> {
        // Another master, which was paused while it led, may have uploads of its own in a shared directory.
        let number: u64 = rand::random();
        let partial = self.0.join(format!("{PARTIAL}{number:016x}"));
        let file = File::create(&partial).await;
        Ok(Box::new(Partial {
            digest: *digest,
            file: file.map_err(|source| failed("begin", digest, source))?,
            partial,
            target: self.path(digest),
            finished: false,
        }))
    }

    async fn tidy(&self) -> Result<(), BlobError> {
        for entry in self.entries("tidy directory of").await? {
            if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
                let removed = found(fs::remove_file(entry.path()).await);
                removed.map_err(|source| self.fail("tidy directory of", source))?;
            }
        }
        Ok(())
    }
}

struct Partial {
    digest: Digest,
    file: File,
    partial: PathBuf,
    target: PathBuf,
    finished: bool,
}

#[async_trait]
impl Draft for Partial {
    async fn write(&mut self, piece: Bytes) -> Result<(), BlobError> {
        let written = self.file.write_all(&piece).await;
        written.map_err(|source| failed("write", &self.digest, source))
    }

    async fn finish(mut self: Box<Self>) -> Result<(), BlobError> {
        let digest = self.digest;
        let fail = |action| move |source| failed(action, &digest, source);
        self.file.flush().await.map_err(fail("write"))?;
        self.file.sync_all().await.map_err(fail("sync"))?;
        let named = fs::rename(&self.partial, &self.target).await;
        named.map_err(fail("name"))?;
        self.finished = true;
        let parent = self.target.parent().unwrap_or_else(|| Path::new("."));
        let directory = File::open(parent)
            .await
            .map_err(fail("sync directory of"))?;
        let synced = directory.sync_all().await;
        synced.map_err(fail("sync directory of"))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.finished {
            // A leftover is removed at the next start.
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}
