//! A store that is only read: a master that does not lead writes nothing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Changes, Entry, LeaseId, Listed, Page, Revision, Store, StoreError, Txn};

/// Refuses every write as [`StoreError::Deposed`].
pub struct Reader(Arc<dyn Store>);

impl Reader {
    /// A store that cannot be written by this way.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }
}

#[async_trait]
impl Store for Reader {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.0.get(key).await
    }

    async fn list(&self, page: Page<'_>) -> Result<Listed, StoreError> {
        self.0.list(page).await
    }

    async fn commit(&self, _: Txn) -> Result<Revision, StoreError> {
        Err(StoreError::Deposed)
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Changes, StoreError> {
        self.0.watch(prefix, after).await
    }

    async fn grant(&self, _: Duration) -> Result<LeaseId, StoreError> {
        Err(StoreError::Deposed)
    }

    async fn keep_alive(&self, _: LeaseId) -> Result<(), StoreError> {
        Err(StoreError::Deposed)
    }

    async fn revoke(&self, _: LeaseId) -> Result<(), StoreError> {
        Err(StoreError::Deposed)
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.0.revision().await
    }
}
