//! One call: what comes back, whatever goes wrong.

use reqwest::Method;
use serde_json::json;
use tests::{Cluster, Options, eventually, params, waits_for};

#[test]
fn a_cold_call_is_held_until_it_can_be_answered() {
    let cluster = Cluster::start();
    cluster.apply("cold", &params("params"), "");
    let function = cluster.kubectl().json(&["get", "function", "cold"]);
    assert_eq!(function["status"]["replicas"], 0, "applying starts nothing");
    assert!(cluster.pods("cold").is_empty());

    let first = cluster.gateway().post("/function/cold", r#"{"n": 1}"#);
    assert_eq!(first.expect(200), json!({"n": 1}));
    assert!(first.is_stamped(), "{:?}", first.headers);
    let second = cluster.gateway().post("/function/cold", r#"{"n": 2}"#);
    assert_eq!(second.expect(200), json!({"n": 2}));
    assert_ne!(
        first.header("x-invocation-id"),
        second.header("x-invocation-id")
    );
    assert_eq!(cluster.pods("cold").len(), 1, "one launch was enough");
}

#[test]
fn many_cold_calls_at_once_are_all_answered() {
    let cluster = Cluster::start();
    cluster.apply("crowd", &params("params['n']"), "");
    std::thread::scope(|scope| {
        for n in 0..40 {
            let gateway = cluster.gateway();
            scope.spawn(move || {
                let answer = gateway.post("/function/crowd", format!(r#"{{"n": {n}}}"#));
                assert_eq!(answer.expect(200), json!(n));
            });
        }
    });
}

#[test]
fn bodies_are_json_whatever_they_say_they_are() {
    let cluster = Cluster::start();
    cluster.apply("echo", &params("params"), "");
    let gateway = cluster.gateway();
    let typed = gateway.post_with(
        "/function/echo",
        "content-type",
        "text/plain",
        r#"{"a": [1]}"#,
    );
    assert_eq!(typed.expect(200), json!({"a": [1]}));
    assert_eq!(
        gateway.get("/function/echo").expect(200),
        json!({}),
        "an empty body is an empty object"
    );
    let big = r#"{"n":123456789012345678901234567890,"f":1.10}"#;
    assert!(
        gateway
            .post("/function/echo", big)
            .text()
            .contains("123456789012345678901234567890")
    );
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let answer = gateway.send(method, "/function/default/echo", |r| r.body("[1]"));
        assert_eq!(answer.expect(200), json!([1]));
    }
}

#[test]
fn what_cannot_be_called_says_why() {
    let cluster = Cluster::start();
    cluster.apply("echo", &params("params"), "");
    let gateway = cluster.gateway();

    let missing = gateway.post("/function/nobody", "{}");
    let status = missing.expect(404);
    assert_eq!(
        (&status["kind"], &status["reason"]),
        (&json!("Status"), &json!("NotFound"))
    );
    assert!(
        status["message"].as_str().unwrap().contains("nobody"),
        "{status}"
    );
    assert!(missing.is_stamped(), "{:?}", missing.headers);

    let not_json = gateway.post("/function/echo", "x=1");
    assert!(
        not_json.expect(400)["message"]
            .as_str()
            .unwrap()
            .contains("JSON")
    );
    assert!(not_json.is_stamped(), "{:?}", not_json.headers);

    let large = gateway.post("/function/echo", vec![b' '; 10 << 20]);
    assert_eq!(large.expect(413)["reason"], "RequestEntityTooLarge");
    assert!(large.is_stamped(), "{:?}", large.headers);
    assert_eq!(
        gateway.post("/function/echo", "1").expect(200),
        json!(1),
        "all is well after that"
    );
}

#[test]
fn an_exception_is_told_with_its_type_and_trace() {
    let cluster = Cluster::start();
    cluster.apply(
        "raises",
        "def main(params):\n    return 1 / params['by']\n",
        "",
    );
    let answer = cluster.gateway().post("/function/raises", r#"{"by": 0}"#);
    let error = answer.expect(500);
    assert_eq!(error["errorType"], "ZeroDivisionError");
    assert_eq!(error["errorMessage"], "division by zero");
    assert!(
        error["stackTrace"].to_string().contains("func.py"),
        "{error}"
    );
    let said = cluster
        .kubectl()
        .refuse(&["execute", "raises", r#"{"by": 0}"#]);
    assert!(
        said.contains("ZeroDivisionError: division by zero"),
        "{said}"
    );
    assert_eq!(
        cluster
            .gateway()
            .post("/function/raises", r#"{"by": 2}"#)
            .expect(200),
        json!(0.5)
    );
}

#[test]
fn a_call_past_its_deadline_is_504_and_the_slot_comes_back() {
    let cluster = Cluster::start();
    let code = "import time\ndef main(params):\n    for _ in range(int(params['s'] * 100)):\n        time.sleep(0.01)\n    return 'done'\n";
    cluster.apply(
        "slow",
        code,
        "timeoutSeconds: 1\nconcurrency: 1\nscaling: { maxReplicas: 1 }",
    );
    let late = cluster.gateway().post("/function/slow", r#"{"s": 60}"#);
    assert_eq!(late.status, 504, "{late:?}");
    assert!(late.is_stamped(), "{:?}", late.headers);
    let quick = cluster.gateway().post("/function/slow", r#"{"s": 0}"#);
    assert_eq!(quick.expect(200), json!("done"));
}

#[test]
fn a_client_that_goes_away_frees_its_slot() {
    let cluster = Cluster::start();
    let code = "import time\ndef main(params):\n    print('began', flush=True)\n    for _ in range(params['n']):\n        time.sleep(0.01)\n    return 'done'\n";
    cluster.apply(
        "one",
        code,
        "timeoutSeconds: 600\nconcurrency: 1\nscaling: { maxReplicas: 1 }",
    );
    assert_eq!(
        cluster
            .gateway()
            .post("/function/one", r#"{"n": 0}"#)
            .expect(200),
        json!("done")
    );

    let gateway = cluster.gateway();
    let client = gateway.unanswered("/function/one", r#"{"n": 60000}"#);
    eventually("the long call has begun", || {
        let log = cluster.kubectl().run(&["logs", "function/one"]);
        if log.matches("began").count() == 2 {
            Ok(())
        } else {
            Err(log)
        }
    });
    drop(client);
    // There is one slot only: an answer means that the first call was ended.
    assert_eq!(
        cluster
            .gateway()
            .post("/function/one", r#"{"n": 0}"#)
            .expect(200),
        json!("done")
    );
}

#[test]
fn the_queue_has_an_end() {
    let cluster = Cluster::with(Options::default().master("gateway.queue", "2"));
    let code = "import time\ndef main(params):\n    time.sleep(params['s'])\n";
    cluster.apply("busy", code, "concurrency: 1\nscaling: { maxReplicas: 1 }");
    assert_eq!(
        cluster
            .gateway()
            .post("/function/busy", r#"{"s": 0}"#)
            .status,
        200
    );
    let answers = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..12)
            .map(|_| {
                let gateway = cluster.gateway();
                scope.spawn(move || gateway.post("/function/busy", r#"{"s": 1}"#))
            })
            .collect();
        calls
            .into_iter()
            .map(|call| call.join().unwrap())
            .collect::<Vec<_>>()
    });
    let refused: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 429)
        .collect();
    assert!(!refused.is_empty(), "{answers:?}");
    for answer in &refused {
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
    assert!(
        answers.iter().any(|answer| answer.status == 200),
        "{answers:?}"
    );
}

#[test]
fn lambda_style_sets_status_and_headers() {
    let cluster = Cluster::start();
    let source = tests::Source::write(cluster.home(), "teapot", "", "");
    source.without("func.py").file(
        "app.py",
        "def handler(event, context):\n    return {'statusCode': 418, 'headers': {'x-pot': context.function_name}, 'body': event['rawQueryString']}\n",
    );
    cluster.kubectl().run(&["apply", source.yaml()]);
    let answer = cluster.gateway().get("/function/teapot?a=b");
    assert_eq!((answer.status, answer.text().as_str()), (418, "a=b"));
    assert_eq!(answer.header("x-pot"), Some("teapot"));
}

#[test]
fn a_call_with_an_idempotency_key_outlives_its_pod() {
    let cluster = Cluster::start();
    let gate = cluster.home().join("gate");
    let code = waits_for(&gate, "'answered'");
    let spec = "timeoutSeconds: 120\nscaling: { minReplicas: 1, maxReplicas: 1 }";
    cluster.apply("f", &code, spec);
    let _ = cluster.ready_pods("f", 1);
    let call = |key: &'static str| {
        let gateway = cluster.gateway();
        std::thread::spawn(move || gateway.post_with("/function/f", "idempotency-key", key, "{}"))
    };
    let (keyed, plain) = (call("order-1"), call(""));
    cluster.await_began("f");
    eventually("both calls are in the pod", || {
        let said = cluster.kubectl().say(&["logs", "function/f"]);
        if said.out.matches("began").count() == 2 {
            Ok(())
        } else {
            Err(said)
        }
    });
    cluster.nodes[0].kill_pods();
    assert_eq!(plain.join().unwrap().expect(502)["reason"], "PodDied");
    std::fs::write(&gate, "").unwrap();
    assert_eq!(keyed.join().unwrap().expect(200), json!("answered"));
}
