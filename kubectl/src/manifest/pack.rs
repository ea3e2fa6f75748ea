//! A directory of code as the archive that is uploaded.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::{Path, PathBuf};

use common::archive::{self, Limits, Packing};

/// What a function's directory may hold.
const LIMITS: Limits = Limits {
    bytes: 50_000_000,
    entries: 10_000,
    path: 1024,
};

/// The directory cannot be uploaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Something in it cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds too much, or something that cannot be packed.
    #[error("cannot be uploaded: {}{}", .0, .0.source().map(|s| format!(": {s}")).unwrap_or_default())]
    Archive(#[from] archive::Error),
}

/// The plain files below `directory`, by their names in the archive. Stops soon after the limit,
/// which [`pack`] reports.
///
/// # Errors
/// When something cannot be read.
pub(super) fn list(directory: &Path) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![(directory.to_owned(), String::new())];
    while let Some((directory, prefix)) = waiting.pop() {
        let fail = |source| Error::Read {
            path: directory.clone(),
            source,
        };
        for entry in std::fs::read_dir(&directory).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == ".git" || name == "__pycache__" || name.ends_with(".pyc") {
                continue;
            }
            let inside = format!("{prefix}{name}");
            if entry.file_type().map_err(fail)?.is_dir() {
                waiting.push((entry.path(), format!("{inside}/")));
            } else if entry.path().is_file() {
                files.insert(inside, entry.path());
            }
            if files.len() as u64 > LIMITS.entries {
                return Ok(files);
            }
        }
    }
    Ok(files)
}

/// Packs `directory`: the same content gives the same bytes.
///
/// # Errors
/// When it holds more than 50 MB or 10,000 files, links that lead out of it, or what cannot be read.
pub(super) fn pack(directory: &Path) -> Result<Vec<u8>, Error> {
    let mut archive = Vec::new();
    archive::pack_gzip(directory, &Packing::upload(LIMITS), &mut archive)?;
    Ok(archive)
}

/// Copies `files` into `directory` under their names, to be packed from there.
///
/// # Errors
/// When one cannot be read.
pub(super) fn stage(files: &BTreeMap<String, PathBuf>, directory: &Path) -> Result<(), Error> {
    for (name, path) in files {
        let copied =
            std::fs::read(path).and_then(|bytes| std::fs::write(directory.join(name), bytes));
        copied.map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        let make = |names: [&str; 2]| {
            let dir = tempfile::tempdir().unwrap();
            for name in names {
                std::fs::write(dir.path().join(name), name).unwrap();
            }
            std::fs::create_dir(dir.path().join("__pycache__")).unwrap();
            std::fs::write(dir.path().join("__pycache__/x.pyc"), format!("{names:?}")).unwrap();
            pack(dir.path()).unwrap()
        };
        assert_eq!(make(["a", "b"]), make(["b", "a"]));
    }

    #[test]
    fn too_much_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(dir.path().join("big")).unwrap();
        file.set_len(50_000_001).unwrap();
        let text = pack(dir.path()).unwrap_err().to_string();
        assert!(text.contains("more than 50000000 bytes"), "{text}");
    }

    #[test]
    fn a_link_that_leads_out_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).unwrap();
        assert!(pack(dir.path()).unwrap_err().to_string().contains("link"));
    }
}
