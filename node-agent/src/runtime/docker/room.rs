//! The one directory on the host that a pod may write, for its socket: a small file system in
//! memory, so that a pod cannot fill the host's disk through it.

use std::os::fd::AsFd as _;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::runtime::RuntimeError;

/// What is said where there are no rooms.
pub(super) const LACKING: &str = "the agent cannot mount memory where the engine sees it (it needs root, and the engine's mount \
     namespace), so pods can fill the disk with their data directory";

/// Whether what this process mounts is seen by the engine.
pub(super) fn can(host: &str) -> bool {
    if !nix::unistd::geteuid().is_root() {
        return false;
    }
    let path = host.trim_start_matches("unix://");
    let Ok(socket) = std::os::unix::net::UnixStream::connect(path) else {
        return false;
    };
    let Ok(peer) = getsockopt(&socket.as_fd(), PeerCredentials) else {
        return false;
    };
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/mnt"));
    match (namespace(&peer.pid().to_string()), namespace("self")) {
        (Ok(engine), Ok(own)) => engine == own,
        _ => false,
    }
}

/// Makes a pod's directory a file system of its own; nothing to do when it is one.
pub(super) fn make(directory: &Path, user: Option<u32>) -> Result<(), RuntimeError> {
    if is_mounted(directory) {
        return Ok(());
    }
    let user = user.unwrap_or_else(|| nix::unistd::geteuid().as_raw());
    let options = format!("size=1m,nr_inodes=64,mode=0700,uid={user},gid={user}");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let tmpfs = Some("tmpfs");
    mount(tmpfs, directory, tmpfs, flags, Some(options.as_str())).map_err(|errno| {
        RuntimeError::io(format!("mount memory at {}", directory.display()), errno)
    })
}

/// Takes it away; nothing to do when it is not one.
pub(super) fn remove(directory: &Path) -> Result<(), RuntimeError> {
    if !is_mounted(directory) {
        return Ok(());
    }
    let flags = MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW;
    match umount2(directory, flags) {
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => Ok(()),
        Err(errno) => {
            let action = format!("unmount {}", directory.display());
            Err(RuntimeError::io(action, errno))
        }
    }
}

/// A directory on another file system than its parent's.
fn is_mounted(directory: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Path| path.symlink_metadata().map(|metadata| metadata.dev()).ok();
    let parent = directory.parent().and_then(device);
    matches!((device(directory), parent), (Some(own), Some(parent)) if own != parent)
}
