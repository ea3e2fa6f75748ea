//! The store in a real etcd (Debian's etcd-server, which the suite's runner installs): the same suite as
//! every store, and what only an etcd can do, such as being away.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test"
)]

mod entry;
mod gate;
mod journal;
mod large;
mod migration;
mod outages;
#[path = "../suite/mod.rs"]
mod suite;

use std::sync::Arc;
use std::time::Duration;

use common::trust::install_crypto;
use master::store::etcd::Target;
use master::store::{EtcdStore, Store};
use tests::Etcd;

use self::suite::Subject;

/// The store of a cluster in the etcd at an address.
fn target(address: &str) -> Target {
    install_crypto();
    Target {
        members: vec![address.to_owned()],
        prefix: "/test".to_owned(),
        patience: Duration::from_secs(60),
        ..Target::default()
    }
}

async fn open(address: &str) -> Arc<dyn Store> {
    Arc::new(EtcdStore::open(&target(address)).await.unwrap())
}

struct Subjected {
    store: Arc<dyn Store>,
    _etcd: Etcd,
}

impl Subjected {
    async fn new() -> Self {
        let etcd = Etcd::start();
        Self {
            store: open(etcd.address()).await,
            _etcd: etcd,
        }
    }
}

impl Subject for Subjected {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    fn ttl(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn pass_time(&self, by: Duration) {
        tokio::task::block_in_place(|| std::thread::sleep(by));
    }
}

macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        mod real {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::suite::within(super::suite::$name(&super::Subjected::new().await)).await;
                }
            )*
        }
    };
}

store_tests!(suite);
