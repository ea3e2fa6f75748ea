//! Which of several masters on one store acts.
//!
//! The leader holds a key that dies with its lease. Each of its commits has the condition that the key
//! still is as it wrote it: a leader that was paused, and wakes up when another one leads, changes nothing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{
    Changes, Condition, Durability, Entry, LeaseId, Listed, Page, Revision, Store, StoreError,
    Tenure, Txn,
};
use crate::clock::Clock;

/// The leader's key; its value says who it is.
const KEY: &str = "/troupe/leader";
/// How long a leader that says nothing is still the leader.
pub const TTL: Duration = Duration::from_secs(5);
/// How much earlier a leader stops being sure of it: clocks do not run alike.
const MARGIN: Duration = Duration::from_millis(500);

/// The lead over a store.
pub struct Lead {
    store: Arc<dyn Store>,
    lease: LeaseId,
    /// When the key was written.
    revision: Revision,
    deposed: watch::Sender<bool>,
    clock: Arc<dyn Clock>,
    /// Until when it is sure, by that clock.
    until: watch::Sender<Duration>,
}

/// A master that leads, as others are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    /// Nobody else's: a master that starts again has another one.
    pub id: String,
    /// Where other masters and agents reach its API.
    pub url: String,
}

/// Who leads now, as far as is known.
pub type Leaders = watch::Sender<Option<Leader>>;

impl Lead {
    /// Takes the lead if nobody has it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn try_take(
        store: &Arc<dyn Store>,
        me: &Leader,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Self>, StoreError> {
        if store.get(KEY).await?.is_some() {
            return Ok(None);
        }
        let text = serde_json::to_vec(me).map_err(|e| StoreError::failed("take the lead", e))?;
        let asked = clock.monotonic();
        let lease = store.grant(TTL).await?;
        let taken = Txn::new(Durability::Durable).when(KEY, 0);
        match store.commit(taken.put_leased(KEY, text, lease)).await {
            Ok(revision) => Ok(Some(Self {
                store: Arc::clone(store),
                lease,
                revision,
                deposed: watch::Sender::new(false),
                clock: Arc::clone(clock),
                until: watch::Sender::new(sure_until(asked)),
            })),
            // Another one was faster.
            Err(StoreError::Conflict { .. }) => {
                store.revoke(lease).await?;
                Ok(None)
            }
            Err(StoreError::LeaseGone(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits until nobody leads, however long the store is away meanwhile, and takes the lead. Says in `leaders` who
    /// leads.
    pub async fn take(
        store: Arc<dyn Store>,
        me: &Leader,
        clock: &Arc<dyn Clock>,
        leaders: &Leaders,
    ) -> Self {
        loop {
            match Self::look(&store, me, clock, leaders).await {
                Ok(Some(lead)) => return lead,
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(error = crate::explain(&error), "could not look who leads");
                    sleep(TTL / 5).await;
                }
            }
        }
    }

    /// Looks who leads, takes the lead where nobody does, and else waits for a change.
    async fn look(
        store: &Arc<dyn Store>,
        me: &Leader,
        clock: &Arc<dyn Clock>,
        leaders: &Leaders,
    ) -> Result<Option<Self>, StoreError> {
        let listed = store.list(Page::all(KEY)).await?;
        // One that an older master wrote says no address.
        let leader = listed.entries.first().map(|entry| {
            serde_json::from_slice(&entry.value).unwrap_or_else(|_| Leader {
                id: String::from_utf8_lossy(&entry.value).into_owned(),
                url: String::new(),
            })
        });
        let vacant = leader.is_none();
        leaders.send_if_modified(|known| {
            let new = *known != leader;
            if let Some(leader) = leader.as_ref().filter(|_| new) {
                tracing::info!(leader = leader.id, url = leader.url, "another master leads");
            }
            *known = leader;
            new
        });
        if vacant {
            let lead = Self::try_take(store, me, clock).await?;
            if lead.is_some() {
                leaders.send_replace(Some(me.clone()));
            }
            return Ok(lead);
        }
        let mut changes = store.watch(KEY, listed.revision).await?;
        // Whatever comes, the next look tells.
        let _ = timeout(TTL, changes.next()).await;
        Ok(None)
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

    /// Until when this master can be sure of the lead.
    #[must_use]
    pub fn tenure(&self) -> Tenure {
        Tenure::limited(Arc::clone(&self.clock), self.until.subscribe())
    }

    /// Says again and again that the leader lives, until the lead is lost.
    pub async fn keep(&self) {
        loop {
            let asked = self.clock.monotonic();
            match self.store.keep_alive(self.lease).await {
                Err(StoreError::LeaseGone(_)) => {
                    self.deposed.send_replace(true);
                    return;
                }
                Err(error) => tracing::warn!(%error, "could not keep the lead alive"),
                Ok(()) => {
                    self.until.send_replace(sure_until(asked));
                }
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

/// Until when nobody else can lead, when the store heard that this one lives after `asked`.
fn sure_until(asked: Duration) -> Duration {
    asked + TTL.saturating_sub(MARGIN)
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
