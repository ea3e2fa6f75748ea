//! Who is let in: TLS from both sides, user and password.

use std::time::Duration;

use etcd_client::{Client, Permission, PermissionType};
use master::store::{Durability, EtcdStore, Store as _, StoreError, Txn};
use tests::Etcd;

use super::target;

fn put() -> Txn {
    Txn::new(Durability::Durable).put("/a", "1")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_checked_from_both_sides() {
    let etcd = Etcd::with_tls();
    let mut known = target(etcd.address());
    known.patience = Duration::from_secs(2);
    let plain = EtcdStore::open(&known).await.err().unwrap();
    assert!(matches!(plain, StoreError::Failed { .. }));
    known.ca_file = Some(etcd.file("ca.pem"));
    let nobody = EtcdStore::open(&known).await.err().unwrap();
    // Told as an alert, or as a connection that breaks.
    assert!(matches!(nobody, StoreError::Failed { .. }), "{nobody:?}");
    known.identity_files = Some((etcd.file("client.pem"), etcd.file("client.key")));
    known.patience = Duration::from_secs(30);
    let store = EtcdStore::open(&known).await.unwrap();
    store.commit(put()).await.unwrap();
    assert_eq!(store.get("/a").await.unwrap().unwrap().value, "1");

    let other = Etcd::with_tls();
    known.ca_file = Some(other.file("ca.pem"));
    known.patience = Duration::from_secs(2);
    let distrusted = EtcdStore::open(&known).await.err().unwrap();
    let text = master::explain(&distrusted);
    assert!(text.contains("certificate"), "{text}");
    known.ca_file = Some(other.file("nothing.pem"));
    let text = master::explain(&EtcdStore::open(&known).await.err().unwrap());
    assert!(text.contains("nothing.pem"), "{text}");
}

/// Authentication with a user who may read and write beneath `/test/` only.
async fn guard(etcd: &Etcd) {
    let mut client = Client::connect([etcd.address()], None).await.unwrap();
    client.user_add("root", "top", None).await.unwrap();
    client.user_grant_role("root", "root").await.unwrap();
    client.role_add("troupe").await.unwrap();
    let permission = Permission::new(PermissionType::Readwrite, "/test/").with_prefix();
    client
        .role_grant_permission("troupe", permission)
        .await
        .unwrap();
    client.user_add("troupe", "secret", None).await.unwrap();
    client.user_grant_role("troupe", "troupe").await.unwrap();
    client.auth_enable().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_known_by_the_password_and_stays_beneath_the_prefix() {
    let mut etcd = Etcd::start();
    guard(&etcd).await;
    let mut who = target(etcd.address());
    let text = master::explain(&EtcdStore::open(&who).await.err().unwrap());
    assert!(text.contains("etcd.username"), "{text}");
    std::fs::write(etcd.file("password"), "secret\n").unwrap();
    std::fs::write(etcd.file("wrong"), "guess\n").unwrap();
    who.user = Some(("troupe".to_owned(), etcd.file("wrong")));
    let text = master::explain(&EtcdStore::open(&who).await.err().unwrap());
    assert!(text.contains("etcd.password-file"), "{text}");
    who.user = Some(("troupe".to_owned(), etcd.file("password")));
    let store = EtcdStore::open(&who).await.unwrap();
    let start = store.commit(put()).await.unwrap();
    let mut changes = store.watch("/", start).await.unwrap();
    // Its token is gone after a restart; it gets another.
    tokio::task::block_in_place(|| {
        etcd.process.kill();
        etcd.start_again();
    });
    store.commit(put()).await.unwrap();
    assert_eq!(super::suite::next(&mut changes).await.changes.len(), 1);
    who.prefix = "/other".to_owned();
    let text = master::explain(&EtcdStore::open(&who).await.err().unwrap());
    assert!(text.contains("etcd.prefix"), "{text}");
}
