//! Pods as processes, by the real agent and a fake master.

#![allow(clippy::unwrap_used, reason = "tests: helpers too may panic")]

mod harness;

use std::path::Path;

use common::link::{PodState, ToAgent};
use common::trust::{MASTERS, NODES};
use harness::agent::Agent;
use harness::functions::{pod, simple};
use harness::master::FakeMaster;
use harness::node::{alive, ensure, pid_of, started};
use harness::{processes_with, until};
use http::{Method, StatusCode};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const DOUBLE: &str = "def main(params):\n    return {'y': params['x'] * 2}\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_fetched_started_called_and_removed() {
    let (master, agent, data) = started(&[]).await;
    ensure(&master, simple(&master, "p1", DOUBLE)).await;
    let ready = master.pod("p1", PodState::Ready).await;
    let cold = ready.cold.unwrap();
    assert!(cold.start_ms > 0.0 && cold.import_ms > 0.0, "{cold:?}");
    let answer = master.execute(&data, "p1", "{\"x\": 21}").await;
    assert_eq!(
        answer,
        (StatusCode::OK, "{\"y\": 42}".to_owned().replace(' ', "")),
        "{answer:?}"
    );
    master.say(ToAgent::RemovePod {
        uid: "p1".into(),
        grace_seconds: 5,
    });
    master.pod("p1", PodState::Gone).await;
    assert!(!agent.pod("p1").exists());
    assert!(!alive(pid_of(ready.runtime_id.as_deref())));
    let (status, body) = master.execute(&data, "p1", "{}").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(body.contains("PodGone"), "{body}");
    // What is not there is gone, however often it is asked for.
    master.say(ToAgent::RemovePod {
        uid: "p1".into(),
        grace_seconds: 5,
    });
    master.pod("p1", PodState::Gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_masters_may_call() {
    let (master, _agent, data) = started(&[]).await;
    ensure(&master, simple(&master, "p1", DOUBLE)).await;
    master.pod("p1", PodState::Ready).await;
    let path = "/pods/p1/call/";
    let node = master
        .call(&data, NODES, Method::POST, path, "{}")
        .await
        .unwrap();
    assert_eq!(node.0, StatusCode::FORBIDDEN);
    let health = master
        .call(&data, MASTERS, Method::GET, "/healthz", "")
        .await
        .unwrap();
    assert_eq!(health.0, StatusCode::OK);
    let none = tokio::net::TcpStream::connect(&data).await.unwrap();
    let tls = common::trust::client_config(master.shared().authority.ca_pem(), None).unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(tls));
    let name = rustls_pki_types::ServerName::try_from("node-1").unwrap();
    let mut stream = connector.connect(name, none).await.unwrap();
    use tokio::io::AsyncReadExt as _;
    assert!(stream.read_u8().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_error_is_the_reason_with_its_stack() {
    let (master, _agent, _) = started(&[]).await;
    let code = "import json\nimport nosuchmodule\ndef main(params): pass\n";
    ensure(&master, simple(&master, "p1", code)).await;
    let report = master.pod("p1", PodState::Failed).await;
    assert_eq!(report.reason.as_deref(), Some("ImportError"));
    let message = report.message.unwrap();
    assert!(
        message.contains("ModuleNotFoundError: No module named 'nosuchmodule'"),
        "{message}"
    );
    assert!(message.contains("func.py\", line 2"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_exits_is_reported_with_its_code_and_log() {
    let (master, _agent, data) = started(&[]).await;
    let code =
        "import os\ndef main(params):\n    print('last words', flush=True)\n    os._exit(3)\n";
    ensure(&master, simple(&master, "p1", code)).await;
    master.pod("p1", PodState::Ready).await;
    let (status, body) = master.execute(&data, "p1", "{}").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(body.contains("PodDied"), "{body}");
    let report = master.pod("p1", PodState::Failed).await;
    assert_eq!(report.reason.as_deref(), Some("Exited"));
    assert_eq!(report.exit.unwrap().code, 3);
    let log = master.log(&data, "p1", "tailLines=5").await;
    assert!(log.contains("last words"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_memory_ends_the_pod_and_is_the_reason() {
    let (master, _agent, data) = started(&[]).await;
    // Without cgroups memory is looked at a few times a second: the function must last.
    let code = "\
import time
def main(params):
    eaten = b'x' * (400 << 20)
    time.sleep(20)
    return len(eaten)
";
    ensure(&master, simple(&master, "p1", code)).await;
    master.pod("p1", PodState::Ready).await;
    master.execute(&data, "p1", "{}").await;
    let report = master.pod("p1", PodState::Failed).await;
    assert_eq!(report.reason.as_deref(), Some("OOMKilled"));
    assert!(report.exit.unwrap().oom);
}

const FORKS: &str = "\
import os, time
def main(params):
    mark = params['mark']
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv('/bin/sh', ['sh', '-c', 'while :; do sleep 1; done', mark])
        os._exit(0)
    os.wait()
    return 'forked'
";

#[tokio::test(flavor = "multi_thread")]
async fn double_forked_children_end_with_the_pod() {
    let (master, _agent, data) = started(&[]).await;
    ensure(&master, simple(&master, "p1", FORKS)).await;
    master.pod("p1", PodState::Ready).await;
    let mark = format!("mark-{}", std::process::id());
    master
        .execute(&data, "p1", &format!("{{\"mark\": \"{mark}\"}}"))
        .await;
    until("the child runs", || {
        (!processes_with(&mark).is_empty()).then_some(())
    })
    .await;
    master.say(ToAgent::RemovePod {
        uid: "p1".into(),
        grace_seconds: 1,
    });
    master.pod("p1", PodState::Gone).await;
    assert_eq!(processes_with(&mark), Vec::<i32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_outlive_a_killed_agent_and_are_adopted() {
    let (master, mut agent, data) = started(&[]).await;
    let first = simple(&master, "p1", DOUBLE);
    ensure(&master, first.clone()).await;
    let before = master.pod("p1", PodState::Ready).await;
    let pid = pid_of(before.runtime_id.as_deref());
    drop(data);
    agent.kill();
    assert!(alive(pid));
    master.desire(vec![first]);
    agent.restart();
    let data = master.hello().await.data_addr;
    let after = master.pod("p1", PodState::Ready).await;
    assert_eq!(pid_of(after.runtime_id.as_deref()), pid);
    assert_eq!(
        master.execute(&data, "p1", "{\"x\": 1}").await.0,
        StatusCode::OK
    );
    assert_eq!(
        master
            .shared()
            .joins
            .load(std::sync::atomic::Ordering::SeqCst),
        1
    );
    // It can still be ended, and its exit is known.
    master.say(ToAgent::RemovePod {
        uid: "p1".into(),
        grace_seconds: 5,
    });
    master.pod("p1", PodState::Gone).await;
    assert!(!alive(pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_died_while_the_agent_was_away_is_reported() {
    let (master, mut agent, _) = started(&[]).await;
    let assignment = simple(&master, "p1", DOUBLE);
    ensure(&master, assignment.clone()).await;
    let pid = pid_of(
        master
            .pod("p1", PodState::Ready)
            .await
            .runtime_id
            .as_deref(),
    );
    agent.kill();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    let exit = agent.pod("p1").join("exit.json");
    until("the supervisor wrote the exit", || {
        exit.exists().then_some(())
    })
    .await;
    master.desire(vec![assignment]);
    agent.restart();
    let report = master.pod("p1", PodState::Failed).await;
    assert_eq!(report.exit.unwrap().code, 137);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_ends_its_pod_when_no_agent_comes_back() {
    let (master, mut agent, data) = started(&[("PODS__ORPHAN_AFTER", "1s")]).await;
    ensure(&master, simple(&master, "p1", FORKS)).await;
    let ready = master.pod("p1", PodState::Ready).await;
    let mark = format!("orphan-{}", std::process::id());
    master
        .execute(&data, "p1", &format!("{{\"mark\": \"{mark}\"}}"))
        .await;
    until("the child runs", || {
        (!processes_with(&mark).is_empty()).then_some(())
    })
    .await;
    agent.kill();
    let pid = pid_of(ready.runtime_id.as_deref());
    until("the pod ends", || {
        (!alive(pid) && processes_with(&mark).is_empty()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_agent_leaves_nothing_behind() {
    let (master, mut agent, _) = started(&[]).await;
    ensure(&master, simple(&master, "p1", DOUBLE)).await;
    ensure(
        &master,
        simple(&master, "p2", "import time\ntime.sleep(3600)\n"),
    )
    .await;
    let pid = pid_of(
        master
            .pod("p1", PodState::Ready)
            .await
            .runtime_id
            .as_deref(),
    );
    let status = agent.terminate().await;
    assert!(status.success(), "{status}");
    assert!(!alive(pid));
    assert_eq!(
        std::fs::read_dir(agent.data.join("pods")).unwrap().count(),
        0
    );
    // Other agents have theirs beside it.
    let path = std::fs::canonicalize(&agent.data).unwrap();
    let id = common::digest::Digest::of(path.as_os_str().as_encoded_bytes()).hex();
    let name = format!("troupe-{}", &id[..8]);
    let groups = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"]
        .iter()
        .flat_map(|tree| {
            std::fs::read_dir(tree)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
        });
    let own = groups.filter(|path| {
        path.file_name()
            .is_some_and(|file| file.to_string_lossy().starts_with(&name))
            && (path.join("p1").exists() || path.join("p2").exists())
    });
    assert_eq!(own.collect::<Vec<_>>(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_data_directory_does_no_harm() {
    let master = FakeMaster::start().await;
    let deep = tempfile::tempdir().unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(deep.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    let path = deep.path().join("x".repeat(60)).join("y".repeat(60));
    std::fs::create_dir_all(&path).unwrap();
    let mut agent = Agent::start(&master, &[("NAME", "node-1")]);
    agent.kill();
    agent.data = path.join("d");
    agent.restart();
    let data = master.hello().await.data_addr;
    ensure(&master, simple(&master, "p1", DOUBLE)).await;
    master.pod("p1", PodState::Ready).await;
    assert_eq!(
        master.execute(&data, "p1", "{\"x\": 1}").await.0,
        StatusCode::OK
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_followed_and_cut() {
    let (master, _agent, data) = started(&[]).await;
    let code = "def main(params):\n    print('line', params['n'])\n";
    ensure(&master, simple(&master, "p1", code)).await;
    master.pod("p1", PodState::Ready).await;
    for n in 0..3 {
        master
            .execute(&data, "p1", &format!("{{\"n\": {n}}}"))
            .await;
    }
    until_log(&master, &data, "line 2").await;
    let tail = master.log(&data, "p1", "tailLines=1").await;
    assert!(
        tail.contains("line 2") && !tail.contains("line 1"),
        "{tail}"
    );
    let mut sender = master.connect(&data, MASTERS).await.unwrap();
    let request = http::Request::get("/pods/p1/log?follow=true&tailLines=1")
        .header("host", "node")
        .body(http_body_util::Full::default())
        .unwrap();
    let mut body = sender.send_request(request).await.unwrap().into_body();
    let mut seen = String::new();
    let mut called = false;
    use http_body_util::BodyExt as _;
    while !seen.contains("line 7") {
        let frame = tokio::time::timeout(harness::LONG, body.frame())
            .await
            .unwrap();
        seen += &String::from_utf8_lossy(&frame.unwrap().unwrap().into_data().unwrap());
        if !called {
            called = true;
            master.execute(&data, "p1", "{\"n\": 7}").await;
        }
    }
    assert!(
        seen.contains("line 2") && !seen.contains("line 1"),
        "{seen}"
    );
    assert_eq!(
        master
            .call(&data, MASTERS, Method::GET, "/pods/nosuch/log", "")
            .await
            .unwrap()
            .0,
        StatusCode::NOT_FOUND
    );
}

async fn until_log(master: &FakeMaster, data: &str, text: &str) {
    while !master.log(data, "p1", "").await.contains(text) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_of_several_files_and_packages_runs() {
    let (master, _agent, data) = started(&[]).await;
    let files = [
        (
            "func.py",
            "import helper, dep\ndef main(params):\n    return helper.A + dep.B\n",
        ),
        ("helper.py", "A = open('data.txt').read()\n"),
        ("data.txt", "text"),
        ("site-packages/dep/__init__.py", "B = '!'\n"),
    ];
    ensure(&master, pod(&master, "p1", &files)).await;
    master.pod("p1", PodState::Ready).await;
    assert_eq!(master.execute(&data, "p1", "{}").await.1, "\"text!\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_python_that_fits_is_said_with_what_was_tried() {
    let master = FakeMaster::start().await;
    let mut agent = Agent::start(&master, &[("PROCESS__PYTHON", "/bin/true")]);
    let (status, said) = agent.ended().await;
    assert!(!status.success());
    assert!(
        said.contains("/bin/true") && said.contains("process.python"),
        "{said}"
    );
    assert!(Path::new("/bin/true").exists());
}
