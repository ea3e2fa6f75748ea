//! Watches over HTTP.

use bytes::BytesMut;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::house::{House, function};

const FUNCTIONS: &str = "/api/v1/namespaces/default/functions";

/// The JSON lines of a watch.
struct Lines {
    answer: Response,
    buffer: BytesMut,
}

impl Lines {
    async fn open(house: &House, query: &str, accept: &str) -> Self {
        let client = house.admin().client;
        let url = format!("{}{FUNCTIONS}?watch=true&{query}", house.url);
        let answer = client
            .get(url)
            .header("accept", accept)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        Self {
            answer,
            buffer: BytesMut::new(),
        }
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                if line.len() > 1 {
                    return Some(serde_json::from_slice(&line).unwrap());
                }
            }
            let chunk = self.answer.chunk().await.unwrap()?;
            self.buffer.extend_from_slice(&chunk);
        }
    }

    async fn told(&mut self) -> String {
        let event = self.next().await.unwrap();
        let name = event["object"]["metadata"]["name"].as_str().unwrap_or("-");
        format!("{} {name}", event["type"].as_str().unwrap())
    }
}

#[tokio::test]
async fn a_watch_from_a_list_tells_what_happened_since() {
    let house = House::new();
    let admin = house.admin();
    admin.create("functions", function("a")).await;
    let (_, list) = admin.get(FUNCTIONS).await;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    admin.create("functions", function("b")).await;
    let mut watch = Lines::open(&house, &format!("resourceVersion={version}"), "").await;
    assert_eq!(watch.told().await, "ADDED b");
    let label = json!({ "metadata": { "labels": { "x": "y" } } });
    admin
        .send(Method::PATCH, &format!("{FUNCTIONS}/a"), label)
        .await;
    assert_eq!(watch.told().await, "MODIFIED a");
    admin
        .send(Method::DELETE, &format!("{FUNCTIONS}/b"), Value::Null)
        .await;
    assert_eq!(watch.told().await, "DELETED b");
}

#[tokio::test]
async fn a_watch_from_zero_begins_with_what_is_there() {
    let house = House::new();
    let admin = house.admin();
    admin.create("functions", function("a")).await;
    let mut watch = Lines::open(
        &house,
        "resourceVersion=0&fieldSelector=metadata.name%3Da",
        "",
    )
    .await;
    assert_eq!(watch.told().await, "ADDED a");
    admin.create("functions", function("b")).await;
    admin
        .send(Method::DELETE, &format!("{FUNCTIONS}/a"), Value::Null)
        .await;
    assert_eq!(watch.told().await, "DELETED a");
}

#[tokio::test]
async fn a_selector_sees_objects_come_and_go() {
    let house = House::new();
    let admin = house.admin();
    let mut watch = Lines::open(&house, "labelSelector=on%3Dyes", "").await;
    admin.create("functions", function("a")).await;
    for (on, want) in [("yes", "ADDED a"), ("no", "DELETED a")] {
        let label = json!({ "metadata": { "labels": { "on": on } } });
        admin
            .send(Method::PATCH, &format!("{FUNCTIONS}/a"), label)
            .await;
        assert_eq!(watch.told().await, want);
    }
}

#[tokio::test]
async fn an_old_version_has_expired_and_a_short_watch_ends() {
    let house = House::new();
    let mut watch = Lines::open(&house, "resourceVersion=1", "").await;
    // The caches begin with a later one.
    let event = watch.next().await.unwrap();
    assert_eq!(
        (&event["type"], &event["object"]["code"]),
        (&json!("ERROR"), &json!(410))
    );
    assert!(watch.next().await.is_none());
    let mut short = Lines::open(&house, "resourceVersion=0&timeoutSeconds=1", "").await;
    assert!(short.next().await.is_none());
}

#[tokio::test]
async fn initial_events_end_with_a_bookmark_and_tables_are_rows() {
    let house = House::new();
    house.admin().create("functions", function("a")).await;
    let query = "sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";
    let mut watch = Lines::open(&house, query, "").await;
    assert_eq!(watch.told().await, "ADDED a");
    let bookmark = watch.next().await.unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    let annotations = &bookmark["object"]["metadata"]["annotations"];
    assert_eq!(annotations["k8s.io/initial-events-end"], "true");

    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let mut table = Lines::open(&house, "resourceVersion=0", accept).await;
    let event = table.next().await.unwrap();
    assert_eq!(event["object"]["kind"], "Table");
    assert_eq!(event["object"]["rows"][0]["cells"][0], "a");
}
