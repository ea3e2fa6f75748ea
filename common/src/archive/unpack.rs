use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::{Error, Limits, Summary};

/// Longest extension record: a path, or a set of PAX keys.
const MAX_EXTENSION: u64 = 64 << 10;
/// What an entry takes besides its content: header, padding, extension records.
const ENTRY_OVERHEAD: u64 = 4096;

/// Unpacks a tar beneath `directory`, which is made and must be empty. Nothing outside is touched,
/// whatever the archive holds: no absolute or climbing paths, no links that lead out, nothing
/// written through a link, no devices, no setuid bits. The content comes out with modes 0644 and
/// 0755 and belongs to the caller. After an error the directory holds a part.
///
/// # Errors
/// When the archive is broken, hostile or too big, or the disk is full.
pub fn unpack(reader: impl Read, directory: &Path, limits: Limits) -> Result<Summary, Error> {
    fs::create_dir_all(directory).map_err(|error| Error::io("create", directory, error))?;
    let most = limits
        .bytes
        .saturating_add(limits.entries.saturating_mul(ENTRY_OVERHEAD));
    let mut archive = Archive::new(reader.take(most));
    let mut unpacker = Unpacker {
        directory,
        limits,
        summary: Summary::default(),
    };
    let mut pending = Pending::default();
    for entry in archive.entries().map_err(malformed)?.raw(true) {
        let mut entry = entry.map_err(malformed)?;
        match entry.header().entry_type() {
            EntryType::GNULongName => pending.path = Some(extension_text(&mut entry)?),
            EntryType::GNULongLink => pending.link = Some(extension_text(&mut entry)?),
            EntryType::XHeader => pending.read_pax(&extension(&mut entry)?)?,
            EntryType::XGlobalHeader => {}
            _ => unpacker.entry(&mut entry, std::mem::take(&mut pending))?,
        }
    }
    // Up to the end, so that a reader that computes a digest sees all of it.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(malformed)?;
    Ok(unpacker.summary)
}

/// As [`unpack`], of a compressed archive.
///
/// # Errors
/// As [`unpack`].
pub fn unpack_gzip(reader: impl Read, directory: &Path, limits: Limits) -> Result<Summary, Error> {
    unpack(MultiGzDecoder::new(reader), directory, limits)
}

fn malformed(error: io::Error) -> Error {
    Error::Malformed(error.to_string())
}

/// What extension records say of the next entry.
#[derive(Default)]
struct Pending {
    path: Option<String>,
    link: Option<String>,
    size: Option<u64>,
}

impl Pending {
    fn read_pax(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for record in PaxExtensions::new(bytes) {
            let record = record.map_err(malformed)?;
            let key = record
                .key()
                .map_err(|error| Error::Malformed(error.to_string()))?;
            if !matches!(key, "path" | "linkpath" | "size") {
                continue;
            }
            let value = record
                .value()
                .map_err(|error| Error::Malformed(error.to_string()))?;
            match key {
                "path" => self.path = Some(value.to_owned()),
                "linkpath" => self.link = Some(value.to_owned()),
                _ => self.size = value.parse().ok(),
            }
        }
        Ok(())
    }
}

fn extension<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<u8>, Error> {
    if entry.size() > MAX_EXTENSION {
        return Err(Error::Malformed(format!(
            "an extension record of {} bytes",
            entry.size()
        )));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(malformed)?;
    Ok(bytes)
}

fn extension_text<R: Read>(entry: &mut Entry<'_, R>) -> Result<String, Error> {
    let mut bytes = extension(entry)?;
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    String::from_utf8(bytes).map_err(|_| Error::Malformed("a name is not UTF-8".into()))
}

fn own_text(bytes: &[u8]) -> Result<String, Error> {
    let text = std::str::from_utf8(bytes);
    Ok(text
        .map_err(|_| Error::Malformed("a name is not UTF-8".into()))?
        .to_owned())
}

struct Unpacker<'a> {
    directory: &'a Path,
    limits: Limits,
    summary: Summary,
}

