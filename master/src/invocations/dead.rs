use super::kept::read_bytes;
use super::ledger::put_open;
use super::{Accepted, Id, Ledger, LedgerError, State, keys};
use crate::store::{Durability, StoreError, Txn};

/// An invocation was not begun again.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// There is none.
    #[error("invocation {0} does not exist")]
    NotFound(Id),
    /// It is not a dead letter.
    #[error("invocation {0} is {state}; only one that is Failed can be redriven", state = .1.as_str())]
    NotFailed(Id, State),
    /// Its request had to make room.
    #[error(
        "the request of invocation {0} is not kept any more, as newer ones needed the room (invocations.max-results); call the function anew"
    )]
    NotKept(Id),
    /// Too much waits already.
    #[error("{0} asynchronous calls are waiting already; try again later")]
    Full(u64),
    /// The store failed.
    #[error("begin the invocation again")]
    Ledger(#[from] LedgerError),
}

impl Ledger {
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
        if stored.record.emptied {
            return Err(RedriveError::NotKept(id));
        }
        let place = self.backlog.reserve(stored.record.bytes, &self.bounds);
        let place = place.ok_or_else(|| RedriveError::Full(self.backlog.size().0))?;
        let kept = self
            .store
            .get(&keys::ended(ended, id))
            .await
            .map_err(LedgerError::from)?;
        let kept = kept.map_or(0, |entry| read_bytes(&entry.value));
        let record = stored.record.again(self.clock.now());
        let txn = Txn::new(Durability::Durable).when(keys::record(id), stored.revision);
        let txn = put_open(txn, id, &record)?
            .delete(keys::ended(ended, id))
            .delete(keys::failed(ended, id))
            .delete(keys::result(id));
        match self.store.commit(txn).await {
            Ok(_) => {
                place.take();
                self.kept.subtract(kept);
            }
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
