//! An agent on a real engine, and the proof that it leaves nothing behind.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use common::link::{Hello, PodAssignment, PodReport, PodState, RuntimeKind, ToAgent};
use common::trust::MASTERS;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;

use crate::harness::agent::Agent;
use crate::harness::functions::simple;
use crate::harness::master::FakeMaster;

static NODES: AtomicU32 = AtomicU32::new(0);

/// A master with one agent that starts containers.
pub(crate) struct Node {
    pub(crate) master: FakeMaster,
    pub(crate) agent: Agent,
    pub(crate) data: String,
    pub(crate) hello: Hello,
    /// Whether pods are to become of generic ones.
    warm: bool,
    host: String,
    label: String,
}

/// Where the engine and the function base are; none when they are not there.
pub(crate) fn environment() -> Option<(String, String)> {
    let host = std::env::var("TROUPE_TEST_DOCKER_HOST");
    let base = std::env::var("TROUPE_TEST_BASE_IMAGE");
    if let (Ok(host), Ok(base)) = (host, base) {
        return Some((host, base));
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "CI=true needs TROUPE_TEST_DOCKER_HOST and TROUPE_TEST_BASE_IMAGE"
    );
    eprintln!("no TROUPE_TEST_DOCKER_HOST and TROUPE_TEST_BASE_IMAGE: not tested");
    None
}

pub(crate) async fn node() -> Option<Node> {
    node_with(&[]).await
}

pub(crate) async fn node_with(settings: &[(&str, &str)]) -> Option<Node> {
    let (host, base) = environment()?;
    Some(Node::start(&host, &base, settings).await)
}

impl Node {
    pub(crate) async fn start(host: &str, base: &str, settings: &[(&str, &str)]) -> Self {
        Self::of(FakeMaster::start().await, host, base, settings).await
    }

    /// A node of this master.
    pub(crate) async fn of(
        master: FakeMaster,
        host: &str,
        base: &str,
        settings: &[(&str, &str)],
    ) -> Self {
        let number = NODES.fetch_add(1, Ordering::SeqCst);
        let label = format!("test-{}-{number}", std::process::id());
        let mut all = vec![
            ("RUNTIME", "docker"),
            ("DOCKER__HOST", host),
            ("DOCKER__BASE_IMAGE", base),
            ("NAME", label.as_str()),
        ];
        all.extend(settings);
        let agent = Agent::start(&master, &all);
        let hello = master.hello().await;
        assert_eq!(hello.runtime, RuntimeKind::Docker);
        assert!(hello.isolated, "{}", hello.isolation_message);
        master.inventory().await;
        Self {
            master,
            agent,
            data: hello.data_addr.clone(),
            hello,
            warm: settings
                .iter()
                .any(|(key, size)| *key == "POOL__SIZE" && *size != "0"),
            host: host.to_owned(),
            label,
        }
    }

    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        let output = Command::new("docker")
            .args(["-H", &self.host])
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(crate) fn containers(&self) -> String {
        let label = format!("label=troupe.dev/node={}", self.label);
        self.docker(&["ps", "-aq", "--filter", &label])
    }

    /// Names of its pods' containers, without those that wait to become one.
    pub(crate) fn pod_containers(&self) -> Vec<String> {
        let label = format!("label=troupe.dev/node={}", self.label);
        let names = self.docker(&["ps", "-a", "--format", "{{.Names}}", "--filter", &label]);
        let waits = |name: &&str| {
            let id = name.split_once("-generic-").map(|(_, id)| id);
            id.is_some_and(|id| self.agent.pod(&format!("generic-{id}")).exists())
        };
        let pods = names.lines().filter(|name| !waits(name));
        pods.map(ToOwned::to_owned).collect()
    }

    /// What this agent's containers, networks and rules are named by.
    pub(crate) fn id(&self) -> String {
        let path = std::fs::canonicalize(&self.agent.data).unwrap();
        let id = common::digest::Digest::of(path.as_os_str().as_encoded_bytes()).hex();
        id[..8].to_owned()
    }

