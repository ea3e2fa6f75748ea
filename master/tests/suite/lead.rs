//! Which of several masters may write: the rule, on every store.

use std::sync::Arc;
use std::time::Duration;

use master::store::lead::{Lead, Leader, Leaders};
use master::store::{Durability, Store, StoreError, Txn};

use super::Subject;

const D: Durability = Durability::Durable;

/// Takes the lead as somebody.
async fn take(store: Arc<dyn Store>, id: &'static str) -> Lead {
    let me = Leader {
        id: id.to_owned(),
        url: format!("https://{id}"),
    };
    let leaders = Leaders::default();
    let lead = Lead::take(store, &me, &leaders).await;
    assert_eq!(*leaders.borrow(), Some(me));
    lead
}

pub(crate) async fn only_the_leader_writes_and_there_is_one(subject: &impl Subject) {
    let store = subject.store();
    let first = take(Arc::clone(&store), "first").await;
    let old = first.fence();
    let last = old.commit(Txn::new(D).put("/a", "first")).await.unwrap();
    let waiting = tokio::spawn(take(Arc::clone(&store), "second"));
    // A leader that is silent, as a paused process, is no leader when its lease ends.
    subject.pass_time(Duration::from_secs(6));
    let second = waiting.await.unwrap();
    let new = second.fence();
    new.commit(Txn::new(D).put("/a", "second")).await.unwrap();
    for late in [
        Txn::new(D).put("/a", "late"),
        Txn::new(D).delete("/a"),
        Txn::new(D).when("/a", last).put("/a", "late"),
    ] {
        let refused = old.commit(late).await;
        assert!(matches!(refused, Err(StoreError::Deposed)), "{refused:?}");
    }
    assert_eq!(store.get("/a").await.unwrap().unwrap().value, "second");
    // It learns it by its commits and by its lease.
    first.lost().await;
    first.keep().await;

    let third = tokio::spawn(take(Arc::clone(&store), "third"));
    second.resign().await;
    third.await.unwrap();
    assert!(new.commit(Txn::new(D).put("/a", "late")).await.is_err());
}
