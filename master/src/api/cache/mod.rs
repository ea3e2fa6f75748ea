//! The watch cache: one watch on the store per kind, however many clients watch.
//!
//! A cache holds the kind's objects (as text, to be small) and a bounded ring of recent changes.
//! Clients follow the ring at their own pace and keep only their position; one that is slower than
//! the ring is long is told that its version expired and lists again. When the cache itself loses its
//! watch on the store it begins a new life: all clients are told the same.

mod follow;
mod ring;

use std::sync::Arc;

use bytes::Bytes;
use common::resources::{KINDS, Kind};
use parking_lot::RwLock;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub(super) use ring::{CacheEvent, EventKind, Expired, Ring};

use crate::objects::Objects;
use crate::store::Revision;

/// An object's text, and when it last changed.
#[derive(Clone, Debug)]
pub(super) struct Cached {
    pub(super) text: Bytes,
    pub(super) revision: Revision,
}

impl Cached {
    /// The object as JSON, with its resourceVersion; `None` when the text is damaged.
    pub(super) fn parse(&self) -> Option<Value> {
        let mut object: Value = serde_json::from_slice(&self.text).ok()?;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        Some(object)
    }
}

/// The cache of one kind.
pub(super) struct KindCache {
    ring: RwLock<Ring>,
    /// The last revision; 0 until the cache is filled.
    head: watch::Sender<Revision>,
}

impl KindCache {
    fn new() -> Self {
        Self {
            ring: RwLock::new(Ring::default()),
            head: watch::Sender::new(0),
        }
    }

    /// Waits until the cache is filled.
    pub(super) async fn filled(&self) {
        // The sender lives as long as `self`.
        let _ = self.head.subscribe().wait_for(|head| *head > 0).await;
    }

    pub(super) fn is_filled(&self) -> bool {
        *self.head.borrow() > 0
    }

    pub(super) fn changes(&self) -> watch::Receiver<Revision> {
        self.head.subscribe()
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&Ring) -> T) -> T {
        read(&self.ring.read())
    }
}

/// The watch caches of all kinds. Dropping them ends their watches on the store.
pub struct Caches {
    kinds: Vec<(&'static Kind, Arc<KindCache>)>,
    tasks: Vec<AbortHandle>,
}

impl Caches {
    /// Starts one cache per kind, on the current runtime.
    #[must_use]
    pub fn start(objects: &Objects) -> Self {
        let mut kinds = Vec::with_capacity(KINDS.len());
        let mut tasks = Vec::with_capacity(KINDS.len());
        for kind in KINDS {
            let cache = Arc::new(KindCache::new());
            let task = follow::run(Arc::clone(objects.store()), kind, Arc::clone(&cache));
            tasks.push(tokio::spawn(task).abort_handle());
            kinds.push((kind, cache));
        }
        Self { kinds, tasks }
    }

    pub(super) fn of(&self, kind: &Kind) -> Option<&Arc<KindCache>> {
        self.kinds
            .iter()
            .find(|(known, _)| *known == kind)
            .map(|(_, cache)| cache)
    }

    pub(super) fn are_filled(&self) -> bool {
        self.kinds.iter().all(|(_, cache)| cache.is_filled())
    }
}

impl Drop for Caches {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}
