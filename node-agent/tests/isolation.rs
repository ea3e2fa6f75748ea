//! What a process pod is kept from.

#![allow(clippy::unwrap_used, reason = "tests: helpers too may panic")]

mod harness;

use common::link::{PodState, ToAgent};
use harness::functions::simple;
use harness::node::{ensure, pid_of, started};
use harness::{is_root, until};
use http::StatusCode;

const DOUBLE: &str = "def main(params):\n    return {'y': params['x'] * 2}\n";

const LOOK: &str = "\
import os
def tried(do):
    try:
        return str(do())
    except OSError as error:
        return type(error).__name__
def main(params):
    data = params['data']
    status = open('/proc/self/status').read()
    return {
        'uid': os.getuid(),
        'groups': os.getgroups(),
        'list-data': tried(lambda: os.listdir(data)),
        'list-pods': tried(lambda: os.listdir(data + '/pods')),
        'list-layers': tried(lambda: os.listdir(data + '/layers')),
        'read-key': tried(lambda: open(data + '/node.pem').read()),
        'record': tried(lambda: open(data + '/pods/p1/record.json').read()),
        'write-layer': tried(lambda: open('extra.py', 'w')),
        'other': tried(lambda: os.listdir(data + '/pods/p2/run')),
        'signal': tried(lambda: os.kill(params['other'], 0)),
        'control': tried(lambda: __import__('socket').socket(1).connect(data + '/pods/p1/control.sock')),
        'nnp': [line for line in status.splitlines() if line.startswith('NoNewPrivs')][0][-1],
        'env': sorted(key for key in os.environ if key.startswith('TROUPE') or key == 'GREETING'),
        'home': tried(lambda: open(os.environ['HOME'] + '/x', 'w').write('y')),
    }
";

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_runs_as_a_user_of_its_own_and_sees_nothing_of_the_node() {
    if !is_root() {
        eprintln!("not root: pods run as this user, which this test is not about");
        return;
    }
    let (master, agent, data) = started(&[]).await;
    ensure(&master, simple(&master, "p1", LOOK)).await;
    ensure(&master, simple(&master, "p2", DOUBLE)).await;
    master.pod("p1", PodState::Ready).await;
    // Reports of the two may come in either order.
    let record = agent.pod("p2").join("record.json");
    let other = until("p2 is ready", || {
        let record: node_agent::pods::Record =
            serde_json::from_slice(&std::fs::read(&record).ok()?).ok()?;
        (record.report.state == PodState::Ready).then(|| record.report.runtime_id.unwrap())
    })
    .await;
    let body = serde_json::json!({ "data": agent.data, "other": pid_of(Some(&other)) });
    let (status, text) = master.execute(&data, "p1", &body.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let seen: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(seen["uid"].as_u64().unwrap() >= 200_000, "{seen}");
    assert!(
        !seen["groups"]
            .as_array()
            .unwrap()
            .iter()
            .any(|group| group == 0),
        "{seen}"
    );
    let barred = "PermissionError";
    for what in [
        "list-data",
        "list-pods",
        "list-layers",
        "read-key",
        "record",
        "write-layer",
        "other",
        "signal",
        "control",
    ] {
        assert_eq!(seen[what], barred, "{what}: {seen}");
    }
    assert_eq!(seen["nnp"], "1");
    assert_eq!(seen["env"], serde_json::json!(["GREETING"]));
    assert_eq!(seen["home"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_replaces_its_socket_by_a_link_is_not_followed() {
    let (master, agent, data) = started(&[]).await;
    let code = "\
import os
def main(params):
    os.unlink(params['run'] + '/http.sock')
    os.symlink(params['target'], params['run'] + '/http.sock')
    return 'done'
";
    ensure(&master, simple(&master, "p1", code)).await;
    master.pod("p1", PodState::Ready).await;
    let other = tempfile::tempdir().unwrap();
    let target = other.path().join("docker.sock");
    let listener = std::os::unix::net::UnixListener::bind(&target).unwrap();
    listener.set_nonblocking(true).unwrap();
    let body = serde_json::json!({ "run": agent.pod("p1").join("run"), "target": target });
    assert_eq!(
        master.execute(&data, "p1", &body.to_string()).await.0,
        StatusCode::OK
    );
    // The kept connection still leads to the pod; new ones must not lead anywhere.
    let mut refused = false;
    for _ in 0..3 {
        let calls = (0..4).map(|_| master.execute(&data, "p1", "{}"));
        let answers = futures_util::future::join_all(calls).await;
        refused |= answers
            .iter()
            .any(|(_, body)| body.contains("found a link"));
    }
    assert!(refused);
    assert!(listener.accept().is_err());
}

/// Each stops all that it may, begins the next, and goes.
const CHAIN: &str = "\
import os, signal
def main(params):
    if os.fork():
        return 'begun'
    while True:
        try:
            os.kill(-1, signal.SIGSTOP)
        except OSError:
            pass
        try:
            if os.fork():
                os._exit(0)
        except OSError:
            pass
";

#[tokio::test(flavor = "multi_thread")]
async fn what_forks_on_and_stops_whoever_comes_is_ended_with_its_pod() {
    if !is_root() {
        eprintln!("not root: pods have no user of their own to be ended by");
        return;
    }
    let (master, agent, data) = started(&[]).await;
    ensure(&master, simple(&master, "p1", CHAIN)).await;
    master.pod("p1", PodState::Ready).await;
    let record = std::fs::read(agent.pod("p1").join("record.json")).unwrap();
    let record: node_agent::pods::Record = serde_json::from_slice(&record).unwrap();
    let user = record.user.unwrap();
    let call = master.execute(&data, "p1", "{}");
    // Nobody will answer it.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), call).await;
    assert!(runs_under(user), "it is on its way");
    master.say(ToAgent::RemovePod {
        uid: "p1".into(),
        grace_seconds: 1,
    });
    master.pod("p1", PodState::Gone).await;
    assert!(!runs_under(user));
}

fn runs_under(user: u32) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut said = processes.map(|entry| std::fs::read_to_string(entry.path().join("status")));
    said.any(|status| {
        status.is_ok_and(|status| {
            status.contains(&format!("Uid:\t{user}\t")) && !status.contains("State:\tZ")
        })
    })
}
