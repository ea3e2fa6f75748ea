use super::accept::KeyEntry;
use super::kept::read_bytes;
use super::ledger::{parse, text};
use super::{Id, Ledger, LedgerError, Record, keys};
use crate::store::{Durability, Page, StoreError, Txn};

/// Ended invocations looked at in one go.
const PAGE: usize = 200;

impl Ledger {
    /// Forgets the invocations that ended longer ago than they are kept, and empties the oldest while more is kept of
    /// all than may be; how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self) -> Result<usize, LedgerError> {
        let now = self.clock.now();
        let (mut after, mut swept) = (None::<String>, 0);
        loop {
            let page = Page {
                prefix: keys::ENDED,
                after: after.as_deref(),
                limit: PAGE,
            };
            let listed = self.store.list(page).await?;
            for entry in &listed.entries {
                let Some((ended, id)) = keys::read_timed(&entry.key) else {
                    continue;
                };
                let bytes = read_bytes(&entry.value);
                let end = ended.checked_add(self.policy.keep);
                if end.is_ok_and(|end| end <= now) {
                    self.forget(id, ended, bytes).await?;
                } else if !self.keeps_too_much() {
                    return Ok(swept);
                } else if bytes > 0 {
                    self.empty(id, ended, bytes).await?;
                } else {
                    continue;
                }
                swept += 1;
            }
            match listed.entries.last().filter(|_| listed.more) {
                Some(last) => after = Some(last.key.clone()),
                None => return Ok(swept),
            }
        }
    }

    /// Makes room: how it ended, and its idempotency key, count on.
    async fn empty(&self, id: Id, ended: jiff::Timestamp, bytes: u64) -> Result<(), LedgerError> {
        let Some(stored) = self.stored(id).await? else {
            return self.forget(id, ended, bytes).await;
        };
        let record = Record {
            emptied: true,
            ..stored.record
        };
        let key = keys::record(id);
        let txn = Txn::new(Durability::Eventual)
            .when(&key, stored.revision)
            .put(key.clone(), text(&key, &record)?)
            .put(keys::ended(ended, id), "0")
            .delete(keys::request(id))
            .delete(keys::body(id))
            .delete(keys::result(id));
        match self.store.commit(txn).await {
            Ok(_) => {
                self.kept.subtract(bytes);
                Ok(())
            }
            // It was redriven.
            Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
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
