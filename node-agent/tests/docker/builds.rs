//! Builds in containers: requirements of every kind, and what they may not do.

use std::process::Command;

use common::link::{BuildFailure, BuildOrder, BuildOutcome, Built, Origin, PodState, ToAgent};
use serde_json::json;

use crate::harness::functions::{HOSTILE, build, gzipped, hostile, order, simple};
use crate::harness::index::Index;
use crate::harness::until;
use crate::node::{Node, node, node_with};

const MAIN: &str = "def main(params):\n    return params\n";
const NUMPY: &str = "import numpy, platform\ndef main(params):\n    return [platform.machine(), int(numpy.arange(params).sum())]\n";
/// numpy is larger than what tests usually make.
const ROOM: u64 = 512 << 20;

impl Node {
    pub(crate) async fn outcome(&self, order: BuildOrder) -> (Vec<String>, BuildOutcome) {
        let id = order.id.clone();
        self.master.say(ToAgent::Build(Box::new(order)));
        self.master.built(&id).await
    }

    pub(crate) async fn built(&self, order: BuildOrder) -> Built {
        match self.outcome(order).await {
            (_, BuildOutcome::Built(built)) => built,
            (log, other) => panic!("{other:?}\n{}", log.join("\n")),
        }
    }

    async fn failure(&self, order: BuildOrder) -> BuildFailure {
        match self.outcome(order).await {
            (_, BuildOutcome::Failed(failure)) => failure,
            (_, other) => panic!("{other:?}"),
        }
    }

    /// Runs what was built as a pod.
    pub(crate) async fn run_built(&self, uid: &str, built: &Built) {
        let mut pod = simple(&self.master, uid, MAIN);
        pod.origin = Origin::Layer {
            digest: built.layer,
            size: built.size,
            full_base: false,
            image: None,
        };
        self.run(pod).await;
    }

    /// The order to build a function that needs numpy.
    pub(crate) fn numpy(&self, id: &str) -> BuildOrder {
        let files = [("func.py", NUMPY), ("requirements.txt", "numpy==2.3.5\n")];
        let mut order = build(&self.master, id, &files);
        order.max_layer_bytes = ROOM;
        order
    }
}

/// A requirement beside the function, as source only, whose set-up runs this code.
fn with_set_up(node: &Node, id: &str, code: &str) -> BuildOrder {
    let setup = format!(
        "{code}\nfrom setuptools import setup\nsetup(name='dep', version='1.0', py_modules=['dep'])\n"
    );
    let files = [
        (
            "func.py",
            "import dep\ndef main(params):\n    return dep.VALUE\n",
        ),
        ("requirements.txt", "./dep\n"),
        ("dep/setup.py", &setup),
        ("dep/dep.py", "VALUE = 44\n"),
    ];
    build(&node.master, id, &files)
}

#[tokio::test(flavor = "multi_thread")]
async fn numpy_is_a_requirement_like_any_other_and_gives_the_same_layer_each_time() {
    let Some(node) = node().await else { return };
    let one = node.built(node.numpy("b1")).await;
    let two = node.built(node.numpy("b2")).await;
    assert_eq!(one, two);
    assert!(one.native);
    node.run_built("p1", &one).await;
    let machine = std::env::consts::ARCH;
    assert_eq!(node.ask("p1", "5").await, json!([machine, 10]));
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_only_requirement_is_set_up_without_rights() {
    let Some(node) = node().await else { return };
    let look = "
import os
status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())
def tried(path):
    try:
        open(path, 'a').close()
        return 'writ' + 'ten'
    except OSError as error:
        return type(error).__name__
seen = ('seen:', os.getuid() > 0, repr(status['CapBnd'].strip('\\t0')), tried('/etc/passwd'), tried('/opt/troupe/troupe_pod/x'))
print(*seen, file=open('../seen', 'w'))
";
    let files_order = with_set_up(&node, "b1", look);
    let one = node.built(files_order).await;
    let again = node.built(with_set_up(&node, "b2", look)).await;
    assert_eq!(one.layer, again.layer);
    assert!(!one.native);
    node.run_built("p1", &one).await;
    assert_eq!(node.ask("p1", "{}").await, json!(44));
    let tar = node.master.blob(one.layer).unwrap();
    let text = String::from_utf8_lossy(&tar).into_owned();
    // A user of its own, no capability, and nothing of the base to write to.
    let (_, seen) = text.split_once("seen: ").unwrap();
    let seen = seen.lines().next().unwrap();
    assert!(seen.starts_with("True '' "), "{seen}");
    assert!(!seen.contains("written"), "{seen}");
    node.end().await;
}

