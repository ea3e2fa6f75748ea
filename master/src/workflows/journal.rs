//! A run's journal in the store.

use std::sync::Arc;

use asl::Record;

use crate::store::{Durability, Page, Store, StoreError, Txn};

/// Where journals stand in the store.
const PREFIX: &str = "/troupe/journal/";
/// Bytes of records in one batch: a larger decision becomes more of them.
const BATCH_BYTES: usize = 1 << 20;
/// Batches read at once when a journal is loaded.
const PAGE: usize = 64;

/// The journal of one run: batches of records under `/troupe/journal/UID/`, numbered from 0. A
/// decision of the engine is one batch, or more of them when it is large: any prefix of a journal can be
/// resumed. Transactions of many runs share an fsync.
pub struct Journal {
    /// `None`: nothing is kept.
    store: Option<Arc<dyn Store>>,
    prefix: String,
    next: u64,
    /// Records of the decision being appended that are in the store.
    done: usize,
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
    /// The journal of a run of which nothing is kept.
    #[must_use]
    pub fn none() -> Self {
        Self {
            store: None,
            prefix: String::new(),
            next: 0,
            done: 0,
        }
    }

    /// Reads the journal of a run from its start.
    ///
    /// # Errors
    /// When the store fails, or a batch makes no sense.
    pub async fn load(
        store: Arc<dyn Store>,
        run: &str,
    ) -> Result<(Self, Vec<Record>), JournalError> {
        let prefix = format!("{PREFIX}{run}/");
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
                store: Some(store),
                prefix,
                next,
                done: 0,
            },
            records,
        ))
    }

    /// Appends a decision's records; they are on disk when this returns. A batch that another master
    /// appended first makes this fail: the run has a new owner. After a failure of the store the same records
    /// are to be appended again; it goes on where it was.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let Some(store) = &self.store else {
            return Ok(());
        };
        while let Some(rest) = records.get(self.done..).filter(|rest| !rest.is_empty()) {
            let batch = self.next;
            let (text, count) =
                text_of(rest).map_err(|source| JournalError::Damaged { batch, source })?;
            let durability = if count == rest.len() {
                Durability::Durable
            } else {
                Durability::Eventual
            };
            let key = format!("{}{batch:010}", self.prefix);
            let txn = Txn::new(durability).when(&key, 0).put(key.clone(), text);
            store.commit(txn).await?;
            self.next += 1;
            self.done += count;
        }
        self.done = 0;
        Ok(())
    }

    /// The uids of all runs that have a journal.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn owners(store: &dyn Store) -> Result<Vec<String>, StoreError> {
        let mut owners = Vec::new();
        let mut after = None;
        loop {
            let page = Page {
                prefix: PREFIX,
                limit: 1,
                after: after.as_deref(),
            };
            let listed = store.list(page).await?;
            let first = listed.entries.first();
            let Some(uid) = first.and_then(|entry| owner(&entry.key)) else {
                return Ok(owners);
            };
            // Past every batch of this one: digits sort before the tilde.
            after = Some(format!("{PREFIX}{uid}/~"));
            owners.push(uid.to_owned());
        }
    }

    /// Removes the journal of a run that was deleted.
    ///
    /// # Errors
    /// When the store fails; what is left goes with the next try.
    pub async fn remove(store: &dyn Store, run: &str) -> Result<(), StoreError> {
        let prefix = format!("{PREFIX}{run}/");
        loop {
            let page = Page {
                prefix: &prefix,
                limit: PAGE,
                after: None,
            };
            let listed = store.list(page).await?;
            if listed.entries.is_empty() {
                return Ok(());
            }
            let txn = Txn::new(Durability::Eventual);
            let txn = listed
                .entries
                .iter()
                .fold(txn, |txn, entry| txn.delete(&entry.key));
            store.commit(txn).await?;
        }
    }
}

/// The first records as a batch, and how many they are: at least one.
fn text_of(records: &[Record]) -> Result<(Vec<u8>, usize), serde_json::Error> {
    let mut text = vec![b'['];
    for (count, record) in records.iter().enumerate() {
        if text.len() > BATCH_BYTES {
            text.push(b']');
            return Ok((text, count));
        }
        if count > 0 {
            text.push(b',');
        }
        serde_json::to_writer(&mut text, record)?;
    }
    text.push(b']');
    Ok((text, records.len()))
}

/// The run that a batch belongs to.
fn owner(key: &str) -> Option<&str> {
    let (uid, _) = key.strip_prefix(PREFIX)?.split_once('/')?;
    Some(uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::store::EmbeddedStore;

    fn record() -> Record {
        let text = r#"{"strand":0,"note":null}"#;
        serde_json::from_str(text).unwrap()
    }

    #[tokio::test]
    async fn a_journal_reads_back_and_goes_with_its_run() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.redb");
        let store = EmbeddedStore::open(&path, Arc::new(SystemClock::default())).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let load = |run: &'static str| Journal::load(Arc::clone(&store), run);
        let (mut journal, _) = load("one").await.unwrap();
        let (mut other, _) = load("two").await.unwrap();
        for _ in 0..3 {
            journal.append(&[record(), record()]).await.unwrap();
        }
        other.append(&[record()]).await.unwrap();
        assert_eq!(load("one").await.unwrap().1.len(), 6);
        assert_eq!(Journal::owners(&*store).await.unwrap(), ["one", "two"]);

        let (mut late, _) = load("one").await.unwrap();
        journal.append(&[record()]).await.unwrap();
        let refused = late.append(&[record()]).await;
        assert!(matches!(
            refused,
            Err(JournalError::Store(StoreError::Conflict { .. }))
        ));

        let many = vec![record(); 100_000];
        journal.append(&many).await.unwrap();
        assert!(journal.next > 5, "a large decision is more than one batch");
        journal.append(&[record()]).await.unwrap();
        assert_eq!(load("one").await.unwrap().1.len(), 7 + many.len() + 1);

        Journal::remove(&*store, "one").await.unwrap();
        assert!(load("one").await.unwrap().1.is_empty());
        assert_eq!(load("two").await.unwrap().1.len(), 1);
    }
}
