//! A store whose secret values are sealed beneath it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;

use super::{
    Batch, Change, Changes, Entry, LeaseId, Listed, Page, Revision, Store, StoreError, Txn,
};
use crate::seal::Keyring;

/// Seals the values of all keys with a prefix on their way into a store, and opens them on their way out. Values that
/// were there before are read as they are, and sealed when they are written the next time.
pub struct Sealed {
    store: Arc<dyn Store>,
    seal: Seal,
}

#[derive(Clone)]
struct Seal {
    keys: Arc<Keyring>,
    prefix: Arc<str>,
}

impl Sealed {
    /// Seals what stands beneath `prefix`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, keys: Keyring, prefix: &str) -> Self {
        let seal = Seal {
            keys: Arc::new(keys),
            prefix: prefix.into(),
        };
        Self { store, seal }
    }
}

impl Seal {
    fn open(&self, key: &str, value: &mut Bytes) -> Result<(), StoreError> {
        if !key.starts_with(&*self.prefix) {
            return Ok(());
        }
        match self.keys.open(key, value) {
            Ok(None) => Ok(()),
            Ok(Some(opened)) => {
                *value = opened.into();
                Ok(())
            }
            Err(error) => Err(StoreError::failed(format!("read {key:?}"), error)),
        }
    }

    fn open_batch(&self, mut batch: Batch) -> Result<Batch, StoreError> {
        for change in &mut batch.changes {
            match change {
                Change::Put(entry) => self.open(&entry.key, &mut entry.value)?,
                Change::Deleted { key, previous } => self.open(key, previous)?,
            }
        }
        Ok(batch)
    }
}

#[async_trait]
impl Store for Sealed {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let mut found = self.store.get(key).await?;
        if let Some(entry) = &mut found {
            self.seal.open(key, &mut entry.value)?;
        }
        Ok(found)
    }

    async fn list(&self, page: Page<'_>) -> Result<Listed, StoreError> {
        let mut listed = self.store.list(page).await?;
        for entry in &mut listed.entries {
            self.seal.open(&entry.key, &mut entry.value)?;
        }
        Ok(listed)
    }

    async fn commit(&self, mut txn: Txn) -> Result<Revision, StoreError> {
        for put in &mut txn.puts {
            if put.key.starts_with(&*self.seal.prefix) {
                let sealed = self.seal.keys.seal(&put.key, &put.value);
                let failed = |e| StoreError::failed(format!("write {:?}", put.key), e);
                put.value = sealed.map_err(failed)?.into();
            }
        }
        self.store.commit(txn).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Changes, StoreError> {
        let changes = self.store.watch(prefix, after).await?;
        let apart =
            !self.seal.prefix.starts_with(prefix) && !prefix.starts_with(&*self.seal.prefix);
        if apart {
            return Ok(changes);
        }
        let seal = self.seal.clone();
        let opened = changes.map(move |batch| batch.and_then(|batch| seal.open_batch(batch)));
        Ok(opened.boxed())
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        self.store.grant(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.revoke(lease).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.store.revision().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::store::{Durability, EmbeddedStore};

    const KEY: &str = "/secrets/a";

    fn put(key: &str, value: &str) -> Txn {
        Txn::new(Durability::Durable).put(key, value.to_owned())
    }

    #[tokio::test]
    async fn what_is_secret_is_sealed_beneath_and_plain_above_and_old_values_stay_readable() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock::default());
        let beneath = EmbeddedStore::open(&dir.path().join("store.redb"), clock).unwrap();
        let beneath: Arc<dyn Store> = Arc::new(beneath);
        let start = beneath.commit(put(KEY, "{old}")).await.unwrap();
        let keys = Keyring::random();
        let text = keys.text();
        let above = Sealed::new(Arc::clone(&beneath), keys, "/secrets/");
        let read = async |key: &str| above.get(key).await.unwrap().unwrap().value;
        let raw = async |key: &str| beneath.get(key).await.unwrap().unwrap().value;

        assert_eq!(read(KEY).await, "{old}");
        let mut changes = above.watch("/", start).await.unwrap();
        above.commit(put(KEY, "{new}")).await.unwrap();
        above.commit(put("/maps/a", "{map}")).await.unwrap();
        assert_eq!(read(KEY).await, "{new}");
        assert!(raw(KEY).await.starts_with(b"sealed:v1:"));
        assert!(!raw(KEY).await.windows(3).any(|part| part == b"new"));
        assert_eq!(raw("/maps/a").await, "{map}");
        let listed = above.list(Page::all("/")).await.unwrap();
        let values: Vec<_> = listed.entries.iter().map(|e| e.value.clone()).collect();
        assert_eq!(values, ["{map}", "{new}"]);

        above
            .commit(Txn::new(Durability::Durable).delete(KEY))
            .await
            .unwrap();
        let mut seen = Vec::new();
        for _ in 0..3 {
            for change in changes.next().await.unwrap().unwrap().changes {
                seen.push(match change {
                    Change::Put(entry) => entry.value,
                    Change::Deleted { previous, .. } => previous,
                });
            }
        }
        assert_eq!(seen, ["{new}", "{map}", "{new}"]);

        // A value that somebody moved to another key does not open there.
        above.commit(put("/secrets/b", "{b}")).await.unwrap();
        let moved = Txn::new(Durability::Durable).put(KEY, raw("/secrets/b").await);
        beneath.commit(moved).await.unwrap();
        assert!(above.get(KEY).await.is_err());
        let again = Sealed::new(beneath, Keyring::parse(&text).unwrap(), "/secrets/");
        assert_eq!(again.get("/secrets/b").await.unwrap().unwrap().value, "{b}");
    }
}
