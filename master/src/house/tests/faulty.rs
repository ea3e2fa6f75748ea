use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::store::{Changes, Entry, LeaseId, Listed, Page, Revision, Store, StoreError, Txn};

type Rule = Box<dyn Fn(&Txn) -> bool + Send>;

/// A store that fails what it is told to.
pub(super) struct Faulty {
    store: Arc<dyn Store>,
    rule: Mutex<Option<Rule>>,
    unreadable: Mutex<Option<String>>,
    failed: AtomicU32,
}

impl Faulty {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            rule: Mutex::new(None),
            unreadable: Mutex::new(None),
            failed: AtomicU32::new(0),
        }
    }

    /// From now on it fails commits that are so.
    pub(super) fn fail(&self, rule: impl Fn(&Txn) -> bool + Send + 'static) {
        *self.rule.lock() = Some(Box::new(rule));
    }

    /// From now on it fails to read what is beneath a prefix.
    pub(super) fn hide(&self, prefix: &str) {
        *self.unreadable.lock() = Some(prefix.to_owned());
    }

    /// It works again.
    pub(super) fn heal(&self) {
        *self.rule.lock() = None;
        *self.unreadable.lock() = None;
    }

    /// How many commits and reads it has failed.
    pub(super) fn failed(&self) -> u32 {
        self.failed.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Store for Faulty {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let hidden = self.unreadable.lock().clone();
        if hidden.is_some_and(|prefix| key.starts_with(&prefix)) {
            self.failed.fetch_add(1, Ordering::SeqCst);
            return Err(StoreError::failed("get", "the disk is away"));
        }
        self.store.get(key).await
    }

    async fn list(&self, page: Page<'_>) -> Result<Listed, StoreError> {
        self.store.list(page).await
    }

    async fn commit(&self, txn: Txn) -> Result<Revision, StoreError> {
        if self.rule.lock().as_ref().is_some_and(|fails| fails(&txn)) {
            self.failed.fetch_add(1, Ordering::SeqCst);
            return Err(StoreError::failed("commit", "the disk is away"));
        }
        self.store.commit(txn).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Changes, StoreError> {
        self.store.watch(prefix, after).await
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
