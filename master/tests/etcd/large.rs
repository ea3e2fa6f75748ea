//! Values that are larger than what etcd takes at once.

use std::sync::Arc;

use etcd_client::{Client, GetOptions};
use master::store::etcd::MAX_TXN_BYTES;
use master::store::{
    Change, Durability, MAX_OPERATIONS, MAX_VALUE_BYTES, Page, Store, StoreError, Txn,
};
use tests::{Etcd, eventually};

use super::open;
use super::suite::next;

const D: Durability = Durability::Durable;

/// A text that is not the same anywhere.
fn text(seed: usize, length: usize) -> Vec<u8> {
    let words = (seed..).flat_map(|n| n.to_le_bytes());
    words.take(length).collect()
}

/// How many keys beside the store's own are in etcd.
fn parts(etcd: &Etcd) -> usize {
    let count = async {
        let mut client = Client::connect([etcd.address()], None).await.unwrap();
        let options = GetOptions::new().with_prefix().with_count_only();
        let found = client.get("/test/p", Some(options)).await.unwrap();
        usize::try_from(found.count()).unwrap()
    };
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(count))
}

fn no_parts_are_left(etcd: &Etcd) {
    eventually("the parts are removed", || match parts(etcd) {
        0 => Ok(()),
        left => Err(left),
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_values_are_like_all_others() {
    let etcd = Etcd::start();
    let store = open(etcd.address()).await;
    let other = open(etcd.address()).await;
    let start = store.revision().await.unwrap();
    let mut changes = other.watch("/", start).await.unwrap();
    let [large, small, larger] =
        [(1, 5 << 20), (2, 10), (3, MAX_VALUE_BYTES)].map(|(s, l)| text(s, l));
    let txn = Txn::new(D)
        .put("/a", large.clone())
        .put("/b", small.clone());
    let first = store.commit(txn).await.unwrap();
    assert_eq!(store.get("/a").await.unwrap().unwrap().value, large);
    let listed = other.list(Page::all("/")).await.unwrap();
    assert_eq!(listed.entries[0].value, large);
    assert_eq!(listed.entries[1].value, small);
    let batch = next(&mut changes).await;
    assert!(matches!(&batch.changes[0], Change::Put(entry) if entry.value == large));

    // Refused: nothing of it stays.
    let before = parts(&etcd);
    let late = Txn::new(D).when("/a", 0).put("/a", larger.clone());
    assert!(matches!(
        store.commit(late).await,
        Err(StoreError::Conflict { .. })
    ));
    assert_eq!(parts(&etcd), before);

    let txn = Txn::new(D).when("/a", first).put("/a", larger.clone());
    store.commit(txn).await.unwrap();
    store.commit(Txn::new(D).delete("/a")).await.unwrap();
    next(&mut changes).await;
    let batch = next(&mut changes).await;
    assert!(matches!(&batch.changes[0], Change::Deleted { previous, .. } if *previous == larger));
    tokio::task::block_in_place(|| no_parts_are_left(&etcd));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_that_nobody_removed_go_when_a_master_starts() {
    let etcd = Etcd::start();
    let store = open(etcd.address()).await;
    let large = Txn::new(D).put("/a", text(1, 3 << 20));
    store
        .commit(large.put("/b", text(2, 3 << 20)))
        .await
        .unwrap();
    drop(store);
    // As if a master had ended between the two steps.
    let mut client = Client::connect([etcd.address()], None).await.unwrap();
    client.delete("/test/k/a", None).await.unwrap();
    let store = open(etcd.address()).await;
    tokio::task::block_in_place(|| {
        eventually("only the parts of what is there are left", || {
            match parts(&etcd) {
                3 => Ok(()),
                left => Err(left),
            }
        });
    });
    assert_eq!(
        store.get("/b").await.unwrap().unwrap().value,
        text(2, 3 << 20)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_passes_our_check_passes_etcds() {
    let etcd = Etcd::start();
    let store: Arc<dyn Store> = open(etcd.address()).await;
    // The largest that goes at once, and the most operations with long keys.
    let largest = MAX_TXN_BYTES - "/test/k/c".len() - 48;
    store
        .commit(Txn::new(D).put("/c", text(1, largest)))
        .await
        .unwrap();
    assert_eq!(parts(&etcd), 0);
    let most = (0..MAX_OPERATIONS).fold(Txn::new(D), |txn, n| {
        let key = format!("/most/{n:0300}");
        txn.when(&key, 0).put(key, text(n, 10_000))
    });
    store.commit(most).await.unwrap();
    let many = (0..MAX_OPERATIONS).fold(Txn::new(D), |txn, n| {
        txn.put(format!("/many/{n}"), text(n, 13_000))
    });
    let StoreError::TooLarge(why) = store.commit(many).await.unwrap_err() else {
        panic!("it was taken");
    };
    assert!(why.contains("etcd takes at most 1500000 in 128"), "{why}");
}
