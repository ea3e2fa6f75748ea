//! The index of open invocations, from its list on.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;

use super::ledger::read_open;
use super::{Backlog, Event, keys};
use crate::store::{Batch, Change, Changes, Page, Store, StoreError};

/// Wait before the store is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Follows the index; begins with a list, and lists again after any loss.
pub(super) struct Follow {
    store: Arc<dyn Store>,
    backlog: Backlog,
    changes: Option<Changes>,
}

impl Follow {
    pub(super) fn new(store: Arc<dyn Store>, backlog: Backlog) -> Self {
        Self {
            store,
            backlog,
            changes: None,
        }
    }

    /// What happened next.
    pub(super) async fn next(&mut self) -> Vec<Event> {
        loop {
            if let Some(changes) = &mut self.changes {
                match changes.next().await {
                    Some(Ok(batch)) => return self.take(&batch),
                    Some(Err(error)) => {
                        tracing::debug!(%error, "list the open invocations again");
                        self.changes = None;
                    }
                    None => self.changes = None,
                }
            }
            match self.list().await {
                Ok(event) => return vec![event],
                Err(error) => {
                    tracing::warn!(%error, "could not list the open invocations");
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    async fn list(&mut self) -> Result<Event, StoreError> {
        let listed = self.store.list(Page::all(keys::OPEN)).await?;
        let changes = self.store.watch(keys::OPEN, listed.revision).await?;
        let read = listed
            .entries
            .iter()
            .filter_map(|e| read_open(&e.key, &e.value));
        let mut bytes = 0;
        let open: Vec<_> = read
            .map(|(open, size)| {
                bytes += size;
                open
            })
            .collect();
        self.backlog.set(open.len() as u64, bytes);
        self.changes = Some(changes);
        Ok(Event::Restarted(open))
    }

    fn take(&self, batch: &Batch) -> Vec<Event> {
        let event = |change: &Change| match change {
            Change::Put(entry) => {
                read_open(&entry.key, &entry.value).map(|(open, _)| Event::Opened(open))
            }
            Change::Deleted { key, previous } => read_open(key, previous).map(|(open, bytes)| {
                self.backlog.release(bytes);
                Event::Closed(open)
            }),
        };
        batch.changes.iter().filter_map(event).collect()
    }
}
