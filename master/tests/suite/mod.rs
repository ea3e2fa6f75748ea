//! The store suite's tests, each a function of a store under test.

mod lead;
mod leases;
mod model;
mod txns;
mod watches;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use master::store::{Batch, Change, Changes, Store};

pub(crate) use lead::*;
pub(crate) use leases::*;
pub(crate) use model::*;
pub(crate) use txns::*;
pub(crate) use watches::*;

/// A store under test.
pub(crate) trait Subject {
    fn store(&self) -> Arc<dyn Store>;

    /// A time to live that is not long to wait for.
    fn ttl(&self) -> Duration {
        Duration::from_secs(5)
    }

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

/// Hands the names of all tests to a macro that makes tests of them for one store.
#[macro_export]
macro_rules! store_tests {
    ($make:ident) => {
        $make!(
            what_is_written_is_read,
            a_commit_happens_whole_or_not_at_all,
            of_many_rivals_one_wins,
            lists_are_ordered_and_paged,
            a_watch_from_a_list_misses_nothing,
            a_watch_sees_only_its_prefix_in_whole_batches,
            a_lease_that_is_not_kept_alive_deletes_its_keys,
            a_lease_that_is_kept_alive_does_not,
            revoking_a_lease_deletes_its_keys_at_once,
            a_key_that_is_written_anew_leaves_its_lease,
            limits_are_told,
            only_the_leader_writes_and_there_is_one,
            a_leader_is_sure_of_its_lead_for_no_longer_than_it_has_it,
            random_histories_agree_with_a_model,
        );
    };
}
