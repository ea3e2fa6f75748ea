//! Journals of runs in etcd: a large document stands apart, and goes with the journal.

use std::sync::Arc;

use asl::{Payload, Record};
use master::store::Page;
use master::workflows::Journal;
use serde_json::json;
use tests::Etcd;

use super::open;

const ALL: &str = "/troupe/journal/";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_document_of_a_journal_is_stored_once() {
    let etcd = Etcd::start();
    let store = open(etcd.address()).await;
    // More than etcd takes at once.
    let large = Payload::new(json!({ "text": "y".repeat(2 << 20) }));
    let record = |id: u64| {
        let mut record: Record = serde_json::from_value(json!({
            "strand": 0, "event": { "id": id, "previous": 0, "at": "2026-01-01T00:00:00Z",
                "kind": { "ExecutionSucceeded": { "output": null } } } }))
        .unwrap();
        for payload in record.payloads_mut() {
            *payload = Payload::clone(&large);
        }
        record
    };
    let records: Vec<Record> = (1..=8).map(record).collect();
    let (mut journal, _) = Journal::load(Arc::clone(&store), "one").await.unwrap();
    journal.append(&records).await.unwrap();

    let other = open(etcd.address()).await;
    let (_, loaded) = Journal::load(Arc::clone(&other), "one").await.unwrap();
    assert_eq!(loaded, records);
    let stored = other.list(Page::all(ALL)).await.unwrap().entries;
    let bytes: usize = stored.iter().map(|entry| entry.value.len()).sum();
    assert!(bytes < 3 << 20, "{bytes}");
    Journal::remove(&*other, "one").await.unwrap();
    assert!(store.list(Page::all(ALL)).await.unwrap().entries.is_empty());
}
