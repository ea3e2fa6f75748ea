//! The Python server, carried inside this program and written out by its digest.

use std::fs;
use std::path::{Path, PathBuf};

use common::digest::Digester;
use include_dir::{Dir, DirEntry, File, include_dir};

use crate::layout::{LayoutError, PASSABLE, make_directory, remove_directory};

static SERVER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../func-base/troupe_pod");
const PACKAGE: &str = "troupe_pod";

/// Writes the server beneath `directory` unless this very version is there. Other versions stay:
/// pods of an older agent may still read them. Returns the directory to give to Python.
///
/// # Errors
/// When it cannot be written.
pub fn write(directory: &Path) -> Result<PathBuf, LayoutError> {
    let files = sources(&SERVER);
    let version = directory.join(&digest(&files)[..16]);
    let target = version.join(PACKAGE);
    if target.exists() {
        return Ok(target);
    }
    let io = |path: &Path, source| LayoutError::Io {
        action: "write",
        path: path.into(),
        source,
    };
    let partial = directory.join("partial");
    remove_directory(&partial)?;
    make_directory(&partial, PASSABLE)?;
    for file in &files {
        let path = partial.join(PACKAGE).join(file.path());
        if let Some(parent) = path.parent() {
            make_directory(parent, 0o755)?;
        }
        fs::write(&path, file.contents()).map_err(|error| io(&path, error))?;
    }
    fs::rename(&partial, &version).map_err(|error| io(&version, error))?;
    Ok(target)
}

/// The server's own files, sorted; compiled ones that happened to stand beside them are left out.
fn sources(directory: &'static Dir<'static>) -> Vec<&'static File<'static>> {
    let mut files = Vec::new();
    for entry in directory.entries() {
        match entry {
            DirEntry::Dir(inner) => files.extend(sources(inner)),
            DirEntry::File(file) if file.path().extension().is_some_and(|ext| ext == "py") => {
                files.push(file);
            }
            DirEntry::File(_) => {}
        }
    }
    files.sort_by_key(|file| file.path());
    files
}

fn digest(files: &[&File<'_>]) -> String {
    let mut digester = Digester::default();
    for file in files {
        digester.update(file.path().to_string_lossy().as_bytes());
        digester.update(&(file.contents().len() as u64).to_le_bytes());
        digester.update(file.contents());
    }
    digester.finish().hex()
}
