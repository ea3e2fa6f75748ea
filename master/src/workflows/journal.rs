//! A run's journal in the store.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use asl::{Payload, Record};
use common::digest::Digest;
use serde_json::Value;

use super::batch::{self, Batch};
use crate::store::{Durability, Page, Store, StoreError, Txn};

/// Where journals stand in the store.
const PREFIX: &str = "/troupe/journal/";
/// Batches read at once when a journal is loaded.
const PAGE: usize = 64;

/// The journal of one run: batches of records under `/troupe/journal/UID/`, numbered from 0. A
/// decision of the engine is one batch, or more of them when it is large: any prefix of a journal can be
/// resumed. Transactions of many runs share an fsync. A large document stands once under
/// `/troupe/journal/UID/values/DIGEST`, written before the first batch that names it, and goes with the journal.
pub struct Journal {
    /// `None`: nothing is kept.
    store: Option<Arc<dyn Store>>,
    prefix: String,
    next: u64,
    /// Documents that are in the store.
    kept: HashSet<Digest>,
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
    /// A batch names a document that is not there.
    #[error("read batch {batch} of the run's journal: its document {digest} is missing")]
    Missing {
        /// Which batch.
        batch: u64,
        /// Which document.
        digest: Digest,
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
            kept: HashSet::new(),
            done: 0,
        }
    }

    /// Reads the journal of a run from its start, all of it at once.
    ///
    /// # Errors
    /// When the store fails, or a batch makes no sense.
    pub async fn load(
        store: Arc<dyn Store>,
        run: &str,
    ) -> Result<(Self, Vec<Record>), JournalError> {
        let mut all = Vec::new();
        let journal = Self::replay(store, run, |records| all.extend(records)).await?;
        Ok((journal, all))
    }

    /// Reads the journal of a run from its start and hands its records on as they come. A document is held for as
    /// long as somebody else holds it: a history may be larger than the memory.
    ///
    /// # Errors
    /// When the store fails, or a batch makes no sense.
    pub async fn replay(
        store: Arc<dyn Store>,
        run: &str,
        mut each: impl FnMut(Vec<Record>),
    ) -> Result<Self, JournalError> {
        let prefix = format!("{PREFIX}{run}/");
        // Batches have ten digits; documents come after them.
        let batches = format!("{prefix}0");
        let mut kept = HashSet::new();
        let mut held: HashMap<Digest, Weak<Value>> = HashMap::new();
        let mut after: Option<String> = None;
        let mut next = 0;
        loop {
            let page = Page {
                prefix: &batches,
                limit: PAGE,
                after: after.as_deref(),
            };
            let listed = store.list(page).await?;
            for entry in &listed.entries {
                let damaged = |source| JournalError::Damaged {
                    batch: next,
                    source,
                };
                let mut stored = batch::decode(&entry.value).map_err(damaged)?;
                let mut documents = HashMap::new();
                for digest in stored.documents() {
                    if documents.contains_key(&digest) {
                        continue;
                    }
                    let document = match held.get(&digest).and_then(Weak::upgrade) {
                        Some(document) => document,
                        None => {
                            let found = store.get(&document_key(&prefix, &digest)).await?;
                            let missing = JournalError::Missing {
                                batch: next,
                                digest,
                            };
                            let found = found.ok_or(missing)?;
                            Payload::new(serde_json::from_slice(&found.value).map_err(damaged)?)
                        }
                    };
                    held.insert(digest, Arc::downgrade(&document));
                    documents.insert(digest, document);
                    kept.insert(digest);
                }
                stored.complete(&documents);
                each(stored.records);
                next += 1;
            }
            match listed.entries.last() {
                Some(last) if listed.more => after = Some(last.key.clone()),
                _ => break,
            }
        }
        Ok(Self {
            store: Some(store),
            prefix,
            next,
            kept,
            done: 0,
        })
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
            let number = self.next;
            let damaged = |source| JournalError::Damaged {
                batch: number,
                source,
            };
            let Batch {
                text,
                count,
                documents,
            } = batch::encode(rest).map_err(damaged)?;
            for (digest, text) in documents {
                if !self.kept.contains(&digest) {
                    let key = document_key(&self.prefix, &digest);
                    // On disk before the batch: what is committed later is never there without it.
                    let txn = Txn::new(Durability::Eventual).put(key, text.into_boxed_slice());
                    store.commit(txn).await?;
                    self.kept.insert(digest);
                }
            }
            let durability = if count == rest.len() {
                Durability::Durable
            } else {
                Durability::Eventual
            };
            let key = format!("{}{number:010}", self.prefix);
            let txn = Txn::new(durability)
                .when(&key, 0)
                .put(key.clone(), text.into_boxed_slice());
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

/// Where a large document of a journal stands.
fn document_key(journal: &str, digest: &Digest) -> String {
    format!("{journal}values/{}", digest.hex())
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

    #[tokio::test]
    async fn a_large_document_is_stored_once_and_goes_with_the_journal() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.redb");
        let store = EmbeddedStore::open(&path, Arc::new(SystemClock::default())).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let large = Payload::new(serde_json::json!({ "text": "x".repeat(100_000) }));
        let records: Vec<Record> = (1..=20)
            .map(|id| {
                let mut record: Record = serde_json::from_value(serde_json::json!({
                    "strand": 0, "event": { "id": id, "previous": 0, "at": "2026-01-01T00:00:00Z",
                        "kind": { "ExecutionSucceeded": { "output": null } } } }))
                .unwrap();
                for payload in record.payloads_mut() {
                    *payload = Payload::clone(&large);
                }
                record
            })
            .collect();
        let (mut journal, _) = Journal::load(Arc::clone(&store), "one").await.unwrap();
        journal.append(&records[..10]).await.unwrap();
        let (mut journal, loaded) = Journal::load(Arc::clone(&store), "one").await.unwrap();
        assert_eq!(loaded, records[..10]);
        journal.append(&records[10..]).await.unwrap();
        let (_, mut loaded) = Journal::load(Arc::clone(&store), "one").await.unwrap();
        assert_eq!(loaded, records);
        let mut shared = loaded.iter_mut().flat_map(Record::payloads_mut);
        let first = Payload::clone(shared.next().unwrap());
        assert!(shared.all(|payload| Payload::ptr_eq(payload, &first)));

        let all = store.list(Page::all(PREFIX)).await.unwrap().entries;
        assert_eq!(all.len(), 3, "two batches and a document");
        let bytes: usize = all.iter().map(|entry| entry.value.len()).sum();
        assert!(bytes < 110_000, "{bytes}");
        assert_eq!(Journal::owners(&*store).await.unwrap(), ["one"]);
        let document = all
            .iter()
            .find(|entry| entry.key.contains("/values/"))
            .unwrap();
        store
            .commit(Txn::new(Durability::Durable).delete(&document.key))
            .await
            .unwrap();
        let broken = Journal::load(Arc::clone(&store), "one")
            .await
            .err()
            .unwrap();
        assert!(matches!(broken, JournalError::Missing { batch: 0, .. }));
        Journal::remove(&*store, "one").await.unwrap();
        assert!(
            store
                .list(Page::all(PREFIX))
                .await
                .unwrap()
                .entries
                .is_empty()
        );
    }
}
