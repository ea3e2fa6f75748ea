use std::collections::HashMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::archive::{self, Limits};
use common::digest::Digest;
use common::link::LayerToKeep;
use parking_lot::Mutex;

use super::blobs::{BlobError, Blobs};
use super::shelf::Shelf;
use crate::chain::chain;
use crate::layout::{LayoutError, PRIVATE, make_directory, remove_directory};

/// What the store needs to know.
#[derive(Clone, Debug)]
pub struct LayersOptions {
    /// Where layers stand.
    pub directory: PathBuf,
    /// Disk for all of them.
    pub budget: u64,
    /// Largest layer once unpacked.
    pub max_bytes: u64,
    /// This boot of the machine: what was written before a loss of power is not trusted.
    pub boot_id: String,
}

/// The layers on this node.
pub struct Layers {
    options: LayersOptions,
    blobs: Arc<dyn Blobs>,
    shelf: Arc<Mutex<Shelf>>,
    /// Layers being fetched, so that one fetch serves all who want the same.
    fetching: Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>,
    count: AtomicU64,
}

/// A layer cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// It did not come.
    #[error("fetch layer {digest}")]
    Fetch {
        /// Which.
        digest: Digest,
        /// Why.
        #[source]
        source: BlobError,
    },
    /// It came but is not what a layer should be.
    #[error("unpack layer {digest}")]
    Unpack {
        /// Which.
        digest: Digest,
        /// Why.
        #[source]
        source: archive::Error,
    },
    /// The disk.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// A layer on the disk. It stays there as long as somebody has one of these.
#[derive(Clone)]
pub struct Layer(Arc<Held>);

struct Held {
    digest: Digest,
    path: PathBuf,
    shelf: Arc<Mutex<Shelf>>,
}

impl Layer {
    /// The directory with the user's files.
    #[must_use]
    pub fn function(&self) -> PathBuf {
        self.0.path.join("function")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shelf.lock().let_go(self.digest);
    }
}

const MARK: &str = ".boot";
const PARTIAL: &str = "partial-";

impl Layers {
    /// Finds what stands there already.
    ///
    /// # Errors
    /// When the directory cannot be read or cleaned.
    pub fn open(options: LayersOptions, blobs: Arc<dyn Blobs>) -> Result<Self, LayoutError> {
        let mark = options.directory.join(MARK);
        let same_boot = fs::read_to_string(&mark).is_ok_and(|boot| boot == options.boot_id);
        let mut shelf = Shelf::default();
        for entry in fs::read_dir(&options.directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            match digest_of(&name).filter(|_| same_boot) {
                Some(digest) => shelf.add(digest, size(&entry.path())),
                None if entry.path().is_dir() => remove_directory(&entry.path())?,
                None => {}
            }
        }
        let write = |source| LayoutError::Io {
            action: "write",
            path: mark.clone(),
            source,
        };
        fs::write(&mark, &options.boot_id).map_err(write)?;
        let shelf = Arc::new(Mutex::new(shelf));
        Ok(Self {
            options,
            blobs,
            shelf,
            fetching: Mutex::default(),
            count: AtomicU64::new(0),
        })
    }

    /// A layer that stands there already.
    #[must_use]
    pub fn hold(&self, digest: Digest) -> Option<Layer> {
        self.shelf.lock().hold(digest).then(|| {
            let shelf = Arc::clone(&self.shelf);
            Layer(Arc::new(Held {
                digest,
                path: self.path(digest),
                shelf,
            }))
        })
    }

    /// Whether a layer stands there. It may go as soon as nobody holds it.
    #[must_use]
    pub fn has(&self, digest: Digest) -> bool {
        self.shelf.lock().has(digest)
    }

    /// A layer, fetched from the master when it is not there. `size` is its tar's.
    ///
    /// # Errors
    /// When it cannot be fetched, verified or unpacked.
    pub async fn get(&self, digest: Digest, size: u64) -> Result<Layer, LayerError> {
        if let Some(layer) = self.hold(digest) {
            return Ok(layer);
        }
        let turn = Arc::clone(self.fetching.lock().entry(digest).or_default());
        let _turn = turn.lock().await;
        let result = match self.hold(digest) {
            Some(layer) => Ok(layer),
            None => self.fetch(digest, size).await,
        };
        self.fetching.lock().remove(&digest);
        result
    }

    async fn fetch(&self, digest: Digest, size: u64) -> Result<Layer, LayerError> {
        let partial = self.partial()?;
        let file = partial.join("layer.tar");
        // A tar is larger than its content by headers and padding.
        let most = size.max(1).min(self.options.max_bytes.saturating_mul(2));
        let got = self.blobs.get(digest, &file, most).await;
        let layer = match got {
            Ok(_) => self.unpack(digest, partial.clone(), file).await,
            Err(source) => Err(LayerError::Fetch { digest, source }),
        };
        remove_directory(&partial)?;
        layer
    }

