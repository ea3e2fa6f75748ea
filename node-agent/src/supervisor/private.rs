//! Temporary directories of a task's own: it neither sees nor writes the machine's.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::fchdir;
use serde::{Deserialize, Serialize};

/// What everybody on a machine may write.
const PLACES: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];
/// As large as a container's. Larger files go where TMPDIR says.
const MEMORY: &str = "size=64m,mode=1777";

/// Temporary directories of a task's own, in memory; they go with its last process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Private {
    /// What the task sees all the same, under its own path, where it stands in one of the machine's.
    pub visible: Vec<PathBuf>,
}

/// The way back to the machine's own directories.
struct Home {
    mounts: File,
    directory: File,
}

impl Private {
    /// Starts something that has them. The rest of this process does not: it must be of one thread.
    pub(super) fn around<T>(&self, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let home = Home {
            mounts: File::open("/proc/self/ns/mnt")?,
            directory: File::open(env::current_dir()?)?,
        };
        unshare(CloneFlags::CLONE_NEWNS)?;
        let started = self.make().and_then(|()| start());
        setns(&home.mounts, CloneFlags::CLONE_NEWNS)?;
        fchdir(&home.directory)?;
        started
    }

    fn make(&self) -> io::Result<()> {
        // What is unmounted outside must not be held by this.
        let flags = MsFlags::MS_REC | MsFlags::MS_SLAVE;
        mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)?;
        let places = PLACES
            .iter()
            .filter_map(|place| fs::canonicalize(place).ok());
        let places: Vec<_> = places.filter(|place| place.is_dir()).collect();
        // All is opened before the first is covered.
        let mut shown = Vec::new();
        for path in &self.visible {
            let hidden = |path: &Path| places.iter().any(|place| path.starts_with(place));
            if let Ok(real) = fs::canonicalize(path)
                && hidden(&real)
            {
                shown.push((open(&real)?, real));
            }
        }
        for place in &places {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
            mount(Some("tmpfs"), place, Some("tmpfs"), flags, Some(MEMORY))?;
        }
        for (file, path) in &shown {
            let place = match (file.metadata()?.is_dir(), path.parent()) {
                (true, _) => fs::create_dir_all(path),
                (false, parent) => parent
                    .map_or(Ok(()), fs::create_dir_all)
                    .and_then(|()| File::create(path).map(drop)),
            };
            place.and_then(|()| bind(file, path))?;
        }
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlag::O_PATH.bits());
    options.open(path)
}

fn bind(file: &File, place: &Path) -> io::Result<()> {
    let source = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(
        Some(source.as_str()),
        place,
        None::<&str>,
        flags,
        None::<&str>,
    )?;
    Ok(())
}

/// Whether this process may give tasks directories of their own.
#[must_use]
pub fn may_be_private() -> bool {
    const ADMINISTRATOR: u64 = 1 << 21;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let capabilities = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    capabilities.is_some_and(|all| all & ADMINISTRATOR != 0)
}
