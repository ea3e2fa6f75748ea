use master::store::{Durability, MAX_OPERATIONS, Page, StoreError, Txn};

use super::Subject;

const E: Durability = Durability::Eventual;

pub(crate) async fn what_is_written_is_read(subject: &impl Subject) {
    let store = subject.store();
    assert!(store.get("a").await.unwrap().is_none());
    let first = store
        .commit(Txn::new(Durability::Durable).put("a", "1"))
        .await
        .unwrap();
    let entry = store.get("a").await.unwrap().unwrap();
    assert_eq!((&entry.value[..], entry.mod_revision), (&b"1"[..], first));
    let second = store
        .commit(Txn::new(E).put("a", "2").put("b", "3"))
        .await
        .unwrap();
    assert!(second > first);
    assert_eq!(store.get("b").await.unwrap().unwrap().mod_revision, second);
    store
        .commit(Txn::new(E).delete("a").delete("never was"))
        .await
        .unwrap();
    assert!(store.get("a").await.unwrap().is_none());
    let before = store.revision().await.unwrap();
    store.commit(Txn::new(E).delete("never was")).await.unwrap();
    assert_eq!(store.revision().await.unwrap(), before, "nothing changed");
}

pub(crate) async fn a_commit_happens_whole_or_not_at_all(subject: &impl Subject) {
    let store = subject.store();
    let first = store
        .commit(Txn::new(E).when("a", 0).put("a", "1"))
        .await
        .unwrap();
    let late = Txn::new(E)
        .when("b", 0)
        .when("a", 0)
        .put("a", "2")
        .put("b", "2")
        .delete("a2");
    match store.commit(late).await {
        Err(StoreError::Conflict {
            key,
            wanted: 0,
            found,
        }) => {
            assert_eq!((key.as_str(), found), ("a", first));
        }
        other => panic!("{other:?}"),
    }
    assert!(store.get("b").await.unwrap().is_none());
    assert_eq!(&store.get("a").await.unwrap().unwrap().value[..], b"1");
    store
        .commit(Txn::new(E).when("a", first).delete("a"))
        .await
        .unwrap();
    assert!(
        store
            .commit(Txn::new(E).when("a", first).put("a", "3"))
            .await
            .is_err()
    );
}

pub(crate) async fn of_many_rivals_one_wins(subject: &impl Subject) {
    let store = subject.store();
    let rivals = (0..64).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut txn = Txn::new(Durability::Durable)
                .when("seat", 0)
                .put("seat", n.to_string());
            if n % 2 == 0 {
                txn.durability = E;
            }
            store.commit(txn).await.is_ok()
        })
    });
    let wins: Vec<bool> = futures_util::future::join_all(rivals)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(wins.iter().filter(|won| **won).count(), 1);
    let winner = wins.iter().position(|won| *won).unwrap();
    let entry = store.get("seat").await.unwrap().unwrap();
    assert_eq!(entry.value, winner.to_string());
}

pub(crate) async fn lists_are_ordered_and_paged(subject: &impl Subject) {
    let store = subject.store();
    let mut txn = Txn::new(E).put("/a", "").put("/c/x", "");
    for n in (0..50).rev() {
        txn = txn.put(format!("/b/{n:02}"), n.to_string());
    }
    let revision = store.commit(txn).await.unwrap();
    let all = store.list(Page::all("/b/")).await.unwrap();
    assert_eq!(
        (all.entries.len(), all.revision, all.more),
        (50, revision, false)
    );
    assert!(all.entries.is_sorted_by(|a, b| a.key < b.key));
    let mut paged = Vec::new();
    loop {
        let after = paged
            .last()
            .map(|entry: &master::store::Entry| entry.key.clone());
        let page = Page {
            prefix: "/b/",
            after: after.as_deref(),
            limit: 7,
        };
        let page = store.list(page).await.unwrap();
        paged.extend(page.entries);
        if !page.more {
            break;
        }
    }
    assert_eq!(paged, all.entries);
    assert!(
        store
            .list(Page::all("/nothing"))
            .await
            .unwrap()
            .entries
            .is_empty()
    );
}

pub(crate) async fn limits_are_told(subject: &impl Subject) {
    let store = subject.store();
    let mut txn = Txn::new(E);
    for n in 0..=MAX_OPERATIONS {
        txn = txn.put(n.to_string(), "");
    }
    assert!(matches!(
        store.commit(txn).await,
        Err(StoreError::TooLarge(_))
    ));
    let twice = Txn::new(E).put("a", "").delete("a");
    assert!(matches!(
        store.commit(twice).await,
        Err(StoreError::TooLarge(_))
    ));
    assert!(store.list(Page::all("")).await.unwrap().entries.is_empty());
}
