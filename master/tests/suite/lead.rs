//! Which of several masters may write: the rule, on every store.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use master::clock::{Clock, ManualClock, SystemClock};
use master::store::lead::{Lead, Leader, Leaders, TTL};
use master::store::{Durability, Store, StoreError, Txn};

use super::Subject;

const D: Durability = Durability::Durable;

fn leader(id: &str) -> Leader {
    Leader {
        id: id.to_owned(),
        url: format!("https://{id}"),
    }
}

/// Takes the lead as somebody.
async fn take(store: Arc<dyn Store>, id: &'static str) -> Lead {
    let me = leader(id);
    let leaders = Leaders::default();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let lead = Lead::take(store, &me, &clock, &leaders).await;
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

pub(crate) async fn a_leader_is_sure_of_its_lead_for_no_longer_than_it_has_it(
    subject: &impl Subject,
) {
    let store = subject.store();
    let manual = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
    let clock: Arc<dyn Clock> = Arc::clone(&manual) as _;
    let lead = Lead::try_take(&store, &leader("first"), &clock).await;
    let lead = Arc::new(lead.unwrap().unwrap());
    let tenure = lead.tenure();
    assert!(tenure.is_sure());
    manual.advance(TTL - Duration::from_secs(1));
    assert!(tenure.is_sure());
    manual.advance(Duration::from_secs(1));
    assert!(!tenure.is_sure() && tenure.sure().now_or_never().is_none());

    // It says that it lives.
    let kept = Arc::clone(&lead);
    let kept = tokio::spawn(async move { kept.keep().await });
    tenure.sure().await;
    kept.abort();
    assert!(kept.await.unwrap_err().is_cancelled() && tenure.is_sure());

    // It is silent, and another one leads.
    manual.advance(TTL);
    subject.pass_time(Duration::from_secs(6));
    let _second = take(Arc::clone(&store), "second").await;
    assert!(!tenure.is_sure());
    lead.keep().await;
    assert!(!tenure.is_sure() && tenure.sure().now_or_never().is_none());
}
