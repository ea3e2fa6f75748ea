use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use common::resources::Resource;
use futures_util::StreamExt as _;

use super::handle::read;
use super::key::prefix;
use crate::store::{self, Changes, Page, Store, StoreError};

/// Shortest and longest wait after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Every change of a kind's objects. It never ends: after a loss it lists again and says so.
pub struct Watch<R> {
    store: Arc<dyn Store>,
    prefix: String,
    changes: Option<Changes>,
    ready: VecDeque<Change<R>>,
    failures: u32,
    kind: PhantomData<R>,
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

impl<R: Resource> Watch<R> {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            prefix: prefix(R::KIND, None),
            changes: None,
            ready: VecDeque::new(),
            failures: 0,
            kind: PhantomData,
        }
    }

    /// The next change. Dropping the future before it is done loses nothing.
    pub async fn next(&mut self) -> Change<R> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return change;
            }
            match &mut self.changes {
                Some(changes) => match changes.next().await {
                    Some(Ok(batch)) => self.take(&batch),
                    Some(Err(error)) => {
                        tracing::debug!(prefix = self.prefix, %error, "watch again from a list");
                        self.changes = None;
                    }
                    None => self.changes = None,
                },
                None => match self.connect().await {
                    Ok((changes, items)) => {
                        self.failures = 0;
                        self.changes = Some(changes);
                        return Change::Restarted(items);
                    }
                    Err(error) => {
                        let wait = backoff(self.failures);
                        self.failures = self.failures.saturating_add(1);
                        tracing::warn!(prefix = self.prefix, %error, ?wait, "watch failed");
                        tokio::time::sleep(wait).await;
                    }
                },
            }
        }
    }

    async fn connect(&self) -> Result<(Changes, Vec<R>), StoreError> {
        let listed = self.store.list(Page::all(&self.prefix)).await?;
        let changes = self.store.watch(&self.prefix, listed.revision).await?;
        Ok((
            changes,
            listed.entries.iter().filter_map(readable).collect(),
        ))
    }

    fn take(&mut self, batch: &store::Batch) {
        for change in &batch.changes {
            let change = match change {
                store::Change::Put(entry) => readable(entry).map(Change::Applied),
                store::Change::Deleted { key, previous } => readable(&store::Entry {
                    key: key.clone(),
                    value: previous.clone(),
                    mod_revision: batch.revision,
                    lease: None,
                })
                .map(Change::Deleted),
            };
            self.ready.extend(change);
        }
    }
}

/// An object that cannot be read must not stop the others.
fn readable<R: Resource>(entry: &store::Entry) -> Option<R> {
    read(entry)
        .inspect_err(|error| tracing::error!(%error, "an object is left out of a watch"))
        .ok()
}

pub(super) fn backoff(failures: u32) -> Duration {
    BACKOFF
        .0
        .saturating_mul(1 << failures.min(10))
        .min(BACKOFF.1)
}
