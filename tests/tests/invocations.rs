//! Calls that are accepted now and answered later.

use std::fs;

use serde_json::json;
use tests::{Cluster, Http, Options, eventually, params, waits_for};

/// Calls without waiting; where its outcome will be.
#[track_caller]
fn accepted(gateway: &Http, function: &str, body: &str) -> String {
    let answer = gateway.accepted(&format!("/function/{function}"), body);
    let location = answer.location();
    let id = location.strip_prefix("/invocations/").unwrap();
    assert_eq!(answer.header("x-invocation-id"), Some(id));
    location
}

#[test]
fn an_accepted_call_is_made_and_its_result_is_kept() {
    let cluster = Cluster::start();
    cluster.apply("twice", &params("params['n'] * 2"), "");
    let gateway = cluster.gateway();
    let location = accepted(&gateway, "twice", r#"{"n": 21}"#);
    let found = gateway.outcome(&location).expect(200);
    assert_eq!(found["result"], 42, "{found}");
    let id = cluster
        .kubectl()
        .run(&["execute", "twice", r#"{"n": 4}"#, "--async"]);
    let found = gateway
        .outcome(&format!("/invocations/{}", id.trim()))
        .expect(200);
    assert_eq!(found["result"], 8, "{found}");
    assert_eq!(
        gateway
            .get("/invocations/0123456789abcdef0123456789abcdef")
            .status,
        404
    );
}

/// More than are attempted at once, so that some are in flight and the others wait.
#[test]
fn no_accepted_call_is_lost_with_the_master() {
    let mut cluster = Cluster::start();
    let gate = cluster.home().join("gate");
    let code = waits_for(&gate, "params['n']");
    cluster.apply("slow", &code, "timeoutSeconds: 300");
    let gateway = cluster.gateway();
    let locations: Vec<String> = (0..60)
        .map(|n| accepted(&gateway, "slow", &format!(r#"{{"n": {n}}}"#)))
        .collect();
    cluster.await_began("slow");
    cluster.crash_master();
    fs::write(&gate, "").unwrap();
    for (n, location) in locations.iter().enumerate() {
        let found = gateway.outcome(location).json();
        assert_eq!(
            (&found["state"], &found["result"]),
            (&json!("Succeeded"), &json!(n))
        );
    }
}

#[test]
fn what_failed_is_listed_and_begun_again() {
    let cluster = Cluster::start();
    let mended = cluster.home().join("mended");
    let code = format!(
        "import os\ndef main(params):\n    if not os.path.exists({mended:?}):\n        raise ValueError('not yet')\n    return 'done'\n"
    );
    cluster.apply("frail", &code, "retry: { attempts: 2, backoffSeconds: 0 }");
    let (gateway, kubectl) = (cluster.gateway(), cluster.kubectl());
    let location = accepted(&gateway, "frail", "{}");
    let id = location.rsplit('/').next().unwrap();
    let found = gateway.outcome(&location);
    assert!(found.is_stamped(), "{:?}", found.headers);
    let found = found.json();
    assert_eq!(
        (&found["state"], &found["attempts"]),
        (&json!("Failed"), &json!(2))
    );

    let failed = kubectl.run(&["get", "invocations", "--failed"]);
    assert!(
        failed.contains(id) && failed.contains("ValueError: not yet"),
        "{failed}"
    );
    let other = kubectl.say(&["get", "invocations", "--failed", "-n", "other"]);
    assert!(!other.out.contains(id), "{other:?}");
    fs::write(&mended, "").unwrap();
    let said = kubectl.run(&["redrive", "--failed", "--function", "frail"]);
    assert_eq!(said.trim(), format!("invocation/{id} redriven"));
    let found = gateway.outcome(&location).expect(200);
    assert_eq!(
        (&found["state"], &found["result"]),
        (&json!("Succeeded"), &json!("done"))
    );
    kubectl.refuse(&["redrive", id]);
    let one = kubectl.json(&["get", "invocation", id]);
    assert_eq!(one["state"], "Succeeded");
}

#[test]
fn thousands_that_wait_cost_little_memory_and_go_on_after_a_crash() {
    let mut cluster = Cluster::start();
    let spec = "scaling: { pinned: 0 }\nretry: { maxBackoffSeconds: 5 }";
    cluster.apply("paused", &params("1"), spec);
    let gateway = cluster.gateway();
    // The first ones warm what every call needs.
    let first = accepted(&gateway, "paused", "{}");
    let before = cluster.master.resident();
    let count = 3_000;
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let gateway = cluster.gateway();
            scope.spawn(move || {
                for _ in 0..count / 8 {
                    accepted(
                        &gateway,
                        "paused",
                        r#"{"padding": "xxxxxxxxxxxxxxxxxxxxxxxxx"}"#,
                    );
                }
            });
        }
    });
    let each = cluster.master.resident().saturating_sub(before) / count;
    assert!(each < 16 << 10, "{each} bytes for a call that waits");
    cluster.crash_master();
    let settings = ["scale", "function/paused", "--replicas=auto"];
    cluster.kubectl().run(&settings);
    assert_eq!(gateway.outcome(&first).json()["state"], "Succeeded");
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

/// Results and dead letters' requests share one room; what had to go is still known by its id and its key.
#[test]
fn what_had_to_make_room_still_says_how_it_ended() {
    let options = Options::default().master("invocations.max-results", "5Ki");
    let cluster = Cluster::with(options);
    let code = "def handler(env):\n    if env.body['fails']:\n        return {'statusCode': 400}\n    return 'x' * 2000\n";
    cluster.apply("f", code, "");
    let gateway = cluster.gateway();
    let ended = |fails: bool, filler: usize| {
        let body = json!({ "fails": fails, "filler": "x".repeat(filler) }).to_string();
        let location = accepted(&gateway, "f", &body);
        assert!(gateway.outcome(&location).json()["note"].is_null());
        // The oldest are told apart by milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(5));
        location
    };
    let (letter, result) = (ended(true, 3000), ended(false, 0));
    let newest = ended(false, 0);
    eventually("the oldest made room", || {
        let shown = gateway.get(&letter).json();
        shown["note"].is_string().then_some(()).ok_or(shown)
    });
    let shown = gateway.get(&letter).expect(200);
    assert_eq!(
        (&shown["state"], &shown["statusCode"]),
        (&json!("Failed"), &json!(400))
    );
    let redriven = gateway.post(&format!("{letter}/redrive"), "");
    assert_eq!(redriven.expect(410)["reason"], "Gone");
    for location in [result, newest] {
        let shown = gateway.get(&location).expect(200);
        assert_eq!(shown["result"], json!("x".repeat(2000)));
    }
}
