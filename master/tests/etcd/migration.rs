//! From the embedded store into etcd.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use master::clock::SystemClock;
use master::store::migration::{MigrationError, is_unfinished, migrate};
use master::store::{Durability, EmbeddedStore, Page, Store, Txn};
use tests::Etcd;

use super::open;

const D: Durability = Durability::Durable;
const KEYS: usize = 1000;

/// A store with many keys, one of them large and one with a lease.
async fn filled(directory: &Path) -> EmbeddedStore {
    let clock = Arc::new(SystemClock::default());
    let store = EmbeddedStore::open(&directory.join("store.redb"), clock).unwrap();
    for chunk in 0..10 {
        let txn = (0..KEYS / 10 - 1).fold(Txn::new(D), |txn, n| {
            txn.put(format!("/k/{chunk}/{n}"), format!("{chunk} {n}"))
        });
        store.commit(txn).await.unwrap();
    }
    let lease = store.grant(Duration::from_secs(60)).await.unwrap();
    let txn = Txn::new(D)
        .put("/large", vec![5; 5 << 20])
        .put_leased("/leased", "", lease);
    store.commit(txn).await.unwrap();
    for n in 2..10 {
        store
            .commit(Txn::new(D).put(format!("/n/{n}"), ""))
            .await
            .unwrap();
    }
    store
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_taken_over_once_and_into_an_empty_store_only() {
    let directory = tempfile::tempdir().unwrap();
    let from = filled(directory.path()).await;
    let etcd = Etcd::start();
    let to = open(etcd.address()).await;
    let mut told = Vec::new();
    let copied = migrate(&from, &*to, |done, of| told.push((done, of)))
        .await
        .unwrap();
    assert_eq!((copied, told.last()), (KEYS, Some(&(KEYS, KEYS))));
    assert!(told.is_sorted());
    let strip = |store: Vec<master::store::Entry>| -> Vec<_> {
        let entries = store.into_iter();
        entries
            .map(|e| (e.key, e.value, e.lease.is_some()))
            .collect()
    };
    let old = strip(from.list(Page::all("")).await.unwrap().entries);
    assert_eq!(strip(to.list(Page::all("")).await.unwrap().entries), old);
    assert!(!is_unfinished(&*to).await.unwrap());
    let again = migrate(&from, &*to, |_, _| {}).await.unwrap_err();
    assert!(matches!(again, MigrationError::NotEmpty(_)), "{again}");
    assert_eq!(strip(to.list(Page::all("")).await.unwrap().entries), old);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_ended_half_way_is_seen_and_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let from = filled(directory.path()).await;
    let etcd = Etcd::start();
    let to = open(etcd.address()).await;
    {
        let (half, reached) = tokio::sync::oneshot::channel();
        let mut half = Some(half);
        let progress = |done, _| {
            if done > KEYS / 2
                && let Some(half) = half.take()
            {
                half.send(()).unwrap();
            }
        };
        tokio::select! {
            biased;
            _ = reached => {}
            done = migrate(&from, &*to, progress) => panic!("{done:?}"),
        }
    }
    assert!(is_unfinished(&*to).await.unwrap());
    // What is deleted meanwhile must not come back.
    from.commit(Txn::new(D).delete("/k/0/0")).await.unwrap();
    assert_eq!(migrate(&from, &*to, |_, _| {}).await.unwrap(), KEYS - 1);
    assert!(to.get("/k/0/0").await.unwrap().is_none());
    assert!(!is_unfinished(&*to).await.unwrap());
}
