//! etcd killed, cut off and compacted while it is used.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use etcd_client::Client;
use futures_util::StreamExt as _;
use master::store::{Durability, EtcdStore, Page, Store, StoreError, Txn};
use tests::Etcd;

use super::gate::Gate;
use super::suite::{next, shape};
use super::{open, target};

const D: Durability = Durability::Durable;

fn put(key: &str, value: &str) -> Txn {
    Txn::new(D).put(key, value.to_owned())
}

/// A gate before an etcd, a store that goes past it, and one that goes through it.
async fn behind_a_gate(etcd: &Etcd) -> (Gate, Arc<dyn Store>, Arc<dyn Store>) {
    let gate = Gate::to(etcd.address()).await;
    let direct = open(etcd.address()).await;
    let store = open(gate.address()).await;
    (gate, direct, store)
}

/// Adds 1 to a counter by compare-and-swap until it is told to end; how often it was acknowledged.
async fn count_up(
    store: Arc<dyn Store>,
    key: String,
    enough: Arc<AtomicBool>,
    all: Arc<AtomicU64>,
) -> u64 {
    let mut acknowledged = 0;
    while !enough.load(Ordering::SeqCst) {
        let found = store.get(&key).await.unwrap();
        let (value, revision) = found.map_or((0, 0), |entry| {
            let text = String::from_utf8(entry.value.to_vec()).unwrap();
            (text.parse::<u64>().unwrap(), entry.mod_revision)
        });
        assert_eq!(
            value, acknowledged,
            "{key}: what was acknowledged is there, once"
        );
        let txn = put(&key, &(value + 1).to_string()).when(&key, revision);
        store.commit(txn).await.unwrap();
        acknowledged += 1;
        all.fetch_add(1, Ordering::SeqCst);
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_done_twice_when_etcd_is_killed_in_mid_work() {
    let mut etcd = Etcd::start();
    let store = open(etcd.address()).await;
    let start = store.revision().await.unwrap();
    let mut changes = store.watch("/count/", start).await.unwrap();
    let (enough, all) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let counters: Vec<_> = (0..8)
        .map(|n| {
            let (enough, all) = (Arc::clone(&enough), Arc::clone(&all));
            tokio::spawn(count_up(
                Arc::clone(&store),
                format!("/count/{n}"),
                enough,
                all,
            ))
        })
        .collect();
    for _ in 0..3 {
        let before = all.load(Ordering::SeqCst);
        while all.load(Ordering::SeqCst) < before + 50 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::task::block_in_place(|| {
            etcd.process.kill();
            etcd.start_again();
        });
    }
    enough.store(true, Ordering::SeqCst);
    let mut acknowledged = 0;
    for counter in counters {
        acknowledged += counter.await.unwrap();
    }
    assert!(acknowledged >= 150);
    // The same watch has seen every one of them, in order.
    let mut revision = start;
    for _ in 0..acknowledged {
        let batch = next(&mut changes).await;
        assert!(batch.revision > revision);
        assert_eq!(batch.changes.len(), 1);
        revision = batch.revision;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_known_to_have_happened() {
    let etcd = Etcd::start();
    let (gate, direct, store) = behind_a_gate(&etcd).await;
    store.commit(put("/gone", "")).await.unwrap();
    gate.swallow_answers();
    let commits = [
        put("/made", "once").when("/made", 0),
        Txn::new(D).when("/gone", 2).delete("/gone"),
    ];
    let commits = commits.map(|txn| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.commit(txn).await })
    });
    let made = loop {
        let made = direct.get("/made").await.unwrap();
        let gone = direct.get("/gone").await.unwrap();
        match (made, gone) {
            (Some(made), None) => break made,
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    gate.close();
    gate.open();
    let [made_at, gone_at] = commits;
    assert_eq!(made_at.await.unwrap().unwrap(), made.mod_revision);
    gone_at.await.unwrap().unwrap();
    assert_eq!(direct.get("/made").await.unwrap().unwrap(), made);
    // Somebody else's key is still a conflict.
    let late = store.commit(put("/made", "other").when("/made", 0)).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_was_cut_off_goes_on_after_what_it_saw() {
    let etcd = Etcd::start();
    let (gate, direct, store) = behind_a_gate(&etcd).await;
    let start = store.commit(put("/k/0", "")).await.unwrap();
    let mut changes = store.watch("/k/", start).await.unwrap();
    direct.commit(put("/k/1", "")).await.unwrap();
    assert_eq!(shape(&next(&mut changes).await), ["/k/1="]);
    gate.close();
    for n in 2..=20 {
        direct.commit(put(&format!("/k/{n}"), "")).await.unwrap();
    }
    gate.open();
    for n in 2..=20 {
        assert_eq!(shape(&next(&mut changes).await), [format!("/k/{n}=")]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_compacted_meanwhile_is_listed_again() {
    let etcd = Etcd::start();
    let (gate, direct, store) = behind_a_gate(&etcd).await;
    let start = store.commit(put("/k/0", "")).await.unwrap();
    let mut changes = store.watch("/k/", start).await.unwrap();
    gate.close();
    direct.commit(put("/k/1", "")).await.unwrap();
    let last = direct.commit(Txn::new(D).delete("/k/0")).await.unwrap();
    let mut client = Client::connect([etcd.address()], None).await.unwrap();
    client
        .compact(last.try_into().unwrap(), None)
        .await
        .unwrap();
    gate.open();
    let told = changes.next().await.unwrap();
    assert!(
        matches!(told, Err(StoreError::Compacted { .. })),
        "{told:?}"
    );
    assert!(changes.next().await.is_none());
    let listed = store.list(Page::all("/k/")).await.unwrap();
    assert_eq!(listed.entries.len(), 1);
    let mut changes = store.watch("/k/", listed.revision).await.unwrap();
    direct.commit(put("/k/2", "new")).await.unwrap();
    assert_eq!(shape(&next(&mut changes).await), ["/k/2=new"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_longer_than_one_answer_is_whole_and_of_one_revision() {
    let etcd = Etcd::start();
    let store = open(etcd.address()).await;
    for chunk in 0..6 {
        let txn = (0..100).fold(Txn::new(D), |txn, n| {
            txn.put(format!("/k/{:03}", chunk * 100 + n), "x")
        });
        store.commit(txn).await.unwrap();
    }
    let listed = store.list(Page::all("/k/")).await.unwrap();
    assert_eq!(listed.entries.len(), 600);
    assert!(listed.entries.is_sorted_by(|a, b| a.key < b.key));
    let page = Page {
        prefix: "/k/",
        after: Some("/k/099"),
        limit: 300,
    };
    let page = store.list(page).await.unwrap();
    assert_eq!((page.entries.len(), page.more), (300, true));
    assert_eq!(page.entries[0].key, "/k/100");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_stays_away_is_an_error_that_says_so() {
    let mut etcd = Etcd::start();
    let mut impatient = target(etcd.address());
    impatient.patience = Duration::from_millis(300);
    let store = EtcdStore::open(&impatient).await.unwrap();
    etcd.process.kill();
    let failed = store.commit(put("/a", "")).await.unwrap_err();
    assert!(matches!(failed, StoreError::Failed { .. }));
    assert_eq!(failed.to_string(), "commit in etcd");
    let failed = EtcdStore::open(&impatient).await.err().unwrap();
    let text = master::explain(&failed);
    assert!(text.contains("onnect"), "{text}");
}
