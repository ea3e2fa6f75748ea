//! Connecting to a Unix socket that hostile code may have replaced.
//!
//! A pod owns the directory its socket stands in and may put a link to any other socket of the
//! machine there, Docker's for one; `connect` would follow it. Here the file is opened without
//! following a link, looked at, and connected to through the descriptor, so that what was checked
//! is what is spoken to.

use std::io;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, SFlag, fstat};
use tokio::net::UnixStream;

/// A socket was not connected to. No byte was sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing, or nobody listens.
    #[error("connect to {path}")]
    Absent {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something else stands there: somebody tries to lead us astray.
    #[error("refuse to connect to {path}: {problem}")]
    Refused {
        /// The path.
        path: PathBuf,
        /// What stands there instead.
        problem: String,
    },
}

/// Connects to the socket `name` in `directory` when it is a socket and its owner is in one of `owners`
/// (ranges of user ids).
/// Neither `directory` nor `name` is followed when it is a link; what leads to `directory` must be
/// trusted.
///
/// # Errors
/// [`Error::Absent`] when nobody listens, [`Error::Refused`] when it is not what it should be.
pub async fn connect(
    directory: &Path,
    name: &str,
    owners: &[RangeInclusive<u32>],
) -> Result<UnixStream, Error> {
    let socket = open_socket(directory, name, owners)?;
    // The kernel resolves this to the very file that is open.
    let through = format!("/proc/self/fd/{}", socket.as_raw_fd());
    let connected = UnixStream::connect(&through).await;
    connected.map_err(|source| Error::Absent {
        path: directory.join(name),
        source,
    })
}

fn open_socket(
    directory: &Path,
    name: &str,
    owners: &[RangeInclusive<u32>],
) -> Result<OwnedFd, Error> {
    let path = directory.join(name);
    let refuse = |problem: String| Error::Refused {
        path: path.clone(),
        problem,
    };
    let absent = |errno| match errno {
        nix::errno::Errno::ELOOP | nix::errno::Errno::ENOTDIR => {
            refuse("its directory is a link or a file".into())
        }
        errno => Error::Absent {
            path: path.clone(),
            source: io::Error::from(errno),
        },
    };
    if name.is_empty() || name.contains('/') || name == ".." || name == "." {
        return Err(refuse("its name is not a plain one".into()));
    }
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let parent = open(directory, flags | OFlag::O_DIRECTORY, Mode::empty()).map_err(absent)?;
    let file = openat(parent.as_fd(), name, flags, Mode::empty()).map_err(absent)?;
    let stat = fstat(file.as_fd()).map_err(absent)?;
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    if kind != SFlag::S_IFSOCK {
        let what = if kind == SFlag::S_IFLNK {
            "a link"
        } else {
            "no socket"
        };
        return Err(refuse(format!("found {what}")));
    }
    if !owners.iter().any(|range| range.contains(&stat.st_uid)) {
        return Err(refuse(format!(
            "it belongs to user {}, want {owners:?}",
            stat.st_uid
        )));
    }
    Ok(file)
}

#[cfg(test)]
mod tests;
