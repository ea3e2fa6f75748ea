use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::kept::Kept;
use super::metrics::Ended;
use super::{Backlog, Bounds, Id, Open, Policy, Record, Request, Response, State, keys};
use crate::clock::Clock;
use crate::key::ObjectKey;
use crate::store::{Durability, Entry, Revision, Store, StoreError, Txn};

/// The invocations in the store. Cheap to clone; the gateway and the room hold one each.
#[derive(Clone)]
pub struct Ledger {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) backlog: Backlog,
    pub(super) bounds: Bounds,
    pub(super) policy: Policy,
    pub(super) kept: Kept,
    pub(super) ended: Ended,
}

/// An invocation cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store failed.
    #[error("use the store of invocations")]
    Store(#[from] StoreError),
    /// What is stored makes no sense.
    #[error("read {key}")]
    Damaged {
        /// Where.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
}

/// A record and when it was written.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) record: Record,
    pub(super) revision: Revision,
}

/// An entry of the index of open invocations.
#[derive(Serialize, Deserialize)]
struct OpenEntry {
    namespace: String,
    name: String,
    due: jiff::Timestamp,
    bytes: u64,
}

pub(super) fn parse<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, LedgerError> {
    serde_json::from_slice(value).map_err(|source| LedgerError::Damaged {
        key: key.to_owned(),
        source,
    })
}

pub(super) fn text<T: Serialize>(key: &str, value: &T) -> Result<Vec<u8>, LedgerError> {
    serde_json::to_vec(value).map_err(|source| LedgerError::Damaged {
        key: key.to_owned(),
        source,
    })
}

/// An entry of the index, and the bytes of the body.
pub(super) fn read_open(key: &str, value: &[u8]) -> Option<(Open, u64)> {
    let id = Id::parse(key.strip_prefix(keys::OPEN)?)?;
    let entry: OpenEntry = parse(key, value)
        .inspect_err(|error| tracing::error!(%error, "an invocation is left out"))
        .ok()?;
    let function = ObjectKey::new(&entry.namespace, &entry.name);
    Some((
        Open {
            id,
            function,
            due: entry.due,
        },
        entry.bytes,
    ))
}

/// Adds the record of an open invocation and its entry in the index.
pub(super) fn put_open(txn: Txn, id: Id, record: &Record) -> Result<Txn, LedgerError> {
    let (key, open) = (keys::record(id), keys::open(id));
    let entry = OpenEntry {
        namespace: record.namespace.clone(),
        name: record.name.clone(),
        due: record.due,
        bytes: record.bytes,
    };
    let (record, entry) = (text(&key, record)?, text(&open, &entry)?);
    Ok(txn.put(key, record).put(open, entry))
}

impl Ledger {
    /// The invocations that `store` keeps.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let (bounds, policy) = (Bounds::default(), Policy::default());
        Self {
            store,
            clock,
            backlog: Backlog::default(),
            bounds,
            policy,
            kept: Kept::default(),
            ended: Ended::default(),
        }
    }

    /// With other bounds and rules.
    #[must_use]
    pub fn with(mut self, bounds: Bounds, policy: Policy) -> Self {
        (self.bounds, self.policy) = (bounds, policy);
        self
    }

    /// What waits.
    #[must_use]
    pub fn backlog(&self) -> &Backlog {
        &self.backlog
    }

    /// What is known of an invocation; `None` when there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find(&self, id: Id) -> Result<Option<Record>, LedgerError> {
        Ok(self.stored(id).await?.map(|stored| stored.record))
    }

    /// The body of the last answer.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn result(&self, id: Id) -> Result<Bytes, LedgerError> {
        Ok(self
            .store
            .get(&keys::result(id))
            .await?
            .map(|entry| entry.value)
            .unwrap_or_default())
    }

    pub(super) async fn stored(&self, id: Id) -> Result<Option<Stored>, LedgerError> {
        let read = |Entry {
                        key,
                        value,
                        mod_revision,
                        ..
                    }: Entry| {
            parse(&key, &value).map(|record| Stored {
                record,
                revision: mod_revision,
            })
        };
        self.store
            .get(&keys::record(id))
            .await?
            .map(read)
            .transpose()
    }

    /// Request and body; `None` when there is no request.
    pub(super) async fn request(&self, id: Id) -> Result<Option<(Request, Bytes)>, LedgerError> {
        let Some(request) = self.store.get(&keys::request(id)).await? else {
            return Ok(None);
        };
        let body = self
            .store
            .get(&keys::body(id))
            .await?
            .map(|entry| entry.value);
        Ok(Some((
            parse(&request.key, &request.value)?,
            body.unwrap_or_default(),
        )))
    }

    /// Notes that an attempt begins. Losing this in a crash loses nothing but the word "Running".
    pub(super) async fn begin(&self, id: Id, stored: &Stored) -> Result<Stored, LedgerError> {
        let record = Record {
            state: State::Running,
            ..stored.record.clone()
        };
        let key = keys::record(id);
        let txn = Txn::new(Durability::Eventual).when(&key, stored.revision);
        let txn = txn.put(key.clone(), text(&key, &record)?);
        Ok(Stored {
            record,
            revision: self.store.commit(txn).await?,
        })
    }

    /// Writes what came of an attempt that began at `revision`.
    pub(super) async fn settle(
        &self,
        id: Id,
        revision: Revision,
        record: &Record,
        response: Option<&Response>,
    ) -> Result<(), LedgerError> {
        let key = keys::record(id);
        // A refusal that is forgotten in a crash is a try that comes too soon; an attempt counts.
        let refused = record.refusals > 0 && !record.state.is_final();
        let durability = if refused {
            Durability::Eventual
        } else {
            Durability::Durable
        };
        let txn = Txn::new(durability).when(&key, revision);
        let answered = response.map_or(0, |response| response.body.len() as u64);
        // A dead letter's request stays with it, to be redriven.
        let kept = match record.state {
            State::Failed => answered.saturating_add(record.bytes),
            _ => answered,
        };
        let txn = match record.completed {
            None => put_open(txn, id, record)?,
            Some(at) => {
                let txn = txn
                    .put(key.clone(), text(&key, record)?)
                    .delete(keys::open(id));
                let txn = txn.put(keys::ended(at, id), kept.to_string());
                let txn = match response {
                    Some(response) if !response.body.is_empty() => {
                        txn.put(keys::result(id), response.body.clone())
                    }
                    _ => txn,
                };
                match record.state {
                    State::Failed => txn.put(keys::failed(at, id), Bytes::new()),
                    _ => txn.delete(keys::request(id)).delete(keys::body(id)),
                }
            }
        };
        self.store.commit(txn).await?;
        if record.completed.is_some() {
            self.ended.note(record.state);
            self.kept.add(kept);
        }
        Ok(())
    }
}
