use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::disk::{self, Disk};
use crate::layout::{LayoutError, PASSABLE, make_directory, remove_directory};

/// Where a build's parts are.
pub(super) struct Place {
    root: PathBuf,
    /// Whom its steps run as.
    pub(super) user: Option<u32>,
    deadline: Instant,
    disk: Option<Disk>,
}

impl Place {
    pub(super) fn new(root: PathBuf, user: Option<u32>, deadline: Instant) -> Self {
        Self {
            root,
            user,
            deadline,
            disk: None,
        }
    }

    /// Makes its directories: what the build writes is on a disk of `bytes`.
    pub(super) async fn make(&mut self, bytes: u64) -> Result<(), LayoutError> {
        clear(&self.root)?;
        make_directory(&self.root, PASSABLE)?;
        let (build, image) = (self.build(), self.root.join("disk"));
        let root = self.user.is_some();
        self.disk = Some(Disk::make(&build, &image, bytes, root).await?);
        Ok(())
    }

    /// Ours alone.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// What steps see and may write.
    pub(super) fn build(&self) -> PathBuf {
        self.root.join("build")
    }

    /// The user's files and the requirements.
    pub(super) fn function(&self) -> PathBuf {
        self.build().join("function")
    }

    /// What was built, packed.
    pub(super) fn tar(&self) -> PathBuf {
        self.root.join("layer.tar")
    }

    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    pub(super) fn is_full(&self) -> bool {
        self.disk.as_ref().is_some_and(Disk::is_full)
    }

    /// Memory that its files take beside that of the steps.
    pub(super) fn memory_bytes(&self, bytes: u64) -> u64 {
        self.disk
            .as_ref()
            .map_or(0, |disk| disk.memory_bytes(bytes))
    }

    /// Removes all of it.
    pub(super) fn remove(mut self) -> Result<(), LayoutError> {
        drop(self.disk.take());
        clear(&self.root)
    }
}

/// Removes a build's directory, also one that a killed agent left.
///
/// # Errors
/// When something in it cannot be removed.
pub fn clear(root: &Path) -> Result<(), LayoutError> {
    disk::release(&root.join("build"));
    remove_directory(root)
}
