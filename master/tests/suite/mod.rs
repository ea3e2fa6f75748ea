//! The store suite's tests, each a function of a store under test.

mod leases;
mod model;
mod txns;
mod watches;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use master::store::{Batch, Change, Changes, Store};

pub(crate) use leases::*;
pub(crate) use model::*;
pub(crate) use txns::*;
pub(crate) use watches::*;

/// A store under test.
pub(crate) trait Subject {
    fn store(&self) -> Arc<dyn Store>;

    /// Lets the time pass that leases are measured by.
    fn pass_time(&self, by: Duration);
}

/// A test that hangs fails.
pub(crate) async fn within(test: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(120), test)
        .await
        .expect("the test hangs");
}

pub(crate) async fn next(changes: &mut Changes) -> Batch {
    changes
        .next()
        .await
        .expect("the watch ended")
        .expect("the watch failed")
}

pub(crate) fn shape(batch: &Batch) -> Vec<String> {
    batch
        .changes
        .iter()
        .map(|change| match change {
            Change::Put(entry) => {
                format!("{}={}", entry.key, String::from_utf8_lossy(&entry.value))
            }
            Change::Deleted { key, previous } => {
                format!("{key} gone, was {}", String::from_utf8_lossy(previous))
            }
        })
        .collect()
}
