//! What one client sends, or does not read, harms no other's calls.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;
use tests::{Cluster, Options, eventually, params};

/// A function that answers when it is told to.
const WAITS: &str = "import os, time\ndef main(params):\n    print('began', flush=True)\n    while not os.path.exists(params['until']):\n        time.sleep(0.05)\n    return 'done'\n";
/// A function whose answer has `n` headers of `bytes` each.
const HEADERS: &str = "def handler(env):\n    n, size = int(env.uri['n']), int(env.uri['bytes'])\n    return {'statusCode': 200, 'headers': {f'x-{i}': 'v' * size for i in range(n)}, 'body': 'here'}\n";
/// A function whose answer is `n` MiB.
const LARGE: &str = "def handler(env):\n    return 'x' * (int(env.uri['n']) << 20)\n";

/// Sends bytes to the gateway and reads the answer's head.
fn send(cluster: &Cluster, request: &str) -> (String, BufReader<TcpStream>) {
    let address = cluster.gateway().base().replace("http://", "");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    (head, reader)
}

fn pods(cluster: &Cluster) -> Vec<String> {
    let pods = cluster.kubectl().items(&["get", "pods"]);
    let names = pods.iter();
    let mut names: Vec<_> = names
        .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_head_that_no_connection_carries_is_refused_and_ends_nobodys_call() {
    let cluster = Cluster::start();
    let gate = cluster.home().join("gate");
    cluster.apply("waits", WAITS, "scaling: { pinned: 1 }");
    cluster.apply("headers", HEADERS, "scaling: { pinned: 1 }");
    let gateway = cluster.gateway();
    assert_eq!(gateway.get("/function/headers?n=0&bytes=0").text(), "here");
    let _ = cluster.ready_pods("waits", 1);
    let before = pods(&cluster);
    let waiting = std::thread::spawn({
        let (gateway, gate) = (gateway.clone(), gate.clone());
        move || gateway.post("/function/waits", json!({ "until": gate }).to_string())
    });
    eventually("the call has begun", || {
        let log = cluster.kubectl().run(&["logs", "function/waits"]);
        log.contains("began").then_some(()).ok_or(log)
    });

    for (count, bytes) in [(8, 12_000), (1, 66_000), (90, 800)] {
        let mut request =
            "GET /function/headers?n=0&bytes=0 HTTP/1.1\r\nHost: localhost\r\n".to_owned();
        for number in 0..count {
            request += &format!("X-{number}: {}\r\n", "v".repeat(bytes));
        }
        let (head, _) = send(&cluster, &(request + "Connection: close\r\n\r\n"));
        assert!(head.starts_with("HTTP/1.1 431"), "{head}");
    }
    for more in ["", "Prefer: respond-async\r\n"] {
        let (path, value) = ("p".repeat(60_000), "v".repeat(6000));
        let request = format!(
            "POST /function/headers/{path} HTTP/1.1\r\nHost: localhost\r\nX: {value}\r\n{more}Connection: close\r\n\r\n"
        );
        let (head, mut rest) = send(&cluster, &request);
        assert!(head.starts_with("HTTP/1.1 431"), "{head}");
        let mut said = String::new();
        rest.read_to_string(&mut said).unwrap();
        assert!(said.contains("send the rest in the body"), "{said}");
    }

    // What is carried on the way there is carried on the way back.
    let mut request =
        "GET /function/headers?n=9&bytes=7000 HTTP/1.1\r\nHost: localhost\r\n".to_owned();
    for number in 0..9 {
        request += &format!("X-{number}: {}\r\n", "v".repeat(6000));
    }
    let (head, _) = send(&cluster, &(request + "Connection: close\r\n\r\n"));
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(head.matches(&"v".repeat(7000)).count(), 9);
    let more = gateway.get("/function/headers?n=20&bytes=7000");
    assert_eq!(more.expect(500)["errorType"], "Unserializable");

    std::fs::write(&gate, "").unwrap();
    assert_eq!(waiting.join().unwrap().expect(200), json!("done"));
    assert_eq!(pods(&cluster), before, "no pod was replaced");
}

#[test]
fn a_tunnel_is_refused_and_ends_no_pod() {
    let cluster = Cluster::start();
    cluster.apply("f", &params("'here'"), "scaling: { pinned: 1 }");
    let before = cluster.ready_pods("f", 1);
    for more in ["", "Idempotency-Key: k\r\n", "Prefer: respond-async\r\n"] {
        let request = format!(
            "CONNECT /function/f HTTP/1.1\r\nHost: localhost\r\n{more}Content-Length: 3\r\nConnection: close\r\n\r\nabc"
        );
        let (head, _) = send(&cluster, &request);
        assert!(head.starts_with("HTTP/1.1 405"), "{head}");
    }
    let answer = cluster.gateway().post("/function/f", "{}");
    assert_eq!(answer.expect(200), json!("here"));
    assert_eq!(cluster.ready_pods("f", 1), before);
}

#[test]
fn a_client_that_stops_reading_keeps_no_slot() {
    let cluster = Cluster::with(Options::default().master("gateway.hold", "20s"));
    let spec = "concurrency: 1\ntimeoutSeconds: 3\nscaling: { maxReplicas: 1 }\nresources: { memory: 1Gi }";
    cluster.apply("large", LARGE, spec);
    let gateway = cluster.gateway();
    assert_eq!(gateway.get("/function/large?n=1").body.len(), 1 << 20);
    let (head, mut stalled) = send(
        &cluster,
        "GET /function/large?n=40 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    // It waits for the slot, and gets it, while the other client still has not read its answer.
    let answer = gateway.get("/function/large?n=1");
    assert_eq!((answer.status, answer.body.len()), (200, 1 << 20));
    let mut rest = Vec::new();
    let ended = stalled.read_to_end(&mut rest);
    assert!(rest.len() < 40 << 20, "{ended:?}: its call was over");
}

#[test]
fn bodies_that_wait_fill_no_more_memory_than_they_may() {
    let cluster = Cluster::with(Options::default().master("gateway.max-bodies", "1Mi"));
    let gate = cluster.home().join("gate");
    cluster.apply("waits", WAITS, "scaling: { pinned: 1 }");
    cluster.apply("f", &params("'here'"), "");
    let gateway = cluster.gateway();
    let long = json!({ "until": gate, "filler": "x".repeat(700_000) }).to_string();
    let waiting = std::thread::spawn({
        let (gateway, long) = (gateway.clone(), long.clone());
        move || gateway.post("/function/waits", long)
    });
    eventually("the call has begun", || {
        let log = cluster.kubectl().run(&["logs", "function/waits"]);
        log.contains("began").then_some(()).ok_or(log)
    });
    for prefer in ["wait=1", "respond-async"] {
        let refused = gateway.post_with("/function/waits", "prefer", prefer, &long);
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!(refused.expect(503)["reason"], "Busy");
    }
    assert_eq!(gateway.post("/function/f", "{}").expect(200), json!("here"));
    std::fs::write(&gate, "").unwrap();
    assert_eq!(waiting.join().unwrap().expect(200), json!("done"));
    assert_eq!(
        gateway.post("/function/waits", long).expect(200),
        json!("done")
    );
}
