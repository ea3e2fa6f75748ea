//! Deletes what belongs to nobody any more.
//!
//! One watch over all objects feeds a [`Graph`] of who belongs to whom. The graph decides (pure, see
//! there), the shell here carries out. Nothing is remembered that the store does not know: a new
//! collector begins with a list and comes to the same decisions. Each deletion names the uid and the
//! state it was decided on, so that one that comes too late does nothing.

mod graph;
mod work;

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt as _;

pub use graph::{Graph, Ident, Task};

use super::Objects;
use super::insist::backoff;
use super::key::REGISTRY;
use crate::store::{Change, Page, StoreError};

/// How soon work that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Collects garbage until the future is dropped.
pub async fn run(objects: Objects) {
    let mut failures = 0;
    loop {
        match follow(&objects).await {
            Ok(()) | Err(StoreError::Compacted { .. }) => failures = 0,
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "garbage collection begins again");
                failures += 1;
            }
        }
        tokio::time::sleep(backoff(failures, rand::random())).await;
    }
}

async fn follow(objects: &Objects) -> Result<(), StoreError> {
    let mut graph = Graph::default();
    let listed = objects.store().list(Page::all(REGISTRY)).await?;
    for entry in listed.entries {
        graph.put(&entry.key, &entry.value);
    }
    let mut changes = objects.store().watch(REGISTRY, listed.revision).await?;
    graph.consider_all();
    let mut failed = BTreeSet::new();
    loop {
        for task in graph.tasks() {
            if let Err(error) = work::carry_out(objects, &task).await {
                tracing::debug!(%error, ?task, "garbage collection tries again");
                failed.insert(task.subject().to_owned());
            }
        }
        let batch = if failed.is_empty() {
            changes.next().await
        } else {
            match tokio::time::timeout(RETRY, changes.next()).await {
                Ok(batch) => batch,
                Err(_) => {
                    std::mem::take(&mut failed)
                        .iter()
                        .for_each(|key| graph.consider(key));
                    continue;
                }
            }
        };
        let Some(batch) = batch else { return Ok(()) };
        for change in batch?.changes {
            match change {
                Change::Put(entry) => graph.put(&entry.key, &entry.value),
                Change::Deleted { key, .. } => graph.remove(&key),
            }
        }
    }
}
