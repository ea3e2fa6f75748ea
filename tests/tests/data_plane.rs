//! The way between the gateway and the pods of a node: shared connections, long answers, a node that vanishes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use tests::{Cluster, Options, eventually, params, waits_for};

/// A function whose answer is `n` MiB.
const LARGE: &str = "def handler(env):\n    return 'x' * (int(env.uri['n']) << 20)\n";
/// Bytes in a MiB.
const MIB: usize = 1 << 20;

/// A request of which the answer's head was read; its body waits.
fn begin(cluster: &Cluster, path: &str) -> (String, BufReader<TcpStream>) {
    let address = cluster.gateway().base().replace("http://", "");
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    (head.to_lowercase(), reader)
}

#[test]
fn all_calls_to_a_node_share_a_few_connections() {
    let cluster = Cluster::start();
    for name in ["one", "two", "three"] {
        cluster.apply(name, &params("params['n']"), "");
    }
    std::thread::scope(|scope| {
        for n in 0..60 {
            let gateway = cluster.gateway();
            let path = format!("/function/{}", ["one", "two", "three"][n % 3]);
            scope.spawn(move || {
                let answer = gateway.post(&path, format!("{{\"n\": {n}}}"));
                assert_eq!(answer.expect(200), json!(n));
            });
        }
    });
    let node = cluster
        .kubectl()
        .json(&["get", "node", cluster.nodes[0].name()]);
    let address = node["metadata"]["annotations"]["troupe.dev/data-address"]
        .as_str()
        .unwrap();
    let port: u16 = address.rsplit_once(':').unwrap().1.parse().unwrap();
    let remote = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let to_the_node = table.lines().filter(|line| {
        let mut fields = line.split_whitespace().skip(2);
        let (there, state) = (fields.next().unwrap(), fields.next().unwrap());
        there.ends_with(&remote) && state == "01"
    });
    // One for each thread that makes calls, of which the master keeps at most 8 apart; not one for each call or pod.
    let count = to_the_node.count();
    assert!((1..=8).contains(&count), "{count} connections");
}

