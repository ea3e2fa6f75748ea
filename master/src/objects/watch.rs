use std::collections::VecDeque;
use std::sync::Arc;

use common::resources::Resource;
use futures_util::StreamExt as _;

use super::handle::read;
use super::insist::backoff;
use super::key::prefix;
use crate::store::{self, Changes, Pages, Shown, Store};

/// Every change of a kind's objects. It never ends: after a loss it lists again and says so.
pub struct Watch<R> {
    store: Arc<dyn Store>,
    prefix: String,
    stage: Stage,
    ready: VecDeque<Part<R>>,
    /// What [`Watch::next`] has gathered of a list.
    gathered: Vec<R>,
    failures: u32,
}

enum Stage {
    Fresh,
    Listing(Pages),
    /// With what the list has shown.
    Following(Changes, Shown),
}

/// What happened to a kind's objects.
#[derive(Clone, Debug, PartialEq)]
pub enum Change<R> {
    /// These are all objects there are; forget what was known before. The first change, and the
    /// next one after any loss.
    Restarted(Vec<R>),
    /// An object was made or changed.
    Applied(R),
    /// An object is gone; its last state.
    Deleted(R),
}

/// The same in small pieces, for kinds of which there are very many objects.
#[derive(Clone, Debug, PartialEq)]
pub enum Part<R> {
    /// All objects there are will be listed. The first part, and the next one after any loss, which may be one of the
    /// list itself.
    Begun,
    /// Some of them.
    Some(Vec<R>),
    /// That were all: forget the others.
    Complete,
    /// An object was made or changed.
    Applied(R),
    /// An object is gone; its last state.
    Deleted(R),
}

impl<R: Resource> Watch<R> {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            prefix: prefix(R::KIND, None),
            stage: Stage::Fresh,
            ready: VecDeque::new(),
            gathered: Vec::new(),
            failures: 0,
        }
    }

    /// The next change. Dropping the future before it is done loses nothing.
    pub async fn next(&mut self) -> Change<R> {
        loop {
            match self.next_part().await {
                Part::Begun => self.gathered.clear(),
                Part::Some(objects) => self.gathered.extend(objects),
                Part::Complete => return Change::Restarted(std::mem::take(&mut self.gathered)),
                Part::Applied(object) => return Change::Applied(object),
                Part::Deleted(object) => return Change::Deleted(object),
            }
        }
    }

    /// The next part. Dropping the future before it is done loses nothing.
    pub async fn next_part(&mut self) -> Part<R> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return part;
            }
            let failure = match &mut self.stage {
                Stage::Fresh => {
                    self.stage = Stage::Listing(Pages::of(self.prefix.clone()));
                    return Part::Begun;
                }
                Stage::Listing(pages) => match pages.next(&*self.store).await {
                    Ok(Some(entries)) => {
                        return Part::Some(entries.iter().filter_map(readable).collect());
                    }
                    Ok(None) => {
                        let shown = std::mem::replace(pages, Pages::of("")).shown();
                        match self.store.watch(&self.prefix, shown.since()).await {
                            Ok(changes) => {
                                self.failures = 0;
                                self.stage = Stage::Following(changes, shown);
                                return Part::Complete;
                            }
                            Err(error) => error,
                        }
                    }
                    Err(error) => error,
                },
                Stage::Following(changes, shown) => {
                    match changes.next().await {
                        Some(Ok(batch)) => {
                            let parts = parts(&batch, shown);
                            self.ready.extend(parts);
                        }
                        Some(Err(error)) => {
                            tracing::debug!(prefix = self.prefix, %error, "watch again from a list");
                            self.stage = Stage::Fresh;
                        }
                        None => self.stage = Stage::Fresh,
                    }
                    continue;
                }
            };
            self.stage = Stage::Fresh;
            let wait = backoff(self.failures, rand::random());
            self.failures = self.failures.saturating_add(1);
            tracing::warn!(prefix = self.prefix, error = %failure, ?wait, "watch failed");
            tokio::time::sleep(wait).await;
        }
    }
}

/// The changes that a list has not shown.
fn parts<R: Resource>(batch: &store::Batch, shown: &Shown) -> Vec<Part<R>> {
    let news = |change: &&store::Change| !shown.has(change.key(), batch.revision);
    let part = |change: &store::Change| match change {
        store::Change::Put(entry) => readable(entry).map(Part::Applied),
        store::Change::Deleted { key, previous } => readable(&store::Entry {
            key: key.clone(),
            value: previous.clone(),
            mod_revision: batch.revision,
            lease: None,
        })
        .map(Part::Deleted),
    };
    let changes = batch.changes.iter().filter(news);
    changes.filter_map(part).collect()
}

/// An object that cannot be read must not stop the others.
fn readable<R: Resource>(entry: &store::Entry) -> Option<R> {
    read(entry)
        .inspect_err(|error| tracing::error!(%error, "an object is left out of a watch"))
        .ok()
}
