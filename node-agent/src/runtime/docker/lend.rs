//! Directories of the host that are put into containers that run already.
//!
//! The directory of all pods is made a mount of its own that is shared; a container's mounts from it are
//! slaves, so that what is mounted there later appears inside.

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::runtime::RuntimeError;

const NONE: Option<&str> = None;

/// Makes a directory a shared mount; nothing to do when it is one.
pub(super) fn share(directory: &Path) -> Result<(), RuntimeError> {
    let failed = |action: &str| {
        let action = format!("{action} {}", directory.display());
        move |errno: Errno| RuntimeError::io(action, errno)
    };
    if !is_mount(directory) {
        mount(Some(directory), directory, NONE, MsFlags::MS_BIND, NONE).map_err(failed("mount"))?;
    }
    mount(NONE, directory, NONE, MsFlags::MS_SHARED, NONE).map_err(failed("share"))
}

/// Puts a directory over another, read-only, without devices or rights by file.
pub(super) fn lend(source: &Path, target: &Path, aside: &Path) -> Result<(), RuntimeError> {
    let failed = |action: &str| {
        let action = format!("{action} {}", target.display());
        move |errno: Errno| RuntimeError::io(action, errno)
    };
    // What is mounted where containers see it must be read-only from the first moment: a later change
    // does not reach them.
    mount(Some(source), aside, NONE, MsFlags::MS_BIND, NONE).map_err(failed("stage for"))?;
    let flags = MsFlags::MS_BIND
        | MsFlags::MS_REMOUNT
        | MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV;
    let lent = mount(NONE, aside, NONE, flags, NONE)
        .map_err(failed("make read-only for"))
        .and_then(|()| {
            mount(Some(aside), target, NONE, MsFlags::MS_BIND, NONE).map_err(failed("mount"))
        });
    let taken_back = take_back(aside);
    lent.and(taken_back)
}

/// Takes away what was put over a directory; nothing to do when nothing was.
pub(super) fn take_back(target: &Path) -> Result<(), RuntimeError> {
    let flags = MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW;
    loop {
        match umount2(target, flags) {
            Ok(()) => {}
            // Not a mount, or not there.
            Err(Errno::EINVAL | Errno::ENOENT) => return Ok(()),
            // Not root: nothing was ever put there.
            Err(Errno::EPERM) => return Ok(()),
            Err(errno) => {
                let action = format!("unmount {}", target.display());
                return Err(RuntimeError::io(action, errno));
            }
        }
    }
}

fn is_mount(directory: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let path = directory.display().to_string();
    listed(&mounts, &path)
}

/// Blanks and backslashes are written as octal numbers.
fn listed(mounts: &str, path: &str) -> bool {
    let escaped = path
        .replace('\\', "\\134")
        .replace(' ', "\\040")
        .replace('\t', "\\011")
        .replace('\n', "\\012");
    mounts
        .lines()
        .any(|line| line.split(' ').nth(4) == Some(escaped.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_as_the_kernel_writes_them() {
        let mounts = "36 35 98:0 /m /a\\040b rw shared:1 - ext4 /dev/x rw\n";
        assert!(listed(mounts, "/a b"));
        assert!(!listed(mounts, "/a"));
    }
}
