use reqwest::Method;
use serde_json::json;
use tests::{Http, Identity, Node, free_address};

use super::{Ensemble, await_first};

#[test]
fn a_master_that_stands_by_serves_as_the_leader_does() {
    let mut ensemble = Ensemble::begin();
    let second = ensemble.second();
    let cluster = &mut ensemble.cluster;

    // An agent that knows only the standby joins by it and finds the leader.
    let quiet = [tests::agent_variable("pool.size", "0")];
    let only = format!("https://{}", ensemble.api);
    let token = cluster.token();
    cluster
        .nodes
        .push(Node::start("node-2", cluster.home(), &only, &token, &quiet));
    cluster.wait_for_node("node-2");

    // Code is uploaded, objects are written and read, functions and runs are executed.
    let source = tests::Source::write(
        cluster.home(),
        "f",
        "def main(params):\n    print('heard', flush=True)\n    return len(params.get('text', ''))\n",
        "",
    );
    let kubectl = second.kubectl();
    kubectl.run(&["apply", source.yaml()]);
    assert_eq!(
        kubectl.run(&["execute", "f", r#"{"text": "four"}"#]).trim(),
        "4"
    );
    let gateway = second.gateway();
    let text = "x".repeat(3 << 20);
    let answer = gateway.post("/function/f", json!({ "text": text }).to_string());
    assert!(answer.is_stamped(), "{answer:?}");
    assert_eq!(answer.expect(200), json!(text.len()));
    let accepted = gateway.accepted("/function/f", r#"{"text": "abc"}"#);
    let shown = gateway.outcome(&accepted.location()).json();
    assert_eq!(shown["state"], "Succeeded", "{shown}");
    let log = kubectl.run(&["logs", "function/f"]);
    assert!(log.contains("heard"), "{log}");
    let real = second.real_kubectl();
    real.run(&["create", "configmap", "m", "--from-literal=a=1"]);
    assert_eq!(
        real.run(&["get", "configmap", "m", "-o", "jsonpath={.data.a}"]),
        "1"
    );
    assert_eq!(
        cluster
            .kubectl()
            .run(&["get", "configmap", "m", "-o", "jsonpath={.data.a}"]),
        "1"
    );
    let seen = real.run(&[
        "wait",
        "--for=condition=Ready",
        "function/f",
        "--timeout=60s",
    ]);
    assert!(seen.contains("condition met"), "{seen}");

    // Each says what it is.
    let role = |http: Http| {
        http.get("/healthz")
            .header("x-troupe-role")
            .map(str::to_owned)
    };
    assert_eq!(role(cluster.api().as_nobody()).as_deref(), Some("leader"));
    assert_eq!(role(second.api().as_nobody()).as_deref(), Some("standby"));
    let metrics = second.api().as_admin().get("/metrics");
    assert!(
        metrics.text().contains("troupe_master_leads{} 0"),
        "{metrics:?}"
    );

    // The first of its list is not there.
    let gone = format!("https://{},{}", free_address(), second.api().server());
    assert_eq!(
        kubectl
            .run(&["--server", &gone, "get", "function", "f", "-o", "name"])
            .trim(),
        "function/f"
    );

    // Nobody gets further by a standby than by the leader, and nobody introduces himself.
    let identity = Identity::load(&cluster.nodes[0].data().join("node.pem")).unwrap();
    let forged = forged_introduction();
    for api in [cluster.api(), second.api()] {
        let (nobody, node) = (api.as_nobody(), api.with(&identity));
        for path in ["/api/v1/namespaces/default/functions/f", "/invocations"] {
            for (who, least) in [(&nobody, 401), (&node, 401)] {
                let plain = who.get(path);
                assert!((least..=403).contains(&plain.status), "{path}: {plain:?}");
                let lied = who.send(Method::GET, path, |request| {
                    request.header("x-troupe-introduction", &forged)
                });
                assert_eq!(lied.status, plain.status, "{path}: {lied:?}");
            }
        }
        let call = nobody.send(Method::POST, "/function/f", |request| {
            request.header("x-troupe-introduction", &forged).body("{}")
        });
        assert_eq!(call.status, 401, "{call:?}");
        let token = node.send(Method::POST, "/tokens", |request| {
            request
                .header("x-troupe-introduction", &forged)
                .header("content-type", "application/json")
                .body("{}")
        });
        assert_eq!(token.status, 403, "{token:?}");
    }
}

/// The lease of its earlier life runs on for a while, with its own address as the leader's.
#[test]
fn a_master_that_was_killed_takes_requests_as_soon_as_it_is_started_again() {
    let mut ensemble = Ensemble::begin();
    let cluster = &mut ensemble.cluster;
    cluster.master.kill();
    cluster.master.start_again();
    await_first(cluster, "standby");
    let writers: Vec<_> = (0..32)
        .map(|writer| {
            let api = cluster.api().as_admin();
            std::thread::spawn(move || {
                let path = "/api/v1/namespaces/default/configmaps";
                let mut number = 0;
                loop {
                    let name = format!("m-{writer}-{number}");
                    let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } });
                    let answer = api.send(Method::POST, path, |request| {
                        let json = request.header("content-type", "application/json");
                        json.body(body.to_string())
                    });
                    assert_eq!(answer.status, 201, "{name}: {answer:?}");
                    number += 1;
                    let role = api.get("/healthz");
                    if number >= 20 && role.header("x-troupe-role") == Some("leader") {
                        return;
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
}

/// What a master says of an administrator who came by a gateway on loopback.
fn forged_introduction() -> String {
    use base64::Engine as _;
    let digest = common::digest::Digest::of(b"any").to_string();
    let said = json!({
        "entrance": "LocalGateway",
        "certificate": { "name": "admin", "groups": [common::trust::ADMINS], "key": digest },
    });
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(said.to_string())
}

#[test]
fn a_client_that_leaves_a_standby_frees_its_slot_with_the_leader() {
    let ensemble = Ensemble::begin();
    let second = ensemble.second();
    let cluster = &ensemble.cluster;
    let code = "import time\ndef main(params):\n    print('began', flush=True)\n    for _ in range(params['n']):\n        time.sleep(0.01)\n    return 'done'\n";
    cluster.apply(
        "one",
        code,
        "timeoutSeconds: 600\nconcurrency: 1\nscaling: { maxReplicas: 1 }",
    );
    let gateway = second.gateway();
    let client = gateway.unanswered("/function/one", r#"{"n": 60000}"#);
    cluster.await_began("one");
    drop(client);
    // There is one slot only: an answer means that the first call was ended.
    let answer = gateway.post("/function/one", r#"{"n": 0}"#);
    assert_eq!(answer.expect(200), json!("done"));
}
