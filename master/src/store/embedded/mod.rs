//! The store in one file of this machine, on redb.
//!
//! One thread writes. It takes all transactions that wait, applies them in one transaction of redb
//! and syncs once if any of them wants to be durable (group commit), so that the cost of a sync is
//! shared. Otherwise it syncs at most [`FLUSH_EVERY`] later. Readers never wait for it.
//!
//! Watchers read from a bounded log of recent batches in memory. After a restart the log is empty
//! and begins at the revision that was found, so that older watchers list again. Since a crash may
//! lose commits that were not synced yet, the revision jumps ahead by [`CRASH_GAP`] when the file
//! was not closed in order: a revision that somebody has seen is never given again.

mod layout;
mod leases;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use redb::{Database, ReadableDatabase};
use tokio::sync::oneshot;

use self::layout::{META, OBJECTS, REVISION};
use self::writer::{Request, Writer};
use super::log::{self, EventLog};
use super::{Changes, Entry, LeaseId, Listed, Page, Revision, Store, StoreCounts, StoreError, Txn};
use crate::clock::Clock;

/// Most requests that wait for the writer; one more is answered `Busy`.
pub const QUEUE: usize = 4096;
/// Longest time a commit that need not be durable stays off the disk.
pub const FLUSH_EVERY: Duration = Duration::from_millis(50);
/// How far revisions jump after a crash; more than can be committed between two syncs.
pub const CRASH_GAP: Revision = 1_000_000;

const CACHE_BYTES: usize = 64 << 20;

/// When durable commits are on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Before they return, as [`Durability::Durable`](super::Durability::Durable) says.
    #[default]
    Always,
    /// Like all others within [`FLUSH_EVERY`]: a crash takes the last moments with it. For development.
    Interval,
}

/// The embedded store. Dropping it syncs and closes the file.
pub struct EmbeddedStore {
    database: Arc<Database>,
    log: Arc<EventLog>,
    requests: Option<SyncSender<Request>>,
    writer: Option<JoinHandle<()>>,
}

impl EmbeddedStore {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When the file cannot be opened, is not a store, or is open elsewhere.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::open_with(path, clock, Fsync::Always, StoreCounts::default())
    }

    /// The same with a choice of when commits are on disk, and with counters.
    ///
    /// # Errors
    /// When the file cannot be opened, is not a store, or is open elsewhere.
    pub fn open_with(
        path: &Path,
        clock: Arc<dyn Clock>,
        fsync: Fsync,
        counts: StoreCounts,
    ) -> Result<Self, StoreError> {
        let attempt = || format!("open the store {}", path.display());
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(path)
            .map_err(|e| StoreError::failed(attempt(), e))?;
        let database = Arc::new(database);
        let opened = layout::open(&database)?;
        let log = Arc::new(EventLog::new(opened.revision));
        let (requests, queue) = sync_channel(QUEUE);
        let writer = Writer::new(Arc::clone(&database), Arc::clone(&log), clock, opened);
        let writer = writer.with(fsync, counts);
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run(&queue))
            .map_err(|e| StoreError::failed("start the store's writer", e))?;
        Ok(Self {
            database,
            log,
            requests: Some(requests),
            writer: Some(writer),
        })
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Request,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or(StoreError::Closed)?;
        requests
            .try_send(request(reply))
            .map_err(|error| match error {
                TrySendError::Full(_) => StoreError::Busy,
                TrySendError::Disconnected(_) => StoreError::Closed,
            })?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the store's writer had panicked");
        }
    }
}

fn list(
    database: &Database,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Listed, StoreError> {
    let failed = |e: redb::Error| StoreError::failed(format!("list {prefix:?}"), e);
    let txn = database.begin_read().map_err(|e| failed(e.into()))?;
    let meta = txn.open_table(META).map_err(|e| failed(e.into()))?;
    let revision = meta
        .get(REVISION)
        .map_err(|e| failed(e.into()))?
        .map_or(0, |v| v.value());
    let objects = txn.open_table(OBJECTS).map_err(|e| failed(e.into()))?;
    let start = after.filter(|after| *after >= prefix);
    let mut entries = Vec::new();
    let mut more = false;
    for row in objects
        .range(start.unwrap_or(prefix)..)
        .map_err(|e| failed(e.into()))?
    {
        let (key, value) = row.map_err(|e| failed(e.into()))?;
        let key = key.value();
        if start == Some(key) {
            continue;
        }
        if !key.starts_with(prefix) {
            break;
        }
        if limit > 0 && entries.len() == limit {
            more = true;
            break;
        }
        entries.push(layout::decode(key, value.value())?);
    }
    Ok(Listed {
        entries,
        revision,
        more,
    })
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let failed = |e: redb::Error| StoreError::failed(format!("get {key:?}"), e);
        let txn = self.database.begin_read().map_err(|e| failed(e.into()))?;
        let objects = txn.open_table(OBJECTS).map_err(|e| failed(e.into()))?;
        match objects.get(key).map_err(|e| failed(e.into()))? {
            Some(value) => Ok(Some(layout::decode(key, value.value())?)),
            None => Ok(None),
        }
    }

    async fn list(&self, page: Page<'_>) -> Result<Listed, StoreError> {
        let database = Arc::clone(&self.database);
        let prefix = page.prefix.to_owned();
        let after = page.after.map(str::to_owned);
        let limit = page.limit;
        tokio::task::spawn_blocking(move || list(&database, &prefix, after.as_deref(), limit))
            .await
            .map_err(|e| StoreError::failed("list", e))?
    }

    async fn commit(&self, txn: Txn) -> Result<Revision, StoreError> {
        txn.check()?;
        self.ask(|reply| Request::Commit { txn, reply }).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Changes, StoreError> {
        log::follow(&self.log, prefix.to_owned(), after)
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        self.ask(|reply| Request::Grant { ttl, reply }).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.ask(|reply| Request::KeepAlive { lease, reply }).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.ask(|reply| Request::Revoke { lease, reply }).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        Ok(self.log.head())
    }
}
