use master::store::{Durability, Page, Txn};

use super::{Subject, next, shape};

const E: Durability = Durability::Eventual;

pub(crate) async fn a_watch_from_a_list_misses_nothing(subject: &impl Subject) {
    let store = subject.store();
    store.commit(Txn::new(E).put("/k/0", "")).await.unwrap();
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 1..=200 {
                store
                    .commit(Txn::new(E).put(format!("/k/{n}"), ""))
                    .await
                    .unwrap();
            }
        })
    };
    let listed = loop {
        let listed = store.list(Page::all("/k/")).await.unwrap();
        if listed.entries.len() > 20 {
            break listed;
        }
        tokio::task::yield_now().await;
    };
    let mut changes = store.watch("/k/", listed.revision).await.unwrap();
    let mut seen = listed.entries.len();
    let mut revision = listed.revision;
    while seen < 201 {
        let batch = next(&mut changes).await;
        assert!(batch.revision > revision);
        revision = batch.revision;
        seen += batch.changes.len();
    }
    writer.await.unwrap();
    assert_eq!(store.revision().await.unwrap(), revision);
}

pub(crate) async fn a_watch_sees_only_its_prefix_in_whole_batches(subject: &impl Subject) {
    let store = subject.store();
    let start = store.commit(Txn::new(E).put("/k/a", "1")).await.unwrap();
    let mut live = store.watch("/k/", start).await.unwrap();
    let both = Txn::new(E)
        .put("/k/b", "2")
        .put("/other", "")
        .delete("/k/a");
    let second = store.commit(both).await.unwrap();
    store.commit(Txn::new(E).put("/other", "2")).await.unwrap();
    let last = store.commit(Txn::new(E).put("/k/c", "3")).await.unwrap();
    let mut late = store.watch("/k/", start).await.unwrap();
    for watch in [&mut live, &mut late] {
        let batch = next(watch).await;
        assert_eq!(batch.revision, second);
        assert_eq!(shape(&batch), ["/k/b=2", "/k/a gone, was 1"]);
        let batch = next(watch).await;
        assert_eq!(
            (batch.revision, shape(&batch)),
            (last, vec!["/k/c=3".to_owned()])
        );
    }
}
