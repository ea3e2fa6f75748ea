//! Shapes that clients depend on, as snapshots: discovery and tables.

use common::resources::{
    ConfigMap, Event, Function, KINDS, Node, ObjectMeta, Pod, ReplicaSet, Resource, Secret,
    Service, StateMachine, Workflow, WorkflowRun,
};
use master::objects::Durability;
use serde_json::{Value, json};

use super::house::House;

#[tokio::test]
async fn discovery() {
    let house = House::new();
    let admin = house.admin();
    insta::assert_json_snapshot!("api_plain", admin.get("/api").await.1);
    insta::assert_json_snapshot!("apis_plain", admin.get("/apis").await.1);
    insta::assert_json_snapshot!("api_v1_plain", admin.get("/api/v1").await.1);
    let v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    insta::assert_json_snapshot!("api_aggregated", admin.get_as("/api", v2).await.1);
    insta::assert_json_snapshot!("apis_aggregated", admin.get_as("/apis", v2).await.1);
    let url = format!("{}/apis", house.url);
    let answer = admin
        .client
        .get(url)
        .header("accept", v2)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-type"], v2);
}

/// Puts an object of a kind into the store as the platform would.
async fn put<R: Resource>(house: &House, name: &str, fields: Value) {
    let namespace = if R::KIND.namespaced { "default" } else { "" };
    let object = R::with_metadata(ObjectMeta::named(namespace, name));
    let mut object = serde_json::to_value(object).unwrap();
    for (field, value) in fields.as_object().unwrap() {
        object[field] = value.clone();
    }
    let object: R = serde_json::from_value(object).unwrap();
    house
        .objects
        .create(object, Durability::Eventual)
        .await
        .unwrap();
}

#[tokio::test]
async fn tables() {
    let house = House::new();
    let conditions = json!([{ "type": "Built", "status": "True", "reason": "", "message": "" },
        { "type": "Ready", "status": "True", "reason": "", "message": "" }]);
    let failed = json!([{ "type": "Built", "status": "False", "reason": "RequirementsFailed", "message": "" }]);
    put::<Function>(
        &house,
        "good",
        json!({ "status": { "conditions": conditions, "readyReplicas": 1,
        "desiredReplicas": 2, "revision": "good-7f", "handler": "func.main", "style": "params" } }),
    )
    .await;
    put::<Function>(&house, "bad", json!({ "status": { "conditions": failed } })).await;
    put::<Function>(&house, "new", json!({})).await;
    put::<Workflow>(
        &house,
        "w",
        json!({ "status": { "phase": "Succeeded", "result": "{\"x\":4}" } }),
    )
    .await;
    put::<StateMachine>(&house, "m", json!({ "spec": { "definition": {} } })).await;
    put::<WorkflowRun>(
        &house,
        "r",
        json!({ "spec": { "workflow": "w" }, "status": { "phase": "Succeeded",
        "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:02:05Z" } }),
    )
    .await;
    put::<Pod>(
        &house,
        "p",
        json!({ "spec": { "nodeName": "n", "containers": [{ "name": "f", "image": "i" }] },
        "status": { "phase": "Running", "containerStatuses": [{ "name": "f", "ready": true }] } }),
    )
    .await;
    put::<ReplicaSet>(
        &house,
        "rs",
        json!({ "spec": { "replicas": 2, "selector": { "matchLabels": { "a": "b" } },
        "template": { "metadata": {}, "spec": { "containers": [] } } } }),
    )
    .await;
    put::<Service>(
        &house,
        "s",
        json!({ "spec": { "ports": [{ "port": 8080, "protocol": "TCP" }] } }),
    )
    .await;
    put::<Node>(
        &house,
        "n",
        json!({ "spec": { "unschedulable": true }, "status": { "conditions": [
        { "type": "Ready", "status": "True" }], "nodeInfo": { "architecture": "arm64" } } }),
    )
    .await;
    put::<Secret>(&house, "x", json!({ "data": { "k": "dg==" } })).await;
    put::<ConfigMap>(&house, "c", json!({ "data": { "a": "1", "b": "2" } })).await;
    put::<Event>(&house, "e", json!({ "type": "Warning", "reason": "NoCapacity", "message": "no room",
        "involvedObject": { "kind": "Function", "name": "bad" }, "source": { "component": "functions" } })).await;
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let admin = house.admin();
    for kind in KINDS {
        let root = if kind.group.is_empty() {
            "/api/v1"
        } else {
            "/apis/apps/v1"
        };
        let (status, table) = admin
            .get_as(&format!("{root}/{}", kind.plural), accept)
            .await;
        assert_eq!(status, 200);
        insta::assert_snapshot!(format!("table_{}", kind.plural), text(&table));
    }
}

/// A table as kubectl would print it, with ages taken out.
fn text(table: &Value) -> String {
    let columns = table["columnDefinitions"].as_array().unwrap();
    let head: Vec<String> = columns
        .iter()
        .map(|c| {
            format!(
                "{}{}",
                c["name"].as_str().unwrap(),
                "+".repeat(c["priority"].as_u64().unwrap() as usize)
            )
        })
        .collect();
    let mut lines = vec![head.join(" | ")];
    for row in table["rows"].as_array().unwrap() {
        let cells = row["cells"].as_array().unwrap().iter().zip(columns);
        let cells = cells.map(|(cell, column)| match (column["name"].as_str(), cell) {
            (Some("Age"), Value::String(_)) => "AGE".to_owned(),
            (_, Value::String(text)) => text.clone(),
            (_, other) => other.to_string(),
        });
        lines.push(cells.collect::<Vec<_>>().join(" | "));
        assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
    }
    lines.join("\n")
}