    pub(crate) fn container(&self, uid: &str) -> String {
        let born = std::fs::read_to_string(self.agent.pod(uid).join("born"));
        format!("troupe-{}-{}", self.id(), born.as_deref().unwrap_or(uid))
    }

    pub(crate) async fn run(&self, assignment: PodAssignment) -> PodReport {
        let uid = assignment.uid.clone();
        // Those without network wait only where one was wanted lately.
        let warm = self.warm && assignment.egress && assignment.origin.port().is_none();
        if warm {
            self.waits("egress").await;
        }
        self.master.say(ToAgent::EnsurePod(Box::new(assignment)));
        let report = self.master.pod(&uid, PodState::Ready).await;
        let was_warm = report.cold.as_ref().is_some_and(|cold| cold.warm);
        assert_eq!(was_warm, warm, "{report:?}");
        report
    }

    /// Until a generic pod of a kind waits.
    pub(crate) async fn waits(&self, kind: &str) {
        let line = format!("troupe_node_pool_size{{kind=\"{kind}\"}} ");
        loop {
            let (_, _, text) = self.call(Method::GET, "/metrics", "").await;
            let found = text.lines().find_map(|found| found.strip_prefix(&line));
            if found.is_some_and(|count| !count.starts_with('0')) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn ready(&self, uid: &str, code: &str) -> PodReport {
        self.run(simple(&self.master, uid, code)).await
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: &str,
    ) -> (StatusCode, http::HeaderMap, String) {
        let mut sender = self
            .master
            .connect_to(&self.data, MASTERS, &self.label)
            .await
            .unwrap();
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "node")
            .body(http_body_util::Full::from(body.to_owned()))
            .unwrap();
        let answer = tokio::time::timeout(crate::harness::LONG, sender.send_request(request));
        let answer = answer.await.unwrap().unwrap();
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        (head.status, head.headers, body)
    }

    pub(crate) async fn execute(&self, uid: &str, body: &str) -> (StatusCode, String) {
        let path = format!("/pods/{uid}/call/");
        let (status, _, body) = self.call(Method::POST, &path, body).await;
        (status, body)
    }

    /// What a function returned.
    pub(crate) async fn ask(&self, uid: &str, body: &str) -> serde_json::Value {
        let (status, text) = self.execute(uid, body).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn remove(&self, uid: &str) {
        self.master.say(ToAgent::RemovePod {
            uid: uid.to_owned(),
            grace_seconds: 1,
        });
        self.master.pod(uid, PodState::Gone).await;
    }

    /// Ends the agent; nothing of it is left.
    pub(crate) async fn end(mut self) {
        assert!(self.agent.terminate().await.success());
        self.assert_nothing_left();
    }

    pub(crate) fn assert_nothing_left(&self) {
        let id = self.id();
        assert_eq!(self.containers(), "");
        let networks = self.docker(&["network", "ls", "--format", "{{.Name}}"]);
        assert!(!networks.contains(&id), "{networks}");
        let rules = rules();
        assert!(!rules.contains(&id), "{rules}");
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let data = self.agent.data.to_str().unwrap();
        assert!(!mounts.contains(data), "{mounts}");
        for place in ["pods", "builds"] {
            let left: Vec<_> = std::fs::read_dir(self.agent.data.join(place))
                .unwrap()
                .flatten()
                .map(|entry| entry.path())
                .collect();
            assert!(left.is_empty(), "{left:?}");
        }
    }
}

/// All firewall rules there are, of every tool that is here.
pub(crate) fn rules() -> String {
    let tools: [(&str, &[&str]); 3] = [
        ("iptables-save", &["-t", "mangle"]),
        ("ip6tables-save", &["-t", "mangle"]),
        ("nft", &["list", "ruleset"]),
    ];
    let mut all = String::new();
    for (tool, arguments) in tools {
        let path = format!(
            "{}:/usr/sbin:/sbin",
            std::env::var("PATH").unwrap_or_default()
        );
        if let Ok(output) = Command::new(tool)
            .args(arguments)
            .env("PATH", path)
            .output()
        {
            all.push_str(&String::from_utf8_lossy(&output.stdout));
        }
    }
    all
}
