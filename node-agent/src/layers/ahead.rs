use std::sync::Arc;

use common::digest::Digest;
use common::link::LayerToKeep;
use tokio::sync::watch;

use super::Layers;
use crate::backoff::Backoff;
use crate::chain::chain;
use crate::clock::Chance;

/// How often a layer that does not come is tried; a later list names it again.
const TRIES: u32 = 4;

/// Fetches layers before they are wanted: one at a time, as far as the disk for it goes. What was fetched so and not used
/// gives way to what is more important. Cheap to clone.
#[derive(Clone)]
pub struct Ahead {
    layers: Arc<Layers>,
    wanted: watch::Sender<Vec<LayerToKeep>>,
    budget: u64,
    chance: Chance,
}

impl Ahead {
    /// Nothing is wanted yet. `budget` is what all layers together may take, in bytes, for one more to
    /// be fetched ahead.
    #[must_use]
    pub fn new(layers: Arc<Layers>, budget: u64, chance: Chance) -> Self {
        let (wanted, _) = watch::channel(Vec::new());
        Self {
            layers,
            wanted,
            budget,
            chance,
        }
    }

    /// These should be here, the most important first.
    pub fn want(&self, layers: Vec<LayerToKeep>) {
        self.wanted.send_replace(layers);
    }

    /// Fetches what is wanted, for as long as it is polled.
    pub async fn run(self) {
        let mut wanted = self.wanted.subscribe();
        loop {
            let list = wanted.borrow_and_update().clone();
            let digests: Vec<_> = list.iter().map(|layer| layer.digest).collect();
            for (number, layer) in list.iter().enumerate() {
                // It and those before it, which are more important, stay.
                self.fetch(layer, &digests[..=number]).await;
                // What is left over is in the next list, too, if it is wanted still.
                if wanted.has_changed().unwrap_or(true) {
                    break;
                }
            }
            if wanted.changed().await.is_err() {
                return;
            }
        }
    }

    async fn fetch(&self, layer: &LayerToKeep, keep: &[Digest]) {
        let mut backoff = Backoff::new(self.chance.clone());
        for _ in 0..TRIES {
            match self.layers.fetch_ahead(layer, self.budget, keep).await {
                Ok(_) => return,
                Err(error) => {
                    let error = chain(&error);
                    tracing::debug!(digest = %layer.digest, error, "fetch a layer ahead");
                    tokio::time::sleep(backoff.fail()).await;
                }
            }
        }
    }
}
