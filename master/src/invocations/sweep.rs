use super::accept::KeyEntry;
use super::kept::read_bytes;
use super::ledger::parse;
use super::{Id, Ledger, LedgerError, keys};
use crate::store::{Durability, Page, StoreError, Txn};

/// Ended invocations looked at in one go.
const PAGE: usize = 200;

impl Ledger {
    /// Forgets the invocations that ended longer ago than they are kept, and the oldest while the
    /// answers together are larger than they may be; how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self) -> Result<usize, LedgerError> {
        let now = self.clock.now();
        let mut swept = 0;
        loop {
            let page = Page {
                prefix: keys::ENDED,
                after: None,
                limit: PAGE,
            };
            let listed = self.store.list(page).await?;
            let ended = listed.entries.iter().filter_map(|entry| {
                let (at, id) = keys::read_timed(&entry.key)?;
                Some((at, id, read_bytes(&entry.value)))
            });
            let mut gone = 0;
            for (ended, id, bytes) in ended {
                let old = ended
                    .checked_add(self.policy.keep)
                    .is_ok_and(|end| end <= now);
                if !old && self.kept.bytes() <= self.bounds.results {
                    break;
                }
                self.forget(id, ended, bytes).await?;
                gone += 1;
            }
            swept += gone;
            if gone < PAGE {
                return Ok(swept);
            }
        }
    }

    async fn forget(&self, id: Id, ended: jiff::Timestamp, bytes: u64) -> Result<(), LedgerError> {
        let txn = Txn::new(Durability::Eventual)
            .delete(keys::ended(ended, id))
            .delete(keys::failed(ended, id));
        let Some(stored) = self.stored(id).await? else {
            self.store.commit(txn).await?;
            self.kept.subtract(bytes);
            return Ok(());
        };
        let txn = txn
            .when(keys::record(id), stored.revision)
            .delete(keys::record(id))
            .delete(keys::request(id))
            .delete(keys::body(id))
            .delete(keys::result(id));
        let txn = match self.own_key(id, stored.record.key.as_deref()).await? {
            Some((key, revision)) => txn.when(key.clone(), revision).delete(key),
            None => txn,
        };
        match self.store.commit(txn).await {
            Ok(_) => {
                self.kept.subtract(bytes);
                Ok(())
            }
            // It was redriven, or its key was given away; the next sweep sees that.
            Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The invocation's idempotency key, while it is still its own.
    async fn own_key(
        &self,
        id: Id,
        hash: Option<&str>,
    ) -> Result<Option<(String, u64)>, LedgerError> {
        let Some(hash) = hash else { return Ok(None) };
        let Some(entry) = self.store.get(&keys::idempotency(hash)).await? else {
            return Ok(None);
        };
        let owner: KeyEntry = parse(&entry.key, &entry.value)?;
        let own = Id::parse(&owner.id) == Some(id);
        Ok(own.then_some((entry.key, entry.mod_revision)))
    }
}