/// An address of this machine that containers have a way to.
fn own_address() -> String {
    let all = Command::new("hostname").arg("-I").output().unwrap();
    let all = String::from_utf8(all.stdout).unwrap();
    let first = all.split_whitespace().find(|one| one.contains('.'));
    first.unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_index_with_an_authority_of_its_own_is_reached_when_the_settings_allow_it() {
    let index = Index::at(&own_address());
    let (url, trusted) = (index.url(), index.trusted().display().to_string());
    let settings = [
        ("BUILDS__INDEX_URL", url.as_str()),
        ("BUILDS__CA_BUNDLE", trusted.as_str()),
        ("DOCKER__ALLOW", index.address()),
    ];
    let Some(node) = node_with(&settings).await else {
        return;
    };
    let code = "from in_python import VALUE\ndef main(params):\n    return VALUE\n";
    let files = [("func.py", code), ("requirements.txt", "in-python\n")];
    let built = node.built(build(&node.master, "b1", &files)).await;
    node.run_built("p1", &built).await;
    assert_eq!(node.ask("p1", "{}").await, json!(42));
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_fills_its_disk_or_memory_fails_for_that_and_the_next_one_works() {
    let settings = [("BUILDS__DISK", "64Mi"), ("BUILDS__MEMORY", "256Mi")];
    let Some(node) = node_with(&settings).await else {
        return;
    };
    let fill = "
with open('filler', 'wb') as file:
    while True:
        file.write(bytes(1 << 20))";
    let mut order = with_set_up(&node, "b1", fill);
    order.max_layer_bytes = ROOM;
    let failure = node.failure(order).await;
    assert_eq!(failure.reason, "DiskFull", "{}", failure.message);
    let eat = "
import os
if os.fork() == 0:
    kept = [bytearray(b'x' * (8 << 20)) for _ in range(100)]
os.wait()
kept = [bytearray(b'x' * (8 << 20)) for _ in range(100)]";
    let failure = node.failure(with_set_up(&node, "b2", eat)).await;
    assert_eq!(failure.reason, "OutOfMemory", "{}", failure.message);
    node.built(with_set_up(&node, "b3", "")).await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_hangs_is_ended_with_all_it_started() {
    let Some(node) = node().await else { return };
    let hang = "
import subprocess, time
subprocess.Popen(['/bin/sh', '-c', 'while :; do sleep 1; done'], start_new_session=True)
time.sleep(3600)";
    let mut order = with_set_up(&node, "b1", hang);
    order.timeout_seconds = 10;
    let failure = node.failure(order).await;
    assert_eq!(failure.reason, "Timeout", "{}", failure.message);
    until("its containers are gone", || {
        node.containers().is_empty().then_some(())
    })
    .await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_sources_and_layers_are_refused_before_a_container_sees_them() {
    let Some(node) = node().await else { return };
    for (number, (name, kind, link)) in HOSTILE.into_iter().enumerate() {
        let tar = hostile(name, kind, link);
        let source = node.master.store(gzipped(&tar));
        let failure = node.failure(order(&format!("b{number}"), source)).await;
        assert_eq!(failure.reason, "BadSource", "{failure:?}");
        let uid = format!("p{number}");
        let mut pod = simple(&node.master, &uid, MAIN);
        pod.origin = Origin::Layer {
            size: tar.len() as u64,
            digest: node.master.store(tar),
            full_base: false,
            image: None,
        };
        node.master.say(ToAgent::EnsurePod(Box::new(pod)));
        let report = node.master.pod(&uid, PodState::Failed).await;
        assert_eq!(report.reason.as_deref(), Some("LayerFailed"), "{report:?}");
        assert!(report.message.unwrap().contains(name));
        node.remove(&uid).await;
    }
    assert_eq!(node.containers(), "");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agents_build_is_gone_after_its_next_start() {
    let Some(mut node) = node().await else { return };
    let order = with_set_up(&node, "b1", "import time; time.sleep(3600)");
    node.master.say(ToAgent::Build(Box::new(order)));
    until("its container runs", || {
        (!node.containers().is_empty()).then_some(())
    })
    .await;
    node.agent.kill();
    // A transfer that it did not end.
    let partial = node.agent.data.join("layers/partial-7");
    std::fs::create_dir(&partial).unwrap();
    node.agent.restart();
    node.data = node.master.hello().await.data_addr;
    node.master.inventory().await;
    until("nothing of it is left", || {
        let builds = std::fs::read_dir(node.agent.data.join("builds"));
        let clean = builds.unwrap().count() == 0 && !partial.exists();
        (clean && node.containers().is_empty()).then_some(())
    })
    .await;
    node.built(with_set_up(&node, "b2", "")).await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_base_full_promises_is_there_though_the_image_does_not_hold_it() {
    let index = Index::start();
    let files = index.files().display().to_string();
    let settings = [
        ("BUILDS__INDEX_URL", "none"),
        ("BUILDS__FIND_LINKS", files.as_str()),
    ];
    let Some(node) = node_with(&settings).await else {
        return;
    };
    let code = "from yaml import PINNED\ndef main(params):\n    return PINNED\n";
    let mut order = build(&node.master, "b1", &[("func.py", code)]);
    order.full_base = true;
    let built = node.built(order).await;
    assert!(built.size < 100_000, "{built:?}");
    node.run_built("p1", &built).await;
    assert_eq!(node.ask("p1", "{}").await, json!("6.0.3"));
    node.end().await;
}
