//! Where the cluster's state lives: ordered keys, one counter of revisions, nothing else.
//!
//! Everything above (objects, journals, tokens) is built from five words: get, list, commit, watch
//! and lease. The words are chosen so that both an embedded file and etcd can say them, and each
//! implementation passes the same suite (`tests/store_suite`).
//!
//! - **Revisions.** Each commit that changes something gets the next revision; all its changes carry
//!   it. Revisions never repeat, not even after a crash; they may skip numbers.
//! - **Commit** is compare-and-swap: conditions on the revision at which keys last changed (0: the
//!   key is absent). Either all changes happen or none.
//! - **Durability.** [`Durability::Durable`] is on disk when the commit returns. [`Durability::Eventual`]
//!   is visible at once and on disk soon; a crash may lose the last moments of it, but never
//!   something older than what it keeps.
//! - **Watch** delivers every change after a revision, in order, each commit as one batch. A watcher
//!   that falls behind, or asks for what is no longer kept, gets [`StoreError::Compacted`] and lists
//!   again. Nothing is ever skipped silently.
//! - **Leases** delete keys whose holder stopped saying that it lives; watchers see these deletions
//!   like any other.

mod change;
pub mod embedded;
mod error;
pub mod etcd;
pub mod lead;
mod log;
mod metrics;
pub mod migration;
mod pages;
mod reader;
mod sealed;
mod tenure;
mod txn;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

pub use change::{Batch, Change, Entry, Listed, Page};
pub use embedded::{EmbeddedStore, Fsync};
pub use error::StoreError;
pub use etcd::EtcdStore;
pub use metrics::StoreCounts;
pub use pages::{Pages, Shown};
pub use reader::Reader;
pub use sealed::Sealed;
pub use tenure::Tenure;
pub use txn::{Condition, Durability, MAX_OPERATIONS, MAX_VALUE_BYTES, Put, Txn};

/// Counts the changes of a store.
pub type Revision = u64;

/// Names a lease.
pub type LeaseId = u64;

/// Batches of changes, in order of revision; after an error it ends.
pub type Changes = BoxStream<'static, Result<Batch, StoreError>>;

/// A store of keys. See the module's essay for what its words promise.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What a key holds.
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError>;

    /// Entries under a prefix in order of key. The page is consistent: it shows the store at
    /// [`Listed::revision`], so that a watch from there misses nothing.
    async fn list(&self, page: Page<'_>) -> Result<Listed, StoreError>;

    /// Applies a transaction; its revision.
    async fn commit(&self, txn: Txn) -> Result<Revision, StoreError>;

    /// Every change of keys under `prefix` after revision `after`.
    async fn watch(&self, prefix: &str, after: Revision) -> Result<Changes, StoreError>;

    /// A new lease that ends `ttl` after the last sign of life.
    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError>;

    /// A sign of life.
    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// Ends a lease now; its keys are deleted.
    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// The revision of the last change.
    async fn revision(&self) -> Result<Revision, StoreError>;
}
