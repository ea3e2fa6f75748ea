use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::digest::{Digest, Digester};

/// A directory of files named by their digests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs {
    directory: PathBuf,
}

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
    /// The bytes are not the ones the name stands for.
    #[error("write blob {wanted}: the bytes that came have digest {found}; send them again")]
    Mismatch {
        /// The name.
        wanted: Digest,
        /// What the bytes are.
        found: Digest,
    },
    /// Too many bytes.
    #[error("write blob {digest}: larger than {limit} bytes")]
    TooLarge {
        /// The name.
        digest: Digest,
        /// The limit.
        limit: u64,
    },
}

impl Blobs {
    /// The blobs in a directory, which is made when it is missing. What uploads left unfinished is
    /// removed.
    ///
    /// # Errors
    /// When the directory cannot be made or read.
    pub fn open(directory: &Path) -> Result<Self, BlobError> {
        let fail = |source| BlobError::Io {
            action: "open directory of",
            what: directory.display().to_string(),
            source,
        };
        fs::create_dir_all(directory).map_err(fail)?;
        for entry in fs::read_dir(directory).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if entry.file_name().to_string_lossy().starts_with("upload-") {
                fs::remove_file(entry.path()).map_err(fail)?;
            }
        }
        Ok(Self {
            directory: directory.to_owned(),
        })
    }

    /// The file of a blob, whether it is there or not.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.directory.join(format!("sha256-{}", digest.hex()))
    }

    /// Size of a blob in bytes, or `None` when it is not there.
    #[must_use]
    pub fn size(&self, digest: &Digest) -> Option<u64> {
        fs::metadata(self.path(digest))
            .ok()
            .map(|metadata| metadata.len())
    }

    /// The blobs that were written longer ago than `age`.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn older_than(&self, age: Duration) -> Result<Vec<Digest>, BlobError> {
        let fail = |source| BlobError::Io {
            action: "list",
            what: self.directory.display().to_string(),
            source,
        };
        let mut old = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_string_lossy().replacen('-', ":", 1);
            let written = entry.metadata().and_then(|metadata| metadata.modified());
            let is_old = written.is_ok_and(|at| at.elapsed().is_ok_and(|passed| passed >= age));
            if let Some(digest) = name.parse().ok().filter(|_| is_old) {
                old.push(digest);
            }
        }
        Ok(old)
    }

    /// Notes that somebody counts on a blob that is there, so that it is as new as one just written.
    pub fn touch(&self, digest: &Digest) {
        // One that is gone by now is found missing by whoever wants it.
        let _ = File::open(self.path(digest)).and_then(|file| file.set_modified(SystemTime::now()));
    }

    /// Removes a blob, unless somebody has counted on it within `age`; nothing to do when it is gone.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn remove_older(&self, digest: &Digest, age: Duration) -> Result<(), BlobError> {
        let path = self.path(digest);
        let written = fs::metadata(&path).and_then(|metadata| metadata.modified());
        if !written.is_ok_and(|at| at.elapsed().is_ok_and(|passed| passed >= age)) {
            return Ok(());
        }
        match fs::remove_file(path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(BlobError::Io {
                action: "remove",
                what: digest.to_string(),
                source,
            }),
            _ => Ok(()),
        }
    }

    /// Begins to write a blob of at most `limit` bytes.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn begin(&self, digest: Digest, limit: u64) -> Result<Upload, BlobError> {
        // Another master, which was paused while it led, may have uploads of its own in a shared directory.
        let number: u64 = rand::random();
        let partial = self.directory.join(format!("upload-{number:016x}"));
        let file = File::create(&partial).map_err(|source| BlobError::Io {
            action: "begin",
            what: digest.to_string(),
            source,
        })?;
        Ok(Upload {
            digest,
            limit,
            written: 0,
            digester: Digester::default(),
            file,
            partial,
            target: self.path(&digest),
            finished: false,
        })
    }

    /// Writes a whole blob.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, BlobError> {
        let digest = Digest::of(bytes);
        if self.size(&digest).is_some() {
            self.touch(&digest);
        } else {
            let mut upload = self.begin(digest, bytes.len() as u64)?;
            upload.write(bytes)?;
            upload.finish()?;
        }
        Ok(digest)
    }
}

/// A blob being written. Nothing stays of one that is dropped unfinished.
pub struct Upload {
    digest: Digest,
    limit: u64,
    written: u64,
    digester: Digester,
    file: File,
    partial: PathBuf,
    target: PathBuf,
    finished: bool,
}

impl Upload {
    /// Adds the next piece.
    ///
    /// # Errors
    /// When there are too many bytes, or the disk fails.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), BlobError> {
        self.written += piece.len() as u64;
        if self.written > self.limit {
            return Err(BlobError::TooLarge {
                digest: self.digest,
                limit: self.limit,
            });
        }
        self.digester.update(piece);
        self.file
            .write_all(piece)
            .map_err(|source| self.fail("write", source))
    }

    /// Checks the digest and gives the blob its name. It is on disk when this returns.
    ///
    /// # Errors
    /// When the bytes are not the ones the name stands for, or the disk fails.
    pub fn finish(mut self) -> Result<(), BlobError> {
        let found = std::mem::take(&mut self.digester).finish();
        if found != self.digest {
            return Err(BlobError::Mismatch {
                wanted: self.digest,
                found,
            });
        }
        self.file
            .sync_all()
            .map_err(|source| self.fail("sync", source))?;
        fs::rename(&self.partial, &self.target).map_err(|source| self.fail("name", source))?;
        self.finished = true;
        let parent = self.target.parent().unwrap_or_else(|| Path::new("."));
        File::open(parent)
            .and_then(|directory| directory.sync_all())
            .map_err(|source| self.fail("sync directory of", source))
    }

    fn fail(&self, action: &'static str, source: io::Error) -> BlobError {
        BlobError::Io {
            action,
            what: self.digest.to_string(),
            source,
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.finished {
            // A leftover is removed at the next start.
            let _ = fs::remove_file(&self.partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_what_its_name_says_or_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(directory.path()).unwrap();
        let digest = blobs.put(b"layer").unwrap();
        assert_eq!(blobs.size(&digest), Some(5));
        assert_eq!(blobs.older_than(Duration::ZERO).unwrap(), [digest]);
        assert_eq!(blobs.older_than(Duration::from_secs(3600)).unwrap(), []);

        let other = Digest::of(b"other");
        let mut upload = blobs.begin(other, 100).unwrap();
        upload.write(b"forged").unwrap();
        assert!(matches!(upload.finish(), Err(BlobError::Mismatch { .. })));
        let mut upload = blobs.begin(other, 3).unwrap();
        assert!(matches!(
            upload.write(b"other"),
            Err(BlobError::TooLarge { .. })
        ));
        drop(upload);
        assert_eq!(blobs.size(&other), None);
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            1,
            "leftovers"
        );
    }
}
