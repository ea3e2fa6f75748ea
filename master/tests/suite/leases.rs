use master::store::{Durability, StoreError, Txn};

use super::{Subject, next, shape};

const E: Durability = Durability::Eventual;

pub(crate) async fn a_lease_that_is_not_kept_alive_deletes_its_keys(subject: &impl Subject) {
    let (store, ttl) = (subject.store(), subject.ttl());
    let lease = store.grant(ttl).await.unwrap();
    let start = store
        .commit(
            Txn::new(E)
                .put_leased("/a", "1", lease)
                .put_leased("/b", "2", lease)
                .put("/c", ""),
        )
        .await
        .unwrap();
    assert_eq!(store.get("/a").await.unwrap().unwrap().lease, Some(lease));
    let mut changes = store.watch("/", start).await.unwrap();
    subject.pass_time(ttl * 2);
    let mut gone = Vec::new();
    while gone.len() < 2 {
        gone.extend(shape(&next(&mut changes).await));
    }
    gone.sort();
    assert_eq!(gone, ["/a gone, was 1", "/b gone, was 2"]);
    assert!(store.get("/a").await.unwrap().is_none());
    assert!(store.get("/c").await.unwrap().is_some());
    assert!(matches!(
        store.keep_alive(lease).await,
        Err(StoreError::LeaseGone(_))
    ));
    let late = Txn::new(E).put_leased("/a", "", lease);
    assert!(matches!(
        store.commit(late).await,
        Err(StoreError::LeaseGone(_))
    ));
}

pub(crate) async fn a_lease_that_is_kept_alive_does_not(subject: &impl Subject) {
    let (store, ttl) = (subject.store(), subject.ttl());
    let kept = store.grant(ttl).await.unwrap();
    let left = store.grant(ttl).await.unwrap();
    let txn = Txn::new(E)
        .put_leased("/kept", "", kept)
        .put_leased("/left", "", left);
    let start = store.commit(txn).await.unwrap();
    let mut changes = store.watch("/", start).await.unwrap();
    for _ in 0..3 {
        subject.pass_time(ttl / 2);
        store.keep_alive(kept).await.unwrap();
    }
    assert_eq!(shape(&next(&mut changes).await), ["/left gone, was "]);
    assert!(store.get("/kept").await.unwrap().is_some());
}

pub(crate) async fn revoking_a_lease_deletes_its_keys_at_once(subject: &impl Subject) {
    let (store, ttl) = (subject.store(), subject.ttl());
    let lease = store.grant(ttl).await.unwrap();
    store
        .commit(Txn::new(E).put_leased("/a", "", lease))
        .await
        .unwrap();
    store.revoke(lease).await.unwrap();
    assert!(store.get("/a").await.unwrap().is_none());
    assert!(matches!(
        store.revoke(lease).await,
        Err(StoreError::LeaseGone(_))
    ));
}

pub(crate) async fn a_key_that_is_written_anew_leaves_its_lease(subject: &impl Subject) {
    let (store, ttl) = (subject.store(), subject.ttl());
    let lease = store.grant(ttl).await.unwrap();
    store
        .commit(Txn::new(E).put_leased("/a", "", lease))
        .await
        .unwrap();
    store.commit(Txn::new(E).put("/a", "mine")).await.unwrap();
    store.revoke(lease).await.unwrap();
    assert_eq!(&store.get("/a").await.unwrap().unwrap().value[..], b"mine");
}
