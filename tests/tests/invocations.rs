//! Calls that are accepted now and answered later.

use std::fs;

use tests::{Cluster, Http, Reply, eventually, params};

/// Calls without waiting; where its outcome will be.
#[track_caller]
fn accepted(gateway: &Http, function: &str, body: &str) -> String {
    let answer = gateway.post_with(
        &format!("/function/{function}"),
        "prefer",
        "respond-async",
        body,
    );
    assert_eq!(answer.status, 202, "{answer:?}");
    let location = answer.header("location").unwrap().to_owned();
    let id = location.strip_prefix("/invocations/").unwrap();
    assert_eq!(answer.header("x-invocation-id"), Some(id));
    location
}

/// What came of a call, once something has.
fn outcome(gateway: &Http, location: &str) -> Reply {
    eventually("the call is over", || {
        let answer = gateway.get(location);
        let state = answer.json()["state"].clone();
        if state == "Succeeded" || state == "Failed" {
            Ok(answer)
        } else {
            Err(answer)
        }
    })
}

#[test]
fn an_accepted_call_is_made_and_its_result_is_kept() {
    let cluster = Cluster::start();
    cluster.apply("twice", &params("params['n'] * 2"), "");
    let gateway = cluster.gateway();
    let location = accepted(&gateway, "twice", r#"{"n": 21}"#);
    let found = outcome(&gateway, &location).expect(200);
    assert_eq!(found["result"], 42, "{found}");
    let id = cluster
        .kubectl()
        .run(&["execute", "twice", r#"{"n": 4}"#, "--async"]);
    let found = outcome(&gateway, &format!("/invocations/{}", id.trim())).expect(200);
    assert_eq!(found["result"], 8, "{found}");
    assert_eq!(
        gateway
            .get("/invocations/0123456789abcdef0123456789abcdef")
            .status,
        404
    );
}

#[test]
fn an_accepted_call_survives_the_master() {
    let mut cluster = Cluster::start();
    let gate = cluster.home().join("gate");
    let code = format!(
        "import os, time\ndef main(params):\n    while not os.path.exists({gate:?}):\n        time.sleep(0.02)\n    return 'done'\n"
    );
    cluster.apply("slow", &code, "timeoutSeconds: 300");
    let gateway = cluster.gateway();
    let locations: Vec<String> = (0..5).map(|_| accepted(&gateway, "slow", "{}")).collect();
    cluster.crash_master();
    fs::write(&gate, "").unwrap();
    for location in &locations {
        let found = outcome(&gateway, location);
        assert_eq!(found.json()["state"], "Succeeded", "{found:?}");
    }
}

#[test]
fn the_same_key_is_the_same_call() {
    let cluster = Cluster::start();
    cluster.apply("once", &params("params"), "");
    let call = || {
        let gateway = cluster.gateway();
        let answer = gateway.send(reqwest::Method::POST, "/function/once", |request| {
            request
                .header("prefer", "respond-async")
                .header("idempotency-key", "k1")
                .body("{}")
        });
        answer.header("location").map(str::to_owned)
    };
    let first = call();
    assert!(first.is_some());
    assert_eq!(first, call());
}