impl Unpacker<'_> {
    fn entry<R: Read>(&mut self, entry: &mut Entry<'_, R>, said: Pending) -> Result<(), Error> {
        let name = match said.path {
            Some(path) => path,
            None => own_text(&entry.path_bytes())?,
        };
        let size = entry.header().entry_size().map_err(malformed)?;
        if said.size.is_some_and(|said| said != size) {
            return Err(Error::refused(&name, "its size is said twice, differently"));
        }
        let kind = entry.header().entry_type();
        let size = if kind == EntryType::Regular { size } else { 0 };
        self.summary.add(size, &name, &self.limits)?;
        let parts = parts(&name)?;
        let Some((last, parents)) = parts.split_last() else {
            // The directory itself, written as "./".
            return if kind == EntryType::Directory {
                Ok(())
            } else {
                Err(Error::refused(&name, "it has no name"))
            };
        };
        let parent = self.parent(&name, parents)?;
        let path = parent.join(last);
        match kind {
            EntryType::Directory => make_directory(&name, &path),
            EntryType::Regular => {
                let executable = entry.header().mode().map_err(malformed)? & 0o111 != 0;
                write_file(&name, &path, entry, size, executable)
            }
            EntryType::Symlink => {
                let target = match (said.link, entry.link_name_bytes()) {
                    (Some(link), _) => link,
                    (None, Some(bytes)) => own_text(&bytes)?,
                    (None, None) => return Err(Error::refused(&name, "the link leads nowhere")),
                };
                check_link(&parts.join("/"), &target)?;
                symlink(&target, &path).map_err(|error| taken(&name, &path, error))
            }
            other => Err(Error::refused(
                &name,
                format!(
                    "it is of type {:?}; want files, directories and links",
                    other.as_byte()
                ),
            )),
        }
    }

    /// The directory an entry goes into. Each part of the way is a real directory, never a link.
    fn parent(&self, name: &str, parents: &[&str]) -> Result<PathBuf, Error> {
        let mut path = self.directory.to_owned();
        for part in parents {
            path.push(part);
            make_directory(name, &path)?;
        }
        Ok(path)
    }
}

/// The path's parts, when it stays beneath where it starts.
fn parts(path: &str) -> Result<Vec<&str>, Error> {
    if path.starts_with('/') {
        return Err(Error::refused(path, "the path is absolute"));
    }
    if path.contains('\0') {
        return Err(Error::refused(path, "the path holds a zero byte"));
    }
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    for part in &parts {
        if *part == ".." {
            return Err(Error::refused(path, "the path climbs with '..'"));
        }
        if part.len() > 255 {
            return Err(Error::refused(path, "a name is longer than 255 bytes"));
        }
    }
    Ok(parts)
}

/// Refuses a link at `path` unless it leads to somewhere inside. `..` may only stand at the start
/// of the target: after a name it would climb from wherever another link leads.
pub(super) fn check_link(path: &str, target: &str) -> Result<(), Error> {
    let refuse = || Error::refused(path, format!("the link leads outside, to {target:?}"));
    if target.is_empty() || target.starts_with('/') || target.contains('\0') {
        return Err(refuse());
    }
    let depth = parts(path)?.len().saturating_sub(1);
    let mut climbed = 0;
    let mut named = false;
    for part in target.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part != ".." {
            named = true;
        } else if named || climbed == depth {
            return Err(refuse());
        } else {
            climbed += 1;
        }
    }
    Ok(())
}

fn make_directory(name: &str, path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(Error::refused(
            name,
            "a file or link stands where it needs a directory",
        )),
        Err(_) => {
            fs::create_dir(path).map_err(|error| taken(name, path, error))?;
            set_mode(path, 0o755)
        }
    }
}

fn write_file(
    name: &str,
    path: &Path,
    content: &mut impl Read,
    size: u64,
    executable: bool,
) -> Result<(), Error> {
    let mode = if executable { 0o755 } else { 0o644 };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|error| taken(name, path, error))?;
    let written = io::copy(content, &mut file).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            malformed(error)
        }
        _ => Error::io("write", path, error),
    })?;
    if written != size {
        return Err(Error::Malformed(format!("{name:?} is cut off")));
    }
    set_mode(path, mode)
}

/// The umask is not ours to change.
fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|error| Error::io("set mode of", path, error))
}

fn taken(name: &str, path: &Path, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::AlreadyExists {
        Error::refused(name, "it comes twice")
    } else {
        Error::io("create", path, error)
    }
}
