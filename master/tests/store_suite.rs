//! What every store must do. Written against the trait: each implementation runs all of it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod suite;

use std::sync::Arc;

use master::clock::{Clock, ManualClock};
use master::store::{EmbeddedStore, Store};

use self::suite::Subject;

struct Embedded {
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    _dir: tempfile::TempDir,
}

impl Embedded {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        let as_clock: Arc<dyn Clock> = clock.clone();
        let store = EmbeddedStore::open(&dir.path().join("store.redb"), as_clock).unwrap();
        Self {
            store: Arc::new(store),
            clock,
            _dir: dir,
        }
    }
}

impl Subject for Embedded {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    fn pass_time(&self, by: std::time::Duration) {
        self.clock.advance(by);
    }
}

macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::suite::within(super::suite::$name(&super::Embedded::new())).await;
                }
            )*
        }
    };
}

suite!(
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
    random_histories_agree_with_a_model,
);
