//! A run's journal in the store.

use std::sync::Arc;

use asl::Record;

use crate::store::{Durability, Page, Store, StoreError, Txn};

/// Batches read at once when a journal is loaded.
const PAGE: usize = 500;

/// The journal of one run: batches of records under `/troupe/journal/UID/`, numbered from 0. Each
/// batch is one decision of the engine, written in one transaction; transactions of many runs share an
/// fsync.
pub struct Journal {
    store: Arc<dyn Store>,
    prefix: String,
    next: u64,
}

/// A journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The store failed.
    #[error("use the run's journal")]
    Store(#[from] StoreError),
    /// A batch makes no sense.
    #[error("read batch {batch} of the run's journal")]
    Damaged {
        /// Which.
        batch: u64,
        /// Why.
        source: serde_json::Error,
    },
}

impl Journal {
    /// Reads the journal of a run from its start.
    ///
    /// # Errors
    /// When the store fails, or a batch makes no sense.
    pub async fn load(
        store: Arc<dyn Store>,
        run: &str,
    ) -> Result<(Self, Vec<Record>), JournalError> {
        let prefix = format!("/troupe/journal/{run}/");
        let mut records = Vec::new();
        let mut after: Option<String> = None;
        let mut next = 0;
        loop {
            let page = Page {
                prefix: &prefix,
                limit: PAGE,
                after: after.as_deref(),
            };
            let listed = store.list(page).await?;
            for entry in &listed.entries {
                let damaged = |source| JournalError::Damaged {
                    batch: next,
                    source,
                };
                let batch: Vec<Record> = serde_json::from_slice(&entry.value).map_err(damaged)?;
                records.extend(batch);
                next += 1;
            }
            match listed.entries.last() {
                Some(last) if listed.more => after = Some(last.key.clone()),
                _ => break,
            }
        }
        Ok((
            Self {
                store,
                prefix,
                next,
            },
            records,
        ))
    }

    /// Appends a batch; it is on disk when this returns. A batch that another master appended first
    /// makes this fail: the run has a new owner.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let batch = self.next;
        let text = serde_json::to_vec(records)
            .map_err(|source| JournalError::Damaged { batch, source })?;
        let key = format!("{}{batch:010}", self.prefix);
        let txn = Txn::new(Durability::Durable)
            .when(&key, 0)
            .put(key.clone(), text);
        self.store.commit(txn).await?;
        self.next += 1;
        Ok(())
    }
}
