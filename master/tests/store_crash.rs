//! The embedded store across restarts, orderly and not.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use master::clock::SystemClock;
use master::store::{Durability, EmbeddedStore, Page, Store as _, StoreError, Txn};

const DIR: &str = "STORE_CRASH_TEST_DIR";

fn open(dir: &Path) -> EmbeddedStore {
    EmbeddedStore::open(&dir.join("store.redb"), Arc::new(SystemClock::default())).unwrap()
}

/// Not a test of its own: the child that is killed. Prints the number of each write that was
/// acknowledged as durable.
#[tokio::test]
#[ignore = "run by a_killed_process_loses_nothing_that_was_acknowledged"]
async fn writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let store = open(Path::new(&dir));
    for n in 0..1_000_000 {
        let eventual = Txn::new(Durability::Eventual).put(format!("/eventual/{n:06}"), "");
        store.commit(eventual).await.unwrap();
        let durable = Txn::new(Durability::Durable).put(format!("/durable/{n:06}"), "");
        let revision = store.commit(durable).await.unwrap();
        println!("\nacknowledged {n} {revision}");
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut highest = 0;
    for round in 1..=3_usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "writes_until_it_is_killed",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let mut acknowledged = Vec::new();
        for line in lines {
            let Some(rest) = line.strip_prefix("acknowledged ") else {
                continue;
            };
            let (n, revision) = rest.split_once(' ').unwrap();
            let revision: u64 = revision.parse().unwrap();
            assert!(revision > highest, "revision {revision} was given before");
            highest = revision;
            acknowledged.push(n.to_owned());
            if acknowledged.len() == 20 * round {
                child.kill().unwrap();
                // What it printed before it died counts too.
            }
        }
        child.wait().unwrap();
        assert!(acknowledged.len() >= 20 * round);

        let store = open(dir.path());
        for n in &acknowledged {
            let n: usize = n.parse().unwrap();
            for kind in ["durable", "eventual"] {
                let key = format!("/{kind}/{n:06}");
                assert!(store.get(&key).await.unwrap().is_some(), "{key} is lost");
            }
        }
        let now = store.revision().await.unwrap();
        assert!(now >= highest);
        highest = now;
    }
}

#[tokio::test]
async fn an_orderly_restart_keeps_all_and_tells_old_watchers_to_list_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let first = store
        .commit(Txn::new(Durability::Eventual).put("/a", "1"))
        .await
        .unwrap();
    let second = store
        .commit(Txn::new(Durability::Eventual).put("/b", "2"))
        .await
        .unwrap();
    drop(store);
    let store = open(dir.path());
    let listed = store.list(Page::all("/")).await.unwrap();
    assert_eq!((listed.entries.len(), listed.revision), (2, second));
    assert_eq!(listed.entries[0].mod_revision, first);
    assert!(matches!(
        store.watch("/", first).await,
        Err(StoreError::Compacted { .. })
    ));
    assert!(store.watch("/", second).await.is_ok());
}

#[tokio::test]
async fn a_lease_outlives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let lease = store
        .grant(std::time::Duration::from_secs(3600))
        .await
        .unwrap();
    store
        .commit(Txn::new(Durability::Durable).put_leased("/a", "", lease))
        .await
        .unwrap();
    drop(store);
    let store = open(dir.path());
    store.keep_alive(lease).await.unwrap();
    store.revoke(lease).await.unwrap();
    assert!(store.get("/a").await.unwrap().is_none());
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path());
    let second = EmbeddedStore::open(
        &dir.path().join("store.redb"),
        Arc::new(SystemClock::default()),
    );
    let error = second.err().unwrap();
    assert!(error.to_string().starts_with("open the store"), "{error}");
}

/// A clock that stops the writer while somebody holds its gate.
struct Gate(std::sync::Mutex<()>);

impl master::clock::Clock for Gate {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> std::time::Duration {
        drop(self.0.lock().unwrap());
        std::time::Duration::ZERO
    }
}

#[tokio::test]
async fn a_full_queue_is_an_answer_and_what_was_taken_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate(std::sync::Mutex::new(())));
    let as_clock: Arc<dyn master::clock::Clock> = gate.clone();
    let store = EmbeddedStore::open(&dir.path().join("store.redb"), as_clock).unwrap();
    let mut taken = Vec::new();
    let mut refused = 0;
    {
        let _held = gate.0.lock().unwrap();
        // What the writer took before it stopped comes on top of what its queue holds.
        for n in 0..2 * master::store::embedded::QUEUE {
            let txn = Txn::new(Durability::Eventual).put(format!("/{n}"), "");
            let mut commit = Box::pin(store.commit(txn));
            match commit
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
            {
                Poll::Ready(Err(StoreError::Busy)) => refused += 1,
                Poll::Ready(other) => panic!("{other:?}"),
                Poll::Pending => taken.push(commit),
            }
        }
    }
    assert!(refused > 0);
    let count = taken.len();
    for commit in taken {
        commit.await.unwrap();
    }
    assert_eq!(
        store.list(Page::all("/")).await.unwrap().entries.len(),
        count
    );
}
