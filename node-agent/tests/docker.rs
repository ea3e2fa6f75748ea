//! Pods as containers, on a real engine: `TROUPE_TEST_DOCKER_HOST` names its socket and
//! `TROUPE_TEST_BASE_IMAGE` the function base, a tar. Without them there is nothing to test; with
//! `CI=true` that is a failure.

#![allow(clippy::unwrap_used, reason = "tests: helpers too may panic")]

mod harness;

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use common::link::{BuildOutcome, PodState, RuntimeKind, ToAgent};
use common::trust::MASTERS;
use harness::agent::Agent;
use harness::functions::{build, simple};
use harness::master::FakeMaster;
use harness::until;
use http::{Method, StatusCode};

const DOUBLE: &str = "def main(params):\n    print('called')\n    return {'y': params['x'] * 2}\n";

struct Node {
    master: FakeMaster,
    agent: Agent,
    data: String,
    host: String,
    label: String,
}

static NODES: AtomicU32 = AtomicU32::new(0);

async fn node() -> Option<Node> {
    let host = std::env::var("TROUPE_TEST_DOCKER_HOST");
    let base = std::env::var("TROUPE_TEST_BASE_IMAGE");
    let (Ok(host), Ok(base)) = (host, base) else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "CI=true needs TROUPE_TEST_DOCKER_HOST and TROUPE_TEST_BASE_IMAGE"
        );
        eprintln!("no TROUPE_TEST_DOCKER_HOST and TROUPE_TEST_BASE_IMAGE: not tested");
        return None;
    };
    let master = FakeMaster::start().await;
    let number = NODES.fetch_add(1, Ordering::SeqCst);
    let label = format!("test-{}-{number}", std::process::id());
    let settings = [
        ("RUNTIME", "docker"),
        ("DOCKER__HOST", host.as_str()),
        ("DOCKER__BASE_IMAGE", base.as_str()),
        ("NAME", label.as_str()),
    ];
    let agent = Agent::start(&master, &settings);
    let hello = master.hello().await;
    assert_eq!((hello.runtime, hello.isolated), (RuntimeKind::Docker, true));
    master.inventory().await;
    Some(Node {
        master,
        agent,
        data: hello.data_addr,
        host,
        label,
    })
}

