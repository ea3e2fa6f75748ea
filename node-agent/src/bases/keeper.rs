use std::path::PathBuf;
use std::sync::Arc;

use common::link::BaseImage;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::saved::{Part, Saved};
use crate::backoff::Backoff;
use crate::chain::chain;
use crate::clock::Chance;
use crate::layers::Blobs;
use crate::layout::{PRIVATE, make_directory, remove_directory};
use crate::runtime::Runtime;

const TRIES: u32 = 5;

/// Keeps the master supplied with this node's function bases.
pub struct Bases {
    runtime: Arc<dyn Runtime>,
    blobs: Arc<dyn Blobs>,
    chance: Chance,
    /// Where what is known is noted.
    file: PathBuf,
    /// For what is being taken apart.
    work: PathBuf,
    known: Mutex<Vec<BaseImage>>,
    wanted: Notify,
    news: Notify,
}

/// What an earlier agent found out, and of which images.
#[derive(Serialize, Deserialize)]
struct Note {
    ids: Vec<String>,
    bases: Vec<BaseImage>,
}

impl Bases {
    /// Those of the runtime's engine. `file` and `work` are in the data directory.
    #[must_use]
    pub fn new(
        runtime: Arc<dyn Runtime>,
        blobs: Arc<dyn Blobs>,
        file: PathBuf,
        work: PathBuf,
        chance: Chance,
    ) -> Self {
        let note = std::fs::read(&file).ok();
        let note = note.and_then(|bytes| serde_json::from_slice::<Note>(&bytes).ok());
        let known = note.filter(|note| note.ids == runtime.base_ids());
        Self {
            known: Mutex::new(known.map(|note| note.bases).unwrap_or_default()),
            runtime,
            blobs,
            chance,
            file,
            work,
            wanted: Notify::new(),
            news: Notify::new(),
        }
    }

    /// What the master is told at the beginning of a session.
    #[must_use]
    pub fn known(&self) -> Vec<BaseImage> {
        self.known.lock().clone()
    }

    /// The master has a registry.
    pub fn want(&self) {
        self.wanted.notify_one();
    }

    /// Waits until [`Bases::known`] says something else.
    pub async fn changed(&self) {
        self.news.notified().await;
    }

    /// Supplies the master whenever it says that it has a registry; for as long as it is polled.
    pub async fn keep(&self) {
        loop {
            self.wanted.notified().await;
            if self.runtime.base_ids().is_empty() {
                continue;
            }
            let mut backoff = Backoff::new(self.chance.clone());
            // The next session is the next occasion.
            for _ in 0..TRIES {
                let Err(problem) = self.supply().await else {
                    break;
                };
                tracing::warn!(problem, "supply the master with the function base");
                tokio::time::sleep(backoff.fail()).await;
            }
        }
    }

    async fn supply(&self) -> Result<(), String> {
        if self.has_all().await? {
            return Ok(());
        }
        remove_directory(&self.work).map_err(|error| chain(&error))?;
        make_directory(&self.work, PRIVATE).map_err(|error| chain(&error))?;
        let supplied = self.upload().await;
        remove_directory(&self.work).map_err(|error| chain(&error))?;
        let bases = supplied?;
        let note = Note {
            ids: self.runtime.base_ids(),
            bases: bases.clone(),
        };
        let text = serde_json::to_vec(&note).map_err(|error| error.to_string())?;
        std::fs::write(&self.file, text).map_err(|error| error.to_string())?;
        let mut known = self.known.lock();
        if *known != bases {
            *known = bases;
            self.news.notify_one();
        }
        Ok(())
    }

    /// Whether the master has all that an earlier upload brought.
    async fn has_all(&self) -> Result<bool, String> {
        let known = self.known();
        for base in &known {
            let layers = base.layers.iter().map(|layer| layer.digest);
            for digest in layers.chain([base.config]) {
                if !self.has(digest).await? {
                    return Ok(false);
                }
            }
        }
        Ok(!known.is_empty())
    }

    async fn has(&self, digest: common::digest::Digest) -> Result<bool, String> {
        let has = self.blobs.has(digest).await;
        has.map_err(|error| chain(&error))
    }

    async fn upload(&self) -> Result<Vec<BaseImage>, String> {
        let saved = self.runtime.save_bases(&self.work).await;
        let mut bases = Vec::new();
        for Saved { image, parts } in saved.map_err(|error| chain(&error))? {
            for Part { digest, file } in parts {
                if !self.has(digest).await? {
                    let put = self.blobs.put(digest, &file).await;
                    put.map_err(|error| chain(&error))?;
                }
            }
            tracing::info!(config = %image.config, "the master has this node's function base");
            bases.push(image);
        }
        Ok(bases)
    }
}
