use bytes::Bytes;
use common::resources::Retry;
use serde::{Deserialize, Serialize};

use super::ledger::{parse, put_open, text};
use super::{Id, Ledger, LedgerError, Record, Request, State, keys};
use crate::key::ObjectKey;
use crate::store::{Durability, Revision, StoreError, Txn};

/// Most tries against others who send the same key.
const TRIES: usize = 8;

/// An invocation that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub id: Id,
    /// How far it is; another state than Pending when the idempotency key was known.
    pub state: State,
}

/// What is agreed on with the call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms<'a> {
    /// The client's idempotency key.
    pub key: Option<&'a str>,
    /// What the function says of retries.
    pub retry: Option<Retry>,
}

/// A call was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Too much waits already.
    #[error("{0} asynchronous calls are waiting already; try again later")]
    Full(u64),
    /// The body is larger than the store takes.
    #[error("the request is too large to be stored: {0}")]
    TooLarge(String),
    /// The store is busy, or others send the same key at the same time.
    #[error("the store of invocations is busy; try again")]
    Busy,
    /// It cannot be stored.
    #[error("store the call")]
    Ledger(#[from] LedgerError),
}

impl From<StoreError> for AcceptError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::Busy,
            StoreError::TooLarge(why) => Self::TooLarge(why),
            error => Self::Ledger(error.into()),
        }
    }
}

/// Whose an idempotency key is.
#[derive(Serialize, Deserialize)]
pub(super) struct KeyEntry {
    pub(super) id: String,
    created: jiff::Timestamp,
}

impl Ledger {
    /// Stores a call; it is on disk when this returns. With an idempotency key that was seen for the
    /// same function within the time results are kept, it is the invocation of then.
    ///
    /// # Errors
    /// When too much waits, or it cannot be stored.
    pub async fn accept(
        &self,
        id: Id,
        function: &ObjectKey,
        request: &Request,
        body: Bytes,
        terms: Terms<'_>,
    ) -> Result<Accepted, AcceptError> {
        let hash = terms.key.map(|key| keys::hash(function, key));
        for _ in 0..TRIES {
            let mut holds = 0;
            if let Some(hash) = &hash {
                match self.known(hash).await? {
                    Known::Alive(accepted) => return Ok(accepted),
                    Known::Stale(revision) => holds = revision,
                }
            }
            let bytes = body.len() as u64;
            let place = self.backlog.reserve(bytes, &self.bounds);
            let place = place.ok_or_else(|| AcceptError::Full(self.backlog.size().0))?;
            let mut record = Record::new(function, bytes, self.clock.now());
            record.key.clone_from(&hash);
            record.retry = terms.retry;
            let txn = put_open(Txn::new(Durability::Durable), id, &record)?;
            let txn = txn.put(keys::request(id), text("request", request)?);
            let txn = if body.is_empty() {
                txn
            } else {
                txn.put(keys::body(id), body.clone())
            };
            let txn = match &hash {
                Some(hash) => {
                    let key = keys::idempotency(hash);
                    let entry = KeyEntry {
                        id: id.to_string(),
                        created: record.created,
                    };
                    let entry = text(&key, &entry)?;
                    txn.when(&key, holds).put(key, entry)
                }
                None => txn,
            };
            match self.store.commit(txn).await {
                Ok(_) => {
                    place.take();
                    return Ok(Accepted {
                        id,
                        state: State::Pending,
                    });
                }
                // Somebody else sent the same key a moment before.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(AcceptError::Busy)
    }

    async fn known(&self, hash: &str) -> Result<Known, AcceptError> {
        let Some(entry) = self.store.get(&keys::idempotency(hash)).await? else {
            return Ok(Known::Stale(0));
        };
        let revision = entry.mod_revision;
        let KeyEntry { id, created } = parse(&entry.key, &entry.value)?;
        let until = created
            .checked_add(self.policy.keep)
            .unwrap_or(jiff::Timestamp::MAX);
        let Some(id) = Id::parse(&id) else {
            return Ok(Known::Stale(revision));
        };
        let record = self.find(id).await?;
        // One that waits may be older than its key would count: it is the call of that key all the same.
        let record = record.filter(|known| !known.state.is_final() || self.clock.now() < until);
        Ok(match record {
            Some(record) => Known::Alive(Accepted {
                id,
                state: record.state,
            }),
            None => Known::Stale(revision),
        })
    }
}

enum Known {
    /// The key's invocation.
    Alive(Accepted),
    /// The key is free; it was written at this revision (0: never).
    Stale(Revision),
}