#[test]
fn long_answers_are_handed_on_as_they_come_and_hold_up_nobody() {
    let cluster = Cluster::start();
    let spec = "concurrency: 8\nscaling: { maxReplicas: 1 }\nresources: { memory: 1Gi }";
    cluster.apply("large", LARGE, spec);
    cluster.apply("quick", &params("'here'"), "");
    let gateway = cluster.gateway();
    assert_eq!(gateway.get("/function/large?n=3").body.len(), 3 * MIB);
    assert_eq!(gateway.get("/function/quick").expect(200), json!("here"));
    let before = cluster.master.resident();
    let (count, size) = (7, 12 * MIB);
    let mut answers: Vec<_> = (0..count)
        .map(|_| begin(&cluster, "/function/large?n=12"))
        .collect();
    for (head, _) in &answers {
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(
            head.contains(&format!("content-length: {size}\r\n")),
            "{head}"
        );
        assert!(
            head.contains("server-timing:") && head.contains("x-invocation-id:"),
            "{head}"
        );
    }
    // Their clients read nothing yet; others are served over the same connections.
    for _ in 0..20 {
        assert_eq!(gateway.get("/function/quick").expect(200), json!("here"));
    }
    let held = cluster.master.resident().saturating_sub(before);
    assert!(
        held < count * size / 2,
        "{held} bytes of {} are held by the master",
        count * size
    );
    // One goes away in the middle; the others get all.
    drop(answers.pop());
    for (_, mut reader) in answers {
        let mut body = Vec::new();
        reader.read_to_end(&mut body).unwrap();
        assert_eq!(body.len(), size);
        assert!(body.iter().all(|byte| *byte == b'x'));
    }
    eventually("all slots are free again", || {
        let metrics = cluster.api().as_admin().get("/metrics").text();
        let line = metrics
            .lines()
            .find(|line| line.starts_with("troupe_calls_in_flight") && line.contains("\"large\""));
        match line {
            Some(line) if line.ends_with(" 0") || line.ends_with(" 0.0") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

#[test]
fn a_node_that_vanishes_is_noticed_by_the_calls_on_it() {
    let cluster = Cluster::start();
    let code = "import time\ndef main(params):\n    print('began', flush=True)\n    time.sleep(params['s'])\n    return 'done'\n";
    cluster.apply("sleeps", code, "timeoutSeconds: 600");
    let gateway = cluster.gateway();
    assert_eq!(
        gateway.post("/function/sleeps", "{\"s\": 0}").expect(200),
        json!("done")
    );
    let call = std::thread::spawn({
        let gateway = gateway.clone();
        move || gateway.post("/function/sleeps", "{\"s\": 500}")
    });
    eventually("the long call has begun", || {
        let log = cluster.kubectl().run(&["logs", "function/sleeps"]);
        if log.matches("began").count() == 2 {
            Ok(())
        } else {
            Err(log)
        }
    });
    // As good as a machine whose cable was pulled: nothing closes, nothing answers.
    cluster.nodes[0].process.signal(Signal::SIGSTOP);
    // The function may take ten minutes, and the harness waits for two.
    let lost = call.join().unwrap();
    assert_eq!(lost.expect(502)["reason"], "PodDied");
    cluster.nodes[0].process.signal(Signal::SIGCONT);
    eventually("the node serves again", || {
        let answer = gateway.post("/function/sleeps", "{\"s\": 0}");
        if answer.status == 200 {
            Ok(())
        } else {
            Err(answer.text())
        }
    });
}

#[test]
fn a_task_whose_node_vanishes_is_tried_again() {
    let cluster = Cluster::start();
    let gate = cluster.home().join("gate");
    cluster.apply("waits", &waits_for(&gate, "params"), "timeoutSeconds: 2");
    let machine = "apiVersion: v1\nkind: StateMachine\nmetadata: { name: m }\nspec: { definition: { StartAt: T, States: { T: { Type: Task, Resource: waits, End: true } } } }\n";
    let kubectl = cluster.kubectl();
    kubectl.run_with(&["apply", "-f", "-"], machine);
    let _ = cluster.gateway().accepted("/state_machine/m", "[1]");
    cluster.await_began("waits");
    // The function takes longer than it may, but nobody there can say so.
    cluster.nodes[0].process.signal(Signal::SIGSTOP);
    eventually("the master has lost the call", || {
        let metrics = cluster.api().as_admin().get("/metrics").text();
        let lost = metrics.lines().any(|line| {
            line.starts_with("troupe_calls_total")
                && line.contains("\"lost\"")
                && !line.ends_with(" 0")
        });
        if lost { Ok(()) } else { Err(metrics) }
    });
    std::fs::write(&gate, "").unwrap();
    cluster.nodes[0].process.signal(Signal::SIGCONT);
    eventually("the run has its output", || {
        let run = kubectl.items(&["get", "runs"]).remove(0);
        if run["status"]["phase"] == "Succeeded" {
            Ok(())
        } else {
            Err(run["status"].clone())
        }
    });
}

#[test]
fn calls_wait_for_an_agent_that_is_started_again() {
    let mut cluster = Cluster::start();
    cluster.apply("f", &params("'here'"), "scaling: { pinned: 1 }");
    let _ = cluster.ready_pods("f", 1);
    let gateway = cluster.gateway();
    assert_eq!(gateway.post("/function/f", "{}").expect(200), json!("here"));
    cluster.nodes[0].process.kill();
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let gateway = cluster.gateway();
            std::thread::spawn(move || gateway.post("/function/f", "{}"))
        })
        .collect();
    // Longer than an agent takes to be there again.
    std::thread::sleep(Duration::from_secs(3));
    cluster.nodes[0].process.start_again();
    for call in calls {
        assert_eq!(call.join().unwrap().expect(200), json!("here"));
    }
}

#[test]
fn a_call_that_reached_no_agent_was_not_begun_and_says_so() {
    let mut cluster = Cluster::with(Options::default().master("gateway.hold", "2s"));
    cluster.apply("f", &params("'here'"), "scaling: { pinned: 1 }");
    let _ = cluster.ready_pods("f", 1);
    cluster.nodes[0].process.kill();
    let answer = cluster.gateway().post("/function/f", "{}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.expect(503)["reason"], "NotReached");
    cluster.nodes[0].process.start_again();
    eventually("the node serves again", || {
        let answer = cluster.gateway().post("/function/f", "{}");
        (answer.status == 200)
            .then_some(())
            .ok_or_else(|| answer.text())
    });
}
