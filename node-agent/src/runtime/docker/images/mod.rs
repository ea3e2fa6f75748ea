//! The images that pods are made of: pulled once however many ask, kept while somebody uses them,
//! removed when the disk fills up.

mod book;
mod pull;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveImageOptionsBuilder};
use jiff::Timestamp;
use parking_lot::Mutex;

use book::Book;
pub(in crate::runtime::docker) use pull::find;

use super::engine::{Engine, is_absent};
use crate::chain::chain;
use crate::clock::Chance;
use crate::runtime::{Image, RuntimeError};

/// How full the engine's disk may become, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watermarks {
    /// From here on unused images go.
    pub(super) high: u8,
    /// Until here.
    pub(super) low: u8,
}

/// The images of this agent's pods.
pub(super) struct Images {
    engine: Arc<Engine>,
    /// What pods run on, as `linux/arm64`.
    platform: String,
    chance: Chance,
    book: Arc<Mutex<Book>>,
    /// Where the book stands, so that the next agent knows what this one brought in.
    file: PathBuf,
    /// So that one pull serves all who want the same.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// Keeps an image from being removed.
struct Hold {
    reference: String,
    book: Arc<Mutex<Book>>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let now = Timestamp::now().as_second();
        self.book.lock().let_go(&self.reference, now);
    }
}

impl Images {
    /// The images that an earlier agent noted in `file`.
    pub(super) fn open(
        engine: Arc<Engine>,
        platform: String,
        file: PathBuf,
        chance: Chance,
    ) -> Self {
        // One that cannot be read costs disk, no more: its images are not removed by themselves.
        let read = std::fs::read(&file).ok();
        let book = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self {
            engine,
            platform,
            chance,
            book: Arc::new(Mutex::new(book.unwrap_or_default())),
            file,
            turns: Mutex::default(),
        }
    }

    /// An image, pulled when it is not there.
    pub(super) async fn get(&self, reference: &str) -> Result<Image, RuntimeError> {
        let turn = self.turn(reference);
        let result = {
            let _turn = turn.lock().await;
            self.get_alone(reference).await
        };
        self.end_turn(reference, turn);
        result
    }

    /// One at a time works on an image.
    fn turn(&self, reference: &str) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.turns.lock().entry(reference.to_owned()).or_default())
    }

    fn end_turn(&self, reference: &str, turn: Arc<tokio::sync::Mutex<()>>) {
        drop(turn);
        self.turns
            .lock()
            .retain(|other, turn| other != reference || Arc::strong_count(turn) > 1);
    }

    async fn get_alone(&self, reference: &str) -> Result<Image, RuntimeError> {
        let mut found = find(&self.engine, reference).await?;
        if found.is_none() {
            pull::pull(&self.engine, reference, &self.platform, &self.chance).await?;
            found = find(&self.engine, reference).await?;
        }
        let Some(found) = found else {
            return Err(RuntimeError::Refused(format!(
                "the engine pulled {reference} and does not have it"
            )));
        };
        let id = found.id.unwrap_or_else(|| reference.to_owned());
        let now = Timestamp::now().as_second();
        self.book.lock().hold(reference, &id, now);
        self.save();
        let config = found.config.unwrap_or_default();
        Ok(Image {
            id,
            volumes: config.volumes.unwrap_or_default().into_iter().collect(),
            hold: Box::new(Hold {
                reference: reference.to_owned(),
                book: Arc::clone(&self.book),
            }),
        })
    }

    /// Removes unused images when the disk of the engine is too full.
    pub(super) async fn collect(&self, marks: Watermarks) -> Result<(), RuntimeError> {
        let info = self
            .engine
            .ask("ask the engine's state", |docker| async move {
                docker.info().await
            })
            .await?;
        let root = PathBuf::from(info.docker_root_dir.unwrap_or_default());
        if fullness(&root).is_none_or(|full| full < marks.high) {
            return Ok(());
        }
        let in_use = self.in_use().await?;
        let unused = self.book.lock().unused(&in_use);
        for reference in unused {
            if fullness(&root).is_some_and(|full| full < marks.low) {
                break;
            }
            let turn = self.turn(&reference);
            {
                let _turn = turn.lock().await;
                self.remove(&reference).await;
            }
            self.end_turn(&reference, turn);
        }
        self.save();
        Ok(())
    }

    async fn in_use(&self) -> Result<BTreeSet<String>, RuntimeError> {
        let options = ListContainersOptionsBuilder::new().all(true).build();
        let list = |docker: Arc<bollard::Docker>| async move {
            docker.list_containers(Some(options)).await
        };
        let containers = self.engine.ask("list containers", list).await?;
        Ok(containers
            .into_iter()
            .filter_map(|container| container.image_id)
            .collect())
    }

    async fn remove(&self, reference: &str) {
        // Somebody may have begun to use it since.
        if !self.book.lock().is_free(reference) {
            return;
        }
        let options = RemoveImageOptionsBuilder::new().build();
        let removed = self
            .engine
            .try_ask(
                |docker| async move { docker.remove_image(reference, Some(options), None).await },
            )
            .await;
        match removed {
            Ok(_) => tracing::info!(image = reference, "image removed to make room"),
            Err(error) if is_absent(&error) => {}
            // A container of somebody else's uses it, for one.
            Err(error) => {
                return tracing::debug!(image = reference, error = chain(&error), "remove image");
            }
        }
        self.book.lock().forget(reference);
    }

    fn save(&self) {
        let text = serde_json::to_vec(&*self.book.lock());
        let written = text
            .map_err(std::io::Error::from)
            .and_then(|text| std::fs::write(&self.file, text));
        if let Err(error) = written {
            tracing::warn!(file = %self.file.display(), %error, "note images");
        }
    }
}

/// How full the disk with a directory is, in percent; none where the engine's directory is not on
/// this machine.
fn fullness(directory: &std::path::Path) -> Option<u8> {
    let stat = nix::sys::statvfs::statvfs(directory).ok()?;
    let total = stat.blocks();
    let used = total.saturating_sub(stat.blocks_available());
    u8::try_from(used.saturating_mul(100) / total.max(1)).ok()
}
