use super::ledger::put_open;
use super::{Accepted, Id, Ledger, LedgerError, Record, State, keys};
use crate::store::{Durability, Page, StoreError, Txn};

/// A page of the dead letters, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetters {
    /// The invocations.
    pub items: Vec<(Id, Record)>,
    /// Where the next page begins, when there is one.
    pub next: Option<String>,
}

/// An invocation was not begun again.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// There is none.
    #[error("invocation {0} does not exist")]
    NotFound(Id),
    /// It is not a dead letter.
    #[error("invocation {0} is {state}; only one that is Failed can be redriven", state = .1.as_str())]
    NotFailed(Id, State),
    /// Too much waits already.
    #[error("{0} asynchronous calls are waiting already; try again later")]
    Full(u64),
    /// The store failed.
    #[error("begin the invocation again")]
    Ledger(#[from] LedgerError),
}

impl Ledger {
    /// A page of at most `limit` dead letters; `after` is an earlier page's [`DeadLetters::next`].
    ///
    /// # Errors
    /// When the store fails.
    pub async fn failed(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<DeadLetters, LedgerError> {
        let after = after.map(|after| format!("{}{after}", keys::FAILED));
        let page = Page {
            prefix: keys::FAILED,
            after: after.as_deref(),
            limit,
        };
        let listed = self.store.list(page).await?;
        let mut items = Vec::with_capacity(listed.entries.len());
        for entry in &listed.entries {
            let Some((_, id)) = keys::read_timed(&entry.key) else {
                continue;
            };
            // It may have been redriven or swept in between.
            let record = self
                .find(id)
                .await?
                .filter(|record| record.state == State::Failed);
            items.extend(record.map(|record| (id, record)));
        }
        let last = listed.entries.last().filter(|_| listed.more);
        let next = last
            .and_then(|last| last.key.strip_prefix(keys::FAILED))
            .map(str::to_owned);
        Ok(DeadLetters { items, next })
    }

    /// Begins a dead letter again, with all its attempts.
    ///
    /// # Errors
    /// When it is not a dead letter, or cannot be begun.
    pub async fn redrive(&self, id: Id) -> Result<Accepted, RedriveError> {
        let stored = self.stored(id).await?.ok_or(RedriveError::NotFound(id))?;
        let ended = match (stored.record.state, stored.record.completed) {
            (State::Failed, Some(ended)) => ended,
            (state, _) => return Err(RedriveError::NotFailed(id, state)),
        };
        let place = self.backlog.reserve(stored.record.bytes, &self.bounds);
        let place = place.ok_or_else(|| RedriveError::Full(self.backlog.size().0))?;
        let record = stored.record.again(self.clock.now());
        let txn = Txn::new(Durability::Durable).when(keys::record(id), stored.revision);
        let txn = put_open(txn, id, &record)?
            .delete(keys::ended(ended, id))
            .delete(keys::failed(ended, id))
            .delete(keys::result(id));
        match self.store.commit(txn).await {
            Ok(_) => place.take(),
            // Somebody else redrove it a moment before; the place goes back.
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(LedgerError::from(error).into()),
        }
        Ok(Accepted {
            id,
            state: State::Pending,
        })
    }
}