    /// Takes in a layer that was made here, for calls that may come. The tar has been verified.
    ///
    /// # Errors
    /// When it cannot be unpacked.
    pub async fn put(&self, digest: Digest, tar: &Path) -> Result<(), LayerError> {
        if self.has(digest) {
            return Ok(());
        }
        let partial = self.partial()?;
        let layer = self.unpack(digest, partial.clone(), tar.to_owned()).await;
        remove_directory(&partial)?;
        drop(layer?);
        self.shelf.lock().is_ahead(digest);
        Ok(())
    }

    fn partial(&self) -> Result<PathBuf, LayoutError> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let path = self.options.directory.join(format!("{PARTIAL}{number}"));
        make_directory(&path, PRIVATE)?;
        Ok(path)
    }

    async fn unpack(
        &self,
        digest: Digest,
        partial: PathBuf,
        tar: PathBuf,
    ) -> Result<Layer, LayerError> {
        let limits = Limits::bytes(self.options.max_bytes);
        let target = self.path(digest);
        let shelf = Arc::clone(&self.shelf);
        let unpacked = tokio::task::spawn_blocking(move || {
            let content = partial.join("content");
            let failed = |source| LayerError::Unpack { digest, source };
            let file = File::open(&tar).map_err(|source| LayoutError::Io {
                action: "open",
                path: tar,
                source,
            })?;
            make_directory(&content, 0o755)?;
            let summary =
                archive::unpack(std::io::BufReader::new(file), &content, limits).map_err(failed)?;
            let io = |source| LayoutError::Io {
                action: "rename",
                path: target.clone(),
                source,
            };
            let mut shelf = shelf.lock();
            // Else somebody was faster with the same.
            if !shelf.has(digest) {
                // What is there without being on the shelf may not be whole.
                match fs::rename(&target, partial.join("left")) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(io(error).into());
                    }
                    _ => {}
                }
                fs::rename(&content, &target).map_err(io)?;
                shelf.add(digest, summary.bytes);
            }
            shelf.hold(digest);
            Ok::<(), LayerError>(())
        });
        match unpacked.await {
            Ok(result) => result?,
            Err(error) => {
                let source = archive::Error::Malformed(error.to_string());
                return Err(LayerError::Unpack { digest, source });
            }
        }
        let layer = Layer(Arc::new(Held {
            digest,
            path: self.path(digest),
            shelf: Arc::clone(&self.shelf),
        }));
        self.take_away(|shelf| shelf.shrink(self.options.budget));
        Ok(layer)
    }

    /// Fetches a layer that somebody may call for, when all layers fit `budget` with it; others that nobody called for
    /// give way, but none of `keep`, to which it belongs. Whether it is here now.
    ///
    /// # Errors
    /// As [`Layers::get`].
    pub async fn fetch_ahead(
        &self,
        layer: &LayerToKeep,
        budget: u64,
        keep: &[Digest],
    ) -> Result<bool, LayerError> {
        let &LayerToKeep { digest, size } = layer;
        let (mut is_here, mut fits) = (false, false);
        self.take_away(|shelf| {
            // One that was built here did not ask for room.
            is_here = shelf.has(digest);
            let rest = if is_here {
                Some(budget)
            } else {
                budget.checked_sub(size)
            };
            let gone = rest.map(|rest| shelf.give_way(rest, keep));
            fits = rest.is_some_and(|rest| shelf.bytes() <= rest);
            gone.unwrap_or_default()
        });
        if is_here || !fits {
            return Ok(is_here);
        }
        drop(self.get(digest, size).await?);
        self.shelf.lock().is_ahead(digest);
        Ok(true)
    }

    /// Removes what `choose` takes off the shelf. Its place is free from then on, and nothing half removed is ever in it,
    /// whatever happens meanwhile.
    fn take_away(&self, choose: impl FnOnce(&mut Shelf) -> Vec<Digest>) {
        let aside: Vec<_> = {
            let mut shelf = self.shelf.lock();
            let gone = choose(&mut shelf).into_iter();
            gone.map(|digest| {
                let number = self.count.fetch_add(1, Ordering::Relaxed);
                let aside = self.options.directory.join(format!("{PARTIAL}{number}"));
                (digest, fs::rename(self.path(digest), &aside), aside)
            })
            .collect()
        };
        for (digest, moved, aside) in aside {
            let removed = moved
                .map_err(|error| error.to_string())
                .and_then(|()| remove_directory(&aside).map_err(|error| chain(&error)));
            match removed {
                Ok(()) => tracing::info!(%digest, "layer removed to make room"),
                // The next start of the agent finds the rest of it.
                Err(error) => tracing::warn!(%digest, error, "remove a layer to make room"),
            }
        }
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.options
            .directory
            .join(format!("sha256-{}", digest.hex()))
    }
}

fn digest_of(name: &str) -> Option<Digest> {
    format!("sha256:{}", name.strip_prefix("sha256-")?)
        .parse()
        .ok()
}

fn size(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return 0;
    };
    if !metadata.is_dir() {
        return metadata.len();
    }
    fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| size(&entry.path()))
        .sum()
}
