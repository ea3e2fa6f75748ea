use std::fs::{self, File};
use std::io::{Read as _, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use nix::fcntl::OFlag;
use tar::{Builder, EntryType, Header};

use super::unpack::check_link;
use super::{Error, Limits, Summary};

/// What goes into an archive.
#[derive(Clone, Debug)]
pub struct Packing<'a> {
    /// Directory inside the archive that everything is put beneath; empty for none.
    pub prefix: &'a str,
    /// Whether compiled Python goes in.
    pub bytecode: bool,
    /// Files of any other owner are refused: a hard link may lead to somebody else's file.
    pub owner: Option<u32>,
    /// How much it may hold.
    pub limits: Limits,
}

impl Packing<'_> {
    /// An upload: names relative to the directory, no compiled Python.
    #[must_use]
    pub fn upload(limits: Limits) -> Self {
        Self {
            prefix: "",
            bytecode: false,
            owner: None,
            limits,
        }
    }

    fn skips(&self, name: &str) -> bool {
        name == ".git" || !self.bytecode && (name == "__pycache__" || name.ends_with(".pyc"))
    }
}

/// Packs `directory` as a tar: sorted, without times and owners, with modes 0644 and 0755. Links
/// are kept when they stay inside; other files than plain ones are refused.
///
/// # Errors
/// When something cannot be read, may not go in, or is too much.
pub fn pack(directory: &Path, packing: &Packing<'_>, out: impl Write) -> Result<Summary, Error> {
    let mut packer = Packer {
        packing,
        tar: Builder::new(out),
        summary: Summary::default(),
    };
    if !packing.prefix.is_empty() {
        packer.directory(packing.prefix)?;
    }
    packer.children(directory, packing.prefix)?;
    packer
        .tar
        .finish()
        .map_err(|error| Error::io("write archive of", directory, error))?;
    Ok(packer.summary)
}

/// As [`pack`], compressed.
///
/// # Errors
/// As [`pack`].
pub fn pack_gzip(
    directory: &Path,
    packing: &Packing<'_>,
    out: impl Write,
) -> Result<Summary, Error> {
    let mut gzip = GzBuilder::new().mtime(0).write(out, Compression::default());
    let summary = pack(directory, packing, &mut gzip)?;
    gzip.finish()
        .map_err(|error| Error::io("write archive of", directory, error))?;
    Ok(summary)
}

struct Packer<'a, W: Write> {
    packing: &'a Packing<'a>,
    tar: Builder<W>,
    summary: Summary,
}

impl<W: Write> Packer<'_, W> {
    fn children(&mut self, directory: &Path, inside: &str) -> Result<(), Error> {
        let read = |error| Error::io("read directory", directory, error);
        let mut names = Vec::new();
        for entry in fs::read_dir(directory).map_err(read)? {
            let name = entry.map_err(read)?.file_name();
            let name = name
                .into_string()
                .map_err(|name| Error::refused(&name.to_string_lossy(), "the name is not UTF-8"))?;
            if !self.packing.skips(&name) {
                names.push(name);
            }
        }
        names.sort_unstable();
        for name in names {
            let path = directory.join(&name);
            let inside = if inside.is_empty() {
                name
            } else {
                format!("{inside}/{name}")
            };
            self.entry(&path, &inside)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, inside: &str) -> Result<(), Error> {
        let look = |error| Error::io("look at", path, error);
        let metadata = fs::symlink_metadata(path).map_err(look)?;
        if self
            .packing
            .owner
            .is_some_and(|owner| owner != metadata.uid())
        {
            return Err(Error::refused(inside, "it belongs to somebody else"));
        }
        let kind = metadata.file_type();
        if kind.is_dir() {
            self.directory(inside)?;
            self.children(path, inside)
        } else if kind.is_symlink() {
            let target = fs::read_link(path).map_err(look)?;
            self.link(inside, target)
        } else if kind.is_file() {
            self.file(path, inside)
        } else {
            Err(Error::refused(
                inside,
                "it is neither a file nor a directory nor a link",
            ))
        }
    }

    fn directory(&mut self, inside: &str) -> Result<(), Error> {
        self.summary.add(0, inside, &self.packing.limits)?;
        let mut header = header(EntryType::Directory, 0o755, 0);
        self.tar
            .append_data(&mut header, format!("{inside}/"), std::io::empty())
            .map_err(|error| Error::io("pack", Path::new(inside), error))
    }

    fn link(&mut self, inside: &str, target: PathBuf) -> Result<(), Error> {
        self.summary.add(0, inside, &self.packing.limits)?;
        let text = target
            .to_str()
            .ok_or_else(|| Error::refused(inside, "link is not UTF-8"))?;
        // The prefix is not the packed directory's: a link may not climb to it.
        let own = inside.strip_prefix(self.packing.prefix).unwrap_or(inside);
        check_link(own.trim_start_matches('/'), text)?;
        let mut header = header(EntryType::Symlink, 0o777, 0);
        self.tar
            .append_link(&mut header, inside, target)
            .map_err(|error| Error::io("pack", Path::new(inside), error))
    }

    fn file(&mut self, path: &Path, inside: &str) -> Result<(), Error> {
        let open = |error| Error::io("open", path, error);
        // Between the look and the open it may have become a link or a pipe.
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = File::options()
            .read(true)
            .custom_flags(flags.bits())
            .open(path)
            .map_err(open)?;
        let metadata = file.metadata().map_err(open)?;
        if !metadata.is_file() {
            return Err(Error::refused(inside, "it changed while it was packed"));
        }
        let size = metadata.len();
        self.summary.add(size, inside, &self.packing.limits)?;
        let mode = if metadata.mode() & 0o111 == 0 {
            0o644
        } else {
            0o755
        };
        let mut header = header(EntryType::Regular, mode, size);
        let mut counted = Counted {
            file: file.take(size),
            left: size,
        };
        self.tar
            .append_data(&mut header, inside, &mut counted)
            .map_err(|error| Error::io("pack", path, error))?;
        if counted.left > 0 {
            return Err(Error::refused(inside, "it changed while it was packed"));
        }
        Ok(())
    }
}

/// Notices a file that shrinks while it is read.
struct Counted {
    file: std::io::Take<File>,
    left: u64,
}

impl std::io::Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}
