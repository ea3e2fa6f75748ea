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

store_tests!(suite);
