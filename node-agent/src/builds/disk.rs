use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::statvfs;
use tokio::process::Command;

use crate::layout::{LayoutError, make_directory};

/// Less than this is no disk to speak of.
const FULL_BYTES: u64 = 64 << 10;
const HELPERS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The file system that one build writes to, of a size of its own: a loop file, or memory where
/// there are no loop devices. Only root can make one; without it there is a plain directory.
pub(super) struct Disk {
    place: PathBuf,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Loop,
    Memory,
    Plain,
}

impl Disk {
    /// Makes `place`, a directory of so many bytes. `image` is where the loop file may stand.
    pub(super) async fn make(
        place: &Path,
        image: &Path,
        bytes: u64,
        root: bool,
    ) -> Result<Self, LayoutError> {
        make_directory(place, 0o755)?;
        let kind = if !root {
            Kind::Plain
        } else if loop_file(place, image, bytes).await.is_some() {
            Kind::Loop
        } else if memory(place, bytes).is_ok() {
            Kind::Memory
        } else {
            tracing::warn!("no disk of its own for the build: neither loop devices nor tmpfs");
            Kind::Plain
        };
        tracing::debug!(?kind, "disk of the build");
        make_directory(place, 0o755)?;
        Ok(Self {
            place: place.to_owned(),
            kind,
        })
    }

    /// Memory that its files take.
    pub(super) fn memory_bytes(&self, bytes: u64) -> u64 {
        if self.kind == Kind::Memory { bytes } else { 0 }
    }

    /// Whether nothing can be written to it any more.
    pub(super) fn is_full(&self) -> bool {
        self.kind != Kind::Plain
            && statvfs(&self.place).is_ok_and(|stat| {
                let free = stat.blocks_available().saturating_mul(stat.fragment_size());
                free < FULL_BYTES || stat.files_free() == 0
            })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.kind != Kind::Plain {
            release(&self.place);
        }
    }
}

/// Takes away the file system that a build of an earlier agent may have left at its directory.
pub(super) fn release(place: &Path) {
    // Nothing is mounted there, usually.
    let _ = umount2(place, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW);
}

async fn loop_file(place: &Path, image: &Path, bytes: u64) -> Option<()> {
    File::create(image)
        .and_then(|file| file.set_len(bytes))
        .ok()?;
    let options = [
        "-q",
        "-F",
        "-m",
        "0",
        "-O",
        "^has_journal",
        "-E",
        "nodiscard",
    ];
    helper("mkfs.ext4", options.map(OsStr::new), [image.as_os_str()]).await?;
    let options = ["-o", "loop,nosuid,nodev"].map(OsStr::new);
    helper("mount", options, [image.as_os_str(), place.as_os_str()]).await?;
    // The mount has it open; so it goes with the mount, whatever happens to the agent.
    let _ = std::fs::remove_file(image);
    Some(())
}

async fn helper<const N: usize, const M: usize>(
    program: &str,
    options: [&OsStr; N],
    paths: [&OsStr; M],
) -> Option<()> {
    let mut command = Command::new(program);
    command
        .args(options)
        .args(paths)
        .env("PATH", HELPERS)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let status = command.status().await.ok()?;
    status.success().then_some(())
}

fn memory(place: &Path, bytes: u64) -> nix::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let options = format!("size={bytes},mode=755");
    mount(
        Some("tmpfs"),
        place,
        Some("tmpfs"),
        flags,
        Some(options.as_str()),
    )
}