impl Node {
    fn docker(&self, arguments: &[&str]) -> String {
        let output = Command::new("docker")
            .args(["-H", &self.host])
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn containers(&self) -> String {
        self.docker(&[
            "ps",
            "-aq",
            "--filter",
            &format!("label=troupe.dev/node={}", self.label),
        ])
    }

    async fn ready(&self, uid: &str, code: &str) -> common::link::PodReport {
        self.master.say(ToAgent::EnsurePod(Box::new(simple(
            &self.master,
            uid,
            code,
        ))));
        self.master.pod(uid, PodState::Ready).await
    }

    async fn execute(&self, uid: &str, body: &str) -> (StatusCode, String) {
        let path = format!("/pods/{uid}/call/");
        let mut sender = self.connect().await;
        let request = http::Request::builder()
            .method(Method::POST)
            .uri(path)
            .header("host", "node")
            .body(http_body_util::Full::from(body.to_owned()))
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let status = answer.status();
        use http_body_util::BodyExt as _;
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    async fn connect(
        &self,
    ) -> hyper::client::conn::http1::SendRequest<http_body_util::Full<bytes::Bytes>> {
        self.master
            .connect_to(&self.data, MASTERS, &self.label)
            .await
            .unwrap()
    }

    async fn end(mut self) {
        assert!(self.agent.terminate().await.success());
        assert_eq!(self.containers(), "");
        let networks = self.docker(&["network", "ls", "--format", "{{.Name}}"]);
        let path = std::fs::canonicalize(&self.agent.data).unwrap();
        let id = common::digest::Digest::of(path.as_os_str().as_encoded_bytes()).hex();
        assert!(!networks.contains(&id[..8]), "{networks}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_started_called_adopted_and_removed() {
    let Some(mut node) = node().await else { return };
    let before = node.ready("p1", DOUBLE).await;
    let (status, answer) = node.execute("p1", "{\"x\": 21}").await;
    assert_eq!((status, answer.as_str()), (StatusCode::OK, "{\"y\":42}"));
    node.agent.kill();
    node.master.desire(vec![simple(&node.master, "p1", DOUBLE)]);
    node.agent.restart();
    node.data = node.master.hello().await.data_addr;
    let after = node.master.pod("p1", PodState::Ready).await;
    assert_eq!(after.runtime_id, before.runtime_id);
    assert_eq!(node.execute("p1", "{\"x\": 1}").await.0, StatusCode::OK);
    let mut sender = node.connect().await;
    let request = http::Request::get("/pods/p1/log?tailLines=1")
        .header("host", "node")
        .body(http_body_util::Full::default())
        .unwrap();
    use http_body_util::BodyExt as _;
    let log = sender
        .send_request(request)
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap();
    let log = String::from_utf8_lossy(&log.to_bytes()).into_owned();
    assert!(log.contains("called") && log.lines().count() == 1, "{log}");
    node.master.say(ToAgent::RemovePod {
        uid: "p1".into(),
        grace_seconds: 5,
    });
    node.master.pod("p1", PodState::Gone).await;
    assert_eq!(node.containers(), "");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_agent_left_and_nobody_knows_is_removed_by_the_next() {
    let Some(mut node) = node().await else { return };
    node.ready("p1", DOUBLE).await;
    node.agent.kill();
    std::fs::remove_dir_all(node.agent.pod("p1")).unwrap();
    node.agent.restart();
    node.master.inventory().await;
    until("the container is removed", || {
        node.containers().is_empty().then_some(())
    })
    .await;
    node.end().await;
}

const LOOK: &str = "\
import os, socket
def tried(do):
    try:
        return str(do())
    except OSError as error:
        return type(error).__name__
def main(params):
    status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())
    return {
        'uid': os.getuid(),
        'root': tried(lambda: open('/x', 'w')),
        'layer': tried(lambda: open('/function/x', 'w')),
        'tmp': tried(lambda: open('/tmp/x', 'w').write('y')),
        'caps': status['CapEff'].strip() + status['CapBnd'].strip(),
        'nnp': status['NoNewPrivs'].strip(),
        'net': sorted(os.listdir('/sys/class/net')),
        'device': tried(lambda: os.mknod('/tmp/d', 0o60600, 0x801)),
    }
";

#[tokio::test(flavor = "multi_thread")]
async fn a_container_has_no_rights() {
    let Some(node) = node().await else { return };
    let mut pod = simple(&node.master, "p1", LOOK);
    pod.egress = false;
    node.master.say(ToAgent::EnsurePod(Box::new(pod)));
    node.master.pod("p1", PodState::Ready).await;
    let (_, text) = node.execute("p1", "{}").await;
    let seen: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_ne!(seen["uid"], 0);
    assert_eq!(seen["root"], "OSError", "{seen}");
    assert_eq!(seen["layer"], "OSError", "{seen}");
    assert_eq!(seen["tmp"], "1");
    assert_eq!(seen["caps"], "0".repeat(32));
    assert_eq!(seen["nnp"], "1");
    assert_eq!(seen["net"], serde_json::json!(["lo"]));
    assert_eq!(seen["device"], "PermissionError");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_in_containers_have_their_reasons() {
    let Some(node) = node().await else { return };
    let code = "import nosuchmodule\ndef main(params): pass\n";
    node.master.say(ToAgent::EnsurePod(Box::new(simple(
        &node.master,
        "p1",
        code,
    ))));
    let report = node.master.pod("p1", PodState::Failed).await;
    assert_eq!(report.reason.as_deref(), Some("ImportError"));
    assert!(report.message.unwrap().contains("/function/func.py"));
    node.ready(
        "p2",
        "def main(params):\n    return len(bytearray(400 << 20))\n",
    )
    .await;
    node.execute("p2", "{}").await;
    let report = node.master.pod("p2", PodState::Failed).await;
    assert_eq!(report.reason.as_deref(), Some("OOMKilled"), "{report:?}");
    node.ready("p3", "import os\ndef main(params):\n    os._exit(3)\n")
        .await;
    node.execute("p3", "{}").await;
    let report = node.master.pod("p3", PodState::Failed).await;
    assert_eq!(report.exit.unwrap().code, 3);
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_run_in_containers() {
    let Some(node) = node().await else { return };
    let good = build(&node.master, "b1", &[("func.py", DOUBLE)]);
    node.master.say(ToAgent::Build(Box::new(good)));
    let (log, outcome) = node.master.built("b1").await;
    assert!(
        matches!(&outcome, BuildOutcome::Built(built) if built.handler == "func.main"),
        "{outcome:?} {log:?}"
    );
    let absent = [
        ("func.py", DOUBLE),
        ("requirements.txt", "nosuchpackage-troupe==9\n"),
    ];
    let bad = build(&node.master, "b2", &absent);
    node.master.say(ToAgent::Build(Box::new(bad)));
    let (_, outcome) = node.master.built("b2").await;
    let BuildOutcome::Failed(failure) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(failure.reason, "RequirementsFailed");
    assert!(
        failure.message.contains("nosuchpackage-troupe"),
        "{failure:?}"
    );
    assert_eq!(node.containers(), "");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_function_base_it_says_what_to_do() {
    let Ok(host) = std::env::var("TROUPE_TEST_DOCKER_HOST") else {
        return;
    };
    let master = FakeMaster::start().await;
    let settings = [
        ("RUNTIME", "docker"),
        ("DOCKER__HOST", &host),
        ("DOCKER__IMAGE", "troupe/nosuch:1"),
    ];
    let mut agent = Agent::start(&master, &settings);
    let (status, said) = agent.ended().await;
    assert!(!status.success());
    assert!(
        said.contains("troupe/nosuch:1") && said.contains("make func-base"),
        "{said}"
    );
}
