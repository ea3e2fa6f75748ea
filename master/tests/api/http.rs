//! Verbs, errors and permissions.

use master::api::Caller as Who;
use master::api::auth::tokens;
use reqwest::Method;
use serde_json::{Value, json};

use super::house::{House, function};

const FUNCTIONS: &str = "/api/v1/namespaces/default/functions";

#[tokio::test]
async fn strangers_see_only_whether_the_server_lives() {
    let house = House::new();
    let stranger = super::house::Caller {
        url: &house.url,
        client: house.client(None),
    };
    let (status, version) = stranger.get("/version").await;
    assert_eq!(status, 200);
    assert!(
        version["gitVersion"].as_str().unwrap().contains("troupe"),
        "{version}"
    );
    assert_eq!(stranger.get("/healthz").await, (200, Value::from("ok")));
    for path in [
        "/api",
        "/apis",
        "/openapi/v3",
        "/api/v1/functions",
        "/api/v1/nothing",
    ] {
        let (status, body) = stranger.get(path).await;
        assert_eq!(
            (status, &body["reason"]),
            (401, &json!("Unauthorized")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_token_opens_the_door_until_it_expires() {
    let house = House::new();
    let admin = Who {
        name: "ci".to_owned(),
        groups: vec!["system:masters".to_owned()],
        ..Who::default()
    };
    let token = tokens::issue(&house.objects, &admin, None).await.unwrap();
    let expired = tokens::issue(&house.objects, &admin, Some(std::time::Duration::ZERO))
        .await
        .unwrap();
    let client = house.client(None);
    let wrong = format!("{}x", token);
    for (token, want) in [
        (&token, 200),
        (&expired, 401),
        (&wrong, 401),
        (&"a.b".to_owned(), 401),
    ] {
        let url = format!("{}/api/v1/functions", house.url);
        let answer = client.get(url).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), want, "{token}");
    }
}

#[tokio::test]
async fn a_node_sees_itself_only() {
    use common::resources::{Node, ObjectMeta, Resource as _};
    let house = House::new();
    let identity = house.identity("system:node:a", "system:nodes");
    let key = common::trust::Peer::from_der(&identity.chain().unwrap()[0])
        .unwrap()
        .key;
    for name in ["a", "b"] {
        let mut node = Node::with_metadata(ObjectMeta::named("", name));
        let keys = master::api::auth::members::KEYS_ANNOTATION.to_owned();
        node.metadata.annotations.insert(keys, key.to_string());
        house
            .objects
            .create(node, master::objects::Durability::Eventual)
            .await
            .unwrap();
    }
    let node = super::house::Caller {
        url: &house.url,
        client: house.client(Some(&identity)),
    };
    assert_eq!(node.get("/api/v1/nodes/a").await.0, 200);
    let label = json!({ "metadata": { "labels": { "x": "y" } } });
    assert_eq!(
        node.send(Method::PATCH, "/api/v1/nodes/a", label.clone())
            .await
            .0,
        200
    );
    assert_eq!(node.get("/api/v1/nodes/b").await.0, 403);
    assert_eq!(
        node.send(Method::PATCH, "/api/v1/nodes/b", label).await.0,
        403
    );
    assert_eq!(node.get("/api/v1/nodes").await.0, 403);
    assert_eq!(node.get("/api/v1/secrets").await.0, 403);
    assert_eq!(
        node.send(Method::DELETE, "/api/v1/nodes/a", Value::Null)
            .await
            .0,
        403
    );
    // The same name with another key, and the name of nobody.
    for name in ["a", "c"] {
        let stranger = house.identity(&format!("system:node:{name}"), "system:nodes");
        let stranger = super::house::Caller {
            url: &house.url,
            client: house.client(Some(&stranger)),
        };
        let path = format!("/api/v1/nodes/{name}");
        assert_eq!(stranger.get(&path).await.0, 401, "{name}");
    }
    let admin = house.admin();
    let gone = admin.send(Method::DELETE, "/api/v1/nodes/a", Value::Null);
    assert_eq!(gone.await.0, 200);
    assert_eq!(
        node.get("/api/v1/nodes/a").await.0,
        401,
        "no member any more"
    );
}

#[tokio::test]
async fn an_object_is_made_read_changed_and_deleted() {
    let house = House::new();
    let admin = house.admin();
    let made = admin.create("functions", function("f_1")).await;
    assert_eq!(made["metadata"]["namespace"], "default");
    assert_eq!(made["metadata"]["generation"], 1);
    let (status, again) = admin.send(Method::POST, FUNCTIONS, function("f_1")).await;
    assert_eq!((status, &again["reason"]), (409, &json!("AlreadyExists")));

    let path = &format!("{FUNCTIONS}/f_1");
    let (_, mut read) = admin.get(path).await;
    assert_eq!(read, made);
    let stale = read.clone();
    read["spec"]["timeoutSeconds"] = 5.into();
    read["status"]["replicas"] = 7.into();
    let (status, updated) = admin.send(Method::PUT, path, read).await;
    assert_eq!(status, 200, "{updated}");
    assert_eq!(updated["metadata"]["generation"], 2);
    assert_eq!(
        updated["status"]["replicas"], 0,
        "the status is the platform's"
    );
    let (status, conflict) = admin.send(Method::PUT, path, stale).await;
    assert_eq!((status, &conflict["reason"]), (409, &json!("Conflict")));

    let patch = json!({ "spec": { "timeoutSeconds": null, "concurrency": 3 } });
    let (_, patched) = admin.send(Method::PATCH, path, patch).await;
    assert!(patched["spec"].get("timeoutSeconds").is_none());
    let list = json!([{ "op": "replace", "path": "/spec/concurrency", "value": 4 }]);
    let media = "application/json-patch+json";
    let (_, patched) = admin
        .send_as(Method::PATCH, path, media, list.to_string())
        .await;
    assert_eq!(patched["spec"]["concurrency"], 4);
    let media = "application/strategic-merge-patch+json";
    let (status, refused) = admin
        .send_as(Method::PATCH, path, media, "{}".to_owned())
        .await;
    assert_eq!(status, 415);
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .contains("--type=merge")
    );

    let status_patch = json!({ "spec": { "concurrency": 9 }, "status": { "replicas": 2 } });
    let (_, patched) = admin
        .send(Method::PATCH, &format!("{path}/status"), status_patch)
        .await;
    assert_eq!(
        (
            &patched["spec"]["concurrency"],
            &patched["status"]["replicas"]
        ),
        (&json!(4), &json!(2))
    );

    let wrong = json!({ "preconditions": { "uid": "other" } });
    assert_eq!(admin.send(Method::DELETE, path, wrong).await.0, 409);
    let (status, gone) = admin.send(Method::DELETE, path, Value::Null).await;
    assert_eq!((status, &gone["status"]), (200, &json!("Success")));
    assert_eq!(gone["details"]["uid"], made["metadata"]["uid"]);
    assert_eq!(admin.get(path).await.0, 404);
    assert_eq!(admin.send(Method::DELETE, path, Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let house = House::new();
    let admin = house.admin();
    let (status, made) = admin
        .send(
            Method::POST,
            &format!("{FUNCTIONS}?dryRun=All"),
            function("f"),
        )
        .await;
    assert_eq!(status, 201);
    assert!(made["metadata"]["uid"].is_string());
    assert_eq!(admin.get(&format!("{FUNCTIONS}/f")).await.0, 404);
    let real = admin.create("functions", function("f")).await;
    let patch = json!({ "spec": { "concurrency": 2 } });
    let path = format!("{FUNCTIONS}/f?dryRun=All");
    let (_, patched) = admin.send(Method::PATCH, &path, patch).await;
    assert_eq!(patched["spec"]["concurrency"], 2);
    assert_eq!(patched["metadata"]["generation"], 2);
    assert_eq!(admin.send(Method::DELETE, &path, Value::Null).await.0, 200);
    assert_eq!(admin.get(&format!("{FUNCTIONS}/f")).await.1, real);
}

#[tokio::test]
async fn bad_input_is_told_with_path_finding_and_want() {
    let house = House::new();
    let admin = house.admin();
    let mut bad = function("f");
    bad["spec"]["handlr"] = "x".into();
    bad["spec"]["scaling"] = json!({ "maxReplica": 1 });
    let strict = format!("{FUNCTIONS}?fieldValidation=Strict");
    let (status, body) = admin.send(Method::POST, &strict, bad.clone()).await;
    assert_eq!(status, 400);
    let message = body["message"].as_str().unwrap();
    assert!(
        message.contains(r#"unknown field "spec.handlr", unknown field "spec.scaling.maxReplica""#),
        "{message}"
    );
    let ignore = format!("{FUNCTIONS}?fieldValidation=Ignore&dryRun=All");
    assert_eq!(admin.send(Method::POST, &ignore, bad).await.0, 201);

    let mut wrong = function("f");
    wrong["spec"]["timeoutSeconds"] = "soon".into();
    let (status, body) = admin.send(Method::POST, FUNCTIONS, wrong).await;
    assert_eq!(status, 400);
    assert!(
        body["message"]
            .as_str()
            .unwrap()
            .contains("spec.timeoutSeconds: found string \"soon\"")
    );

    for name in ["a/b", "a b", &"x".repeat(81)] {
        let (status, body) = admin.send(Method::POST, FUNCTIONS, function(name)).await;
        assert_eq!((status, &body["reason"]), (422, &json!("Invalid")));
        assert_eq!(body["details"]["causes"][0]["field"], "metadata.name");
        assert!(
            body["message"].as_str().unwrap().contains("1 to 80"),
            "{body}"
        );
    }
    let workflow = json!({ "metadata": { "name": "w" }, "spec": {} });
    let (status, body) = admin
        .send(
            Method::POST,
            "/api/v1/namespaces/default/workflows",
            workflow,
        )
        .await;
    assert_eq!(status, 422);
    assert_eq!(
        body["details"]["causes"].as_array().unwrap().len(),
        2,
        "all at once: {body}"
    );
    let elsewhere = "/api/v1/namespaces/nowhere/functions";
    let (status, body) = admin.send(Method::POST, elsewhere, function("f")).await;
    assert_eq!(status, 404);
    assert!(
        body["message"]
            .as_str()
            .unwrap()
            .contains("kubectl create namespace nowhere")
    );
    let (status, body) = admin
        .send(Method::POST, FUNCTIONS, json!({ "kind": "Pod" }))
        .await;
    assert_eq!(status, 400, "{body}");
    let (status, _) = admin
        .send_as(Method::POST, FUNCTIONS, "application/json", "{".to_owned())
        .await;
    assert_eq!(status, 400);
    let large = "x".repeat(4 << 20);
    let (status, _) = admin
        .send_as(Method::POST, FUNCTIONS, "application/json", large)
        .await;
    assert_eq!(status, 413);
    let (status, body) = admin
        .send(Method::POST, "/api/v1/namespaces/default/pods", json!({}))
        .await;
    assert_eq!(status, 403);
    assert!(
        body["message"]
            .as_str()
            .unwrap()
            .contains("apply a Function")
    );
    let (_, list) = admin.get("/api/v1/functions").await;
    assert_eq!(list["items"], json!([]), "nothing was changed");
}

#[tokio::test]
async fn a_client_that_cannot_upload_is_warned() {
    let house = House::new();
    let admin = house.admin();
    let function = json!({ "metadata": { "name": "f" }, "spec": { "userUploadFilePath": "./f" } });
    let answer = admin
        .client
        .post(format!("{}{FUNCTIONS}", admin.url))
        .header("content-type", "application/json")
        .body(function.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    let warning = answer.headers()["warning"].to_str().unwrap();
    assert!(
        warning.starts_with("299 - \"") && warning.contains("source.inline"),
        "{warning}"
    );
}

#[tokio::test]
async fn lists_are_selected_and_paged() {
    let house = House::new();
    let admin = house.admin();
    for n in 0..7 {
        let mut f = function(&format!("f{n}"));
        f["metadata"]["labels"] = json!({ "odd": (n % 2 == 1).to_string() });
        admin.create("functions", f).await;
    }
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|o| o["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    for version in ["", "&resourceVersion=0"] {
        let (_, odd) = admin
            .get(&format!(
                "/api/v1/functions?labelSelector=odd%3Dtrue{version}"
            ))
            .await;
        assert_eq!(names(&odd), ["f1", "f3", "f5"]);
        let one = format!("{FUNCTIONS}?fieldSelector=metadata.name%3Df2{version}");
        assert_eq!(names(&admin.get(&one).await.1), ["f2"]);
    }
    let mut paged = Vec::new();
    let mut next = String::new();
    loop {
        let path = format!("{FUNCTIONS}?limit=2&labelSelector=odd&continue={next}");
        let (_, page) = admin.get(&path).await;
        paged.extend(names(&page));
        match page["metadata"]["continue"].as_str() {
            Some(token) => next = token.to_owned(),
            None => break,
        }
    }
    assert_eq!(paged, ["f0", "f1", "f2", "f3", "f4", "f5", "f6"]);
    let (status, _) = admin
        .get(&format!("{FUNCTIONS}?fieldSelector=spec.x%3D1"))
        .await;
    assert_eq!(status, 400);
    let evens = format!("{FUNCTIONS}?labelSelector=odd%3Dfalse");
    assert_eq!(admin.send(Method::DELETE, &evens, Value::Null).await.0, 200);
    assert_eq!(names(&admin.get(FUNCTIONS).await.1), ["f1", "f3", "f5"]);
}

#[tokio::test]
async fn apply_knows_who_wants_what() {
    let house = House::new();
    let admin = house.admin();
    let media = "application/apply-patch+yaml";
    let apply = async |manager: &str, query: &str, spec: &str| {
        let path = format!("{FUNCTIONS}/f?fieldManager={manager}{query}");
        let yaml = format!(
            "apiVersion: v1\nkind: Function\nmetadata: {{name: f}}\nspec:\n  source: {{inline: {{func.py: x}}}}\n{spec}"
        );
        admin.send_as(Method::PATCH, &path, media, yaml).await
    };
    let (status, made) = apply("a", "", "  timeoutSeconds: 5\n").await;
    assert_eq!(status, 201, "{made}");
    let (status, same) = apply("a", "", "  timeoutSeconds: 5\n").await;
    assert_eq!(status, 200);
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    assert_eq!(
        version(&same),
        version(&made),
        "nothing changed, nothing is written"
    );
    let (status, conflict) = apply("b", "", "  timeoutSeconds: 6\n").await;
    assert_eq!(status, 409, "{conflict}");
    assert_eq!(
        conflict["details"]["causes"][0]["field"],
        ".spec.timeoutSeconds"
    );
    assert!(
        conflict["message"]
            .as_str()
            .unwrap()
            .contains("conflict with \"a\"")
    );
    let (status, forced) = apply("b", "&force=true", "  timeoutSeconds: 6\n").await;
    assert_eq!(
        (status, &forced["spec"]["timeoutSeconds"]),
        (200, &json!(6))
    );
    let (_, left) = apply("b", "", "").await;
    assert!(left["spec"].get("timeoutSeconds").is_none(), "{left}");
    let (status, unknown) = apply("b", "&fieldValidation=Strict", "  nothing: 6\n").await;
    assert_eq!(status, 400, "{unknown}");
    assert_eq!(apply("", "", "").await.0, 400);
}

#[tokio::test]
async fn secrets_namespaces_and_scale() {
    let house = House::new();
    let admin = house.admin();
    let secret = json!({ "metadata": { "name": "s" }, "stringData": { "k": "v" } });
    let made = admin.create("secrets", secret).await;
    assert_eq!(made["data"], json!({ "k": "dg==" }));
    assert!(made.get("stringData").is_none());

    let space = json!({ "metadata": { "name": "team" } });
    let (status, made) = admin.send(Method::POST, "/api/v1/namespaces", space).await;
    assert_eq!((status, &made["status"]["phase"]), (201, &json!("Active")));
    let (_, going) = admin
        .send(Method::DELETE, "/api/v1/namespaces/team", Value::Null)
        .await;
    assert_eq!(going["status"]["phase"], "Terminating");
    let (status, _) = admin
        .send(Method::DELETE, "/api/v1/namespaces/default", Value::Null)
        .await;
    assert_eq!(status, 403);

    admin.create("functions", function("f")).await;
    let path = &format!("{FUNCTIONS}/f/scale");
    let (status, scale) = admin.get(path).await;
    assert_eq!((status, &scale["spec"]["replicas"]), (200, &json!(0)));
    let patch = json!({ "spec": { "replicas": 3 } });
    let (status, scale) = admin.send(Method::PATCH, path, patch).await;
    assert_eq!((status, &scale["spec"]["replicas"]), (200, &json!(3)));
    let (_, f) = admin.get(&format!("{FUNCTIONS}/f")).await;
    assert_eq!(f["spec"]["scaling"]["pinned"], 3);
    let wrong = json!({ "spec": { "replicas": -1 } });
    assert_eq!(admin.send(Method::PATCH, path, wrong).await.0, 422);
}
