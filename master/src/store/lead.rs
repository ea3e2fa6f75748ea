//! Which of several masters on one store acts.
//!
//! The leader holds a key that dies with its lease. Each of its commits has the condition that the key
//! still is as it wrote it: a leader that was paused, and wakes up when another one leads, changes nothing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{
    Changes, Condition, Durability, Entry, LeaseId, Listed, Page, Revision, Store, StoreError, Txn,
};

/// The leader's key; its value says who it is.
const KEY: &str = "/troupe/leader";
/// How long a leader that says nothing is still the leader.
pub const TTL: Duration = Duration::from_secs(5);

/// The lead over a store.
pub struct Lead {
    store: Arc<dyn Store>,
    lease: LeaseId,
    /// When the key was written.
    revision: Revision,
    deposed: watch::Sender<bool>,
}

impl Lead {
    /// Waits until nobody leads, and takes the lead. `who` is shown to others, and is nobody else's.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take(store: Arc<dyn Store>, who: &str) -> Result<Self, StoreError> {
        let mut told = None;
        loop {
            let listed = store.list(Page::all(KEY)).await?;
            let Some(leader) = listed.entries.first() else {
                let lease = store.grant(TTL).await?;
                let taken = Txn::new(Durability::Durable).when(KEY, 0).put_leased(
                    KEY,
                    who.to_owned(),
                    lease,
                );
                match store.commit(taken).await {
                    Ok(revision) => {
                        return Ok(Self {
                            store,
                            lease,
                            revision,
                            deposed: watch::Sender::new(false),
                        });
                    }
                    // Another one was faster.
                    Err(StoreError::Conflict { .. }) => store.revoke(lease).await?,
                    Err(StoreError::LeaseGone(_)) => {}
                    Err(error) => return Err(error),
                }
                continue;
            };
            if told != Some(leader.mod_revision) {
                told = Some(leader.mod_revision);
                let leader = String::from_utf8_lossy(&leader.value);
                tracing::info!(%leader, "another master leads; this one waits to take over");
            }
            if let Ok(mut changes) = store.watch(KEY, listed.revision).await {
                // Whatever comes, the next look tells.
                let _ = timeout(TTL, changes.next()).await;
            }
        }
    }

    /// The store, as the leader may write it.
    #[must_use]
    pub fn fence(&self) -> Arc<dyn Store> {
        Arc::new(Fenced {
            store: Arc::clone(&self.store),
            revision: self.revision,
            deposed: self.deposed.clone(),
        })
    }

    /// Says again and again that the leader lives, until the lead is lost.
    pub async fn keep(&self) {
        loop {
            match self.store.keep_alive(self.lease).await {
                Err(StoreError::LeaseGone(_)) => {
                    self.deposed.send_replace(true);
                    return;
                }
                Err(error) => tracing::warn!(%error, "could not keep the lead alive"),
                Ok(()) => {}
            }
            sleep(TTL / 4).await;
        }
    }

    /// Waits until it is known that the lead is lost.
    pub async fn lost(&self) {
        // The sender lives as long as `self`.
        let _ = self.deposed.subscribe().wait_for(|deposed| *deposed).await;
    }

    /// Lets another master take over at once.
    pub async fn resign(&self) {
        if let Err(error) = self.store.revoke(self.lease).await {
            tracing::warn!(%error, "another master can take over when the lease ends");
        }
    }
}

/// A store that takes a leader's commits as long as it leads.
struct Fenced {
    store: Arc<dyn Store>,
    revision: Revision,
    deposed: watch::Sender<bool>,
}

#[async_trait]
impl Store for Fenced {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.store.get(key).await
    }

    async fn list(&self, page: Page<'_>) -> Result<Listed, StoreError> {
        self.store.list(page).await
    }

    async fn commit(&self, mut txn: Txn) -> Result<Revision, StoreError> {
        // First, so that it is told before any other conflict.
        let leads = Condition {
            key: KEY.to_owned(),
            mod_revision: self.revision,
        };
        txn.conditions.insert(0, leads);
        match self.store.commit(txn).await {
            Err(StoreError::Conflict { key, .. }) if key == KEY => {
                self.deposed.send_replace(true);
                Err(StoreError::Deposed)
            }
            outcome => outcome,
        }
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
