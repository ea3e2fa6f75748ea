//! Where things stand in the data directory.
//!
//! ```text
//! <data>/agent.lock          held while an agent runs here
//! <data>/ca.pem, node.pem    whom this node trusts, who it is (mode 0600)
//! <data>/boot                the boot after which the layers were written
//! <data>/runtime             what pods last ran as: docker or process
//! <data>/images.json         images that were brought into Docker's engine
//! <data>/bases.json          the function bases' parts
//! <data>/registry.port       where they are served to it
//! <data>/func-base/<digest>/ the Python server, as embedded in this program
//! <data>/layers/             unpacked layers by digest; not listable by pods
//! <data>/builds/<id>/        running builds
//! <data>/preinstalled/       the packages of base full, where functions need them
//! <data>/pods/<uid>/         record.json, exit.json, log, control.sock; run/http.sock, tmp/;
//!                            of one that was generic also born, function/, packages/
//! ```
//!
//! Directories on the way to what pods may use can be passed through but not listed: a pod finds
//! what it was told of, and nothing else.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

/// May be passed through, not listed, by others.
pub const PASSABLE: u32 = 0o711;
/// Ours alone.
pub const PRIVATE: u32 = 0o700;

/// The data directory could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file or directory.
    #[error("{action} {path}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Somebody else is there.
    #[error("another node-agent uses {0}; stop it, or choose another --data-dir")]
    Taken(PathBuf),
}

/// Paths in the data directory.
#[derive(Clone, Debug)]
pub struct Layout {
    data: PathBuf,
}

/// Held while an agent runs.
pub struct Lock(#[allow(dead_code)] Flock<File>);

impl Layout {
    /// Makes the directories and takes the lock.
    ///
    /// # Errors
    /// When they cannot be made, or another agent is there.
    pub fn open(data: &Path) -> Result<(Self, Lock), LayoutError> {
        make_directory(data, PASSABLE)?;
        // Mounts are known by paths without links.
        let found = fs::canonicalize(data).map_err(|source| LayoutError::Io {
            action: "find",
            path: data.to_owned(),
            source,
        })?;
        let layout = Self { data: found };
        for path in [layout.pods(), layout.layers(), layout.func_base()] {
            make_directory(&path, PASSABLE)?;
        }
        make_directory(&layout.builds(), PASSABLE)?;
        make_directory(&layout.preinstalled(), PASSABLE)?;
        let path = data.join("agent.lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|source| LayoutError::Io {
                action: "open",
                path: path.clone(),
                source,
            })?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|_| LayoutError::Taken(data.to_owned()))?;
        Ok((layout, Lock(lock)))
    }

    /// The data directory itself.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// All pods.
    #[must_use]
    pub fn pods(&self) -> PathBuf {
        self.data.join("pods")
    }

    /// One pod. `uid` has passed [`is_uid`].
    #[must_use]
    pub fn pod(&self, uid: &str) -> PathBuf {
        self.pods().join(uid)
    }

    /// The directory of a pod's socket.
    #[must_use]
    pub fn run(&self, uid: &str) -> PathBuf {
        self.pod(uid).join("run")
    }

    /// All layers.
    #[must_use]
    pub fn layers(&self) -> PathBuf {
        self.data.join("layers")
    }

    /// All running builds.
    #[must_use]
    pub fn builds(&self) -> PathBuf {
        self.data.join("builds")
    }

    /// What base full has beyond base slim.
    #[must_use]
    pub fn preinstalled(&self) -> PathBuf {
        self.data.join("preinstalled")
    }

    /// The Python server.
    #[must_use]
    pub fn func_base(&self) -> PathBuf {
        self.data.join("func-base")
    }

    /// Which images this agent brought into the engine.
    #[must_use]
    pub fn images(&self) -> PathBuf {
        self.data.join("images.json")
    }

    /// What pods last ran as.
    #[must_use]
    pub fn runtime(&self) -> PathBuf {
        self.data.join("runtime")
    }

    /// What is known of the function bases.
    #[must_use]
    pub fn bases(&self) -> PathBuf {
        self.data.join("bases.json")
    }

    /// For function bases that are being taken apart.
    #[must_use]
    pub fn bases_work(&self) -> PathBuf {
        self.data.join("bases.partial")
    }

    /// The port on which the cluster's images are served to the engine.
    #[must_use]
    pub fn registry_port(&self) -> PathBuf {
        self.data.join("registry.port")
    }

    /// The node's certificate and key.
    #[must_use]
    pub fn identity(&self) -> PathBuf {
        self.data.join("node.pem")
    }

    /// The authority's certificate.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.data.join("ca.pem")
    }
}

/// Whether a text can name a pod's or build's directory.
#[must_use]
pub fn is_uid(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Makes a directory with `mode`, or gives one that exists this mode.
///
/// # Errors
/// When it cannot be made.
pub fn make_directory(path: &Path, mode: u32) -> Result<(), LayoutError> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .map_err(|source| LayoutError::Io {
            action: "make directory",
            path: path.into(),
            source,
        })
}

/// Removes a directory with all that is in it; nothing to do when it is not there.
///
/// # Errors
/// When something in it cannot be removed.
pub fn remove_directory(path: &Path) -> Result<(), LayoutError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LayoutError::Io {
            action: "remove",
            path: path.into(),
            source: error,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_is_known_by_its_path_without_links() {
        let place = tempfile::tempdir().unwrap();
        let real = place.path().canonicalize().unwrap().join("disk");
        fs::create_dir(&real).unwrap();
        let link = place.path().join("data");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let (layout, _lock) = Layout::open(&link).unwrap();
        assert_eq!(layout.pods(), real.join("pods"));
    }
}
