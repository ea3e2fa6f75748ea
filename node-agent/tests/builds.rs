//! Builds by the real agent: what users upload becomes a layer, or a clear answer.

#![allow(clippy::unwrap_used, reason = "tests: helpers too may panic")]

mod harness;

use std::io::Read as _;

use common::digest::Digest;
use common::link::{
    BuildFailure, BuildOrder, BuildOutcome, Built, NEEDS_ARCHITECTURE, PodState, ToAgent,
};
use common::resources::Style;
use harness::agent::Agent;
use harness::functions::{HOSTILE, build, gzipped, hostile, order, simple};
use harness::master::FakeMaster;
use harness::until;

const MAIN: &str = "def main(params):\n    return params\n";

async fn started(settings: &[(&str, &str)]) -> (FakeMaster, Agent) {
    let master = FakeMaster::start().await;
    let agent = Agent::start(&master, settings);
    master.inventory().await;
    (master, agent)
}

async fn run(master: &FakeMaster, order: BuildOrder) -> (Vec<String>, BuildOutcome) {
    let id = order.id.clone();
    master.say(ToAgent::Build(Box::new(order)));
    master.built(&id).await
}

async fn built(master: &FakeMaster, order: BuildOrder) -> Built {
    match run(master, order).await {
        (_, BuildOutcome::Built(built)) => built,
        (log, other) => panic!("{other:?}\n{}", log.join("\n")),
    }
}

async fn failure(master: &FakeMaster, order: BuildOrder) -> BuildFailure {
    match run(master, order).await {
        (_, BuildOutcome::Failed(failure)) => failure,
        (_, other) => panic!("{other:?}"),
    }
}

fn names(tar: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap();
    entries
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_content_gives_the_same_layer_and_it_runs() {
    let (master, _agent) = started(&[]).await;
    let files = [
        ("func.py", MAIN),
        ("lib/__init__.py", "X = {'a', 'b', 'c'}\n"),
    ];
    let one = built(&master, build(&master, "b1", &files)).await;
    let two = built(&master, build(&master, "b2", &files)).await;
    assert_eq!(one, two);
    assert_eq!(
        (one.handler.as_str(), one.style, one.native),
        ("func.main", Style::Params, false)
    );
    let tar = master.blob(one.layer).unwrap();
    assert_eq!((Digest::of(&tar), tar.len() as u64), (one.layer, one.size));
    let names = names(&tar);
    assert!(names.contains(&"function/func.py".to_owned()), "{names:?}");
    assert!(names.iter().any(|name| name.ends_with(".pyc")), "{names:?}");
    let mut pod = simple(&master, "p1", MAIN);
    pod.origin = common::link::Origin::Layer {
        digest: one.layer,
        size: one.size,
        full_base: false,
        image: None,
    };
    master.say(ToAgent::EnsurePod(Box::new(pod)));
    master.pod("p1", PodState::Ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_sources_are_answered_with_file_line_and_what_is_wanted() {
    let (master, agent) = started(&[]).await;
    let syntax = build(
        &master,
        "b1",
        &[("func.py", "def main(p):\n    return (\n")],
    );
    let failure_ = failure(&master, syntax).await;
    assert_eq!(failure_.reason, "SyntaxError");
    assert!(failure_.message.contains("func.py line 2"), "{failure_:?}");
    assert!(!failure_.transient);
    let none = failure(&master, build(&master, "b2", &[("readme.txt", "")])).await;
    assert_eq!(none.reason, "NoEntry");
    assert!(none.message.contains("readme.txt") && none.message.contains("main(params)"));
    let absent = failure(&master, order("b3", Digest::of(b"absent"))).await;
    assert_eq!(absent.reason, "BadSource");
    let garbage = failure(&master, order("b4", master.store("garbage"))).await;
    assert_eq!(garbage.reason, "BadSource");
    let mut handler = build(&master, "b5", &[("func.py", MAIN)]);
    handler.handler = Some("nosuch.main".into());
    let handler = failure(&master, handler).await;
    assert_eq!(handler.reason, "BadHandler");
    until("builds are cleaned up", || {
        (std::fs::read_dir(agent.data.join("builds"))
            .unwrap()
            .count()
            == 0)
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_archives_are_refused() {
    let (master, _agent) = started(&[]).await;
    for (index, (name, kind, link)) in HOSTILE.into_iter().enumerate() {
        let source = master.store(gzipped(&hostile(name, kind, link)));
        let failure = failure(&master, order(&format!("b{index}"), source)).await;
        assert_eq!(failure.reason, "BadSource", "{failure:?}");
        assert!(failure.message.contains(name), "{failure:?}");
    }
}

/// A source distribution that needs no network: pip builds it from a directory beside the function.
fn package(name: &str, setup: &str) -> Vec<(String, String)> {
    vec![
        (
            format!("{name}/pyproject.toml"),
            "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n"
                .into(),
        ),
        (format!("{name}/backend.py"), setup.into()),
    ]
}

/// A build backend of our own: no setuptools, no network.
const BACKEND: &str = r#"
import os, zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    SIDE_EFFECT
    name = "localdep-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        wheel.writestr("localdep/__init__.py", "VALUE = 42\n")
        wheel.writestr("localdep-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: localdep\nVersion: 1.0\n")
        wheel.writestr("localdep-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("localdep-1.0.dist-info/RECORD", "")
    return name
"#;

fn with_package(master: &FakeMaster, id: &str, effect: &str) -> BuildOrder {
    let backend = BACKEND.replace("SIDE_EFFECT", effect);
    let mut files = package("dep", &backend);
    files.push((
        "func.py".into(),
        "import localdep\ndef main(p):\n    return localdep.VALUE\n".into(),
    ));
    files.push(("requirements.txt".into(), "# local\n./dep\n".into()));
    let files: Vec<_> = files
        .iter()
        .map(|(n, t)| (n.as_str(), t.as_str()))
        .collect();
    build(master, id, &files)
}

#[tokio::test(flavor = "multi_thread")]
async fn requirements_are_installed_reproducibly_and_run() {
    let (master, agent) = started(&[]).await;
    let one = built(&master, with_package(&master, "b1", "pass")).await;
    let two = built(&master, with_package(&master, "b2", "pass")).await;
    assert_eq!(one.layer, two.layer);
    let tar = master.blob(one.layer).unwrap();
    assert!(names(&tar).contains(&"function/site-packages/localdep/__init__.py".to_owned()));
    let mut pod = simple(&master, "p1", MAIN);
    pod.origin = common::link::Origin::Layer {
        digest: one.layer,
        size: one.size,
        full_base: false,
        image: None,
    };
    master.say(ToAgent::EnsurePod(Box::new(pod)));
    master.pod("p1", PodState::Ready).await;
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requirement_that_does_not_exist_is_named() {
    let (master, _agent) = started(&[("BUILDS__INDEX_URL", "file:///nonexistent")]).await;
    let files = [
        ("func.py", MAIN),
        ("requirements.txt", "nosuchpackage-troupe==9\n"),
    ];
    let failure = failure(&master, build(&master, "b1", &files)).await;
    assert_eq!(failure.reason, "RequirementsFailed");
    assert!(
        failure.message.contains("nosuchpackage-troupe"),
        "{failure:?}"
    );
    assert!(!failure.transient, "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn set_up_code_runs_without_rights_and_what_it_leaves_running_is_ended() {
    let (master, agent) = started(&[]).await;
    let mark = format!("build-mark-{}", std::process::id());
    let effect = format!(
        "
    key = {:?}
    try:
        leaked = open(key).read()
    except OSError as error:
        leaked = type(error).__name__
    print('seen', leaked, os.getuid() != 0)
    import subprocess
    subprocess.Popen(['/bin/sh', '-c', 'while :; do sleep 1; done', '{mark}'], start_new_session=True, stdin=-3, stdout=-3, stderr=-3)",
        agent.data.join("node.pem")
    );
    let order = with_package(&master, "b1", &effect);
    let (log, outcome) = run(&master, order).await;
    assert!(
        matches!(outcome, BuildOutcome::Built(_)),
        "{outcome:?} {log:?}"
    );
    assert_eq!(harness::processes_with(&mark), Vec::<i32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_neither_sees_nor_writes_the_machines_temporary_directories() {
    if !node_agent::supervisor::may_be_private() {
        // The node says so: see `Facts::isolation_message`.
        return;
    }
    let (master, agent) = started(&[]).await;
    let name = format!("troupe-build-{}", std::process::id());
    let theirs = std::env::temp_dir().join(format!("{name}-theirs"));
    std::fs::write(&theirs, "secret").unwrap();
    // pip keeps to itself what a build prints: it goes into the layer.
    let effect = format!(
        "
    import tempfile
    seen = open('../seen', 'w')
    print('theirs', os.path.exists({theirs:?}), file=seen)
    for place in ('/tmp', '/var/tmp', '/dev/shm'):
        mark = place + '/{name}'
        open(mark, 'w').write('x')
        print('wrote', mark, os.path.exists(mark), file=seen)
    print('scratch', tempfile.gettempdir(), file=seen)
    seen.close()"
    );
    let built = built(&master, with_package(&master, "b1", &effect)).await;
    std::fs::remove_file(&theirs).unwrap();
    let tar = master.blob(built.layer).unwrap();
    let seen = String::from_utf8_lossy(&tar).into_owned();
    assert!(seen.contains("theirs False"), "{seen}");
    for place in ["/tmp", "/var/tmp", "/dev/shm"] {
        let mark = format!("{place}/{name}");
        assert!(seen.contains(&format!("wrote {mark} True")), "{seen}");
        assert!(!std::path::Path::new(&mark).exists(), "{mark}");
    }
    // Large files go to the build's own disk.
    assert!(seen.contains("build/home"), "{seen}");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(agent.data.to_str().unwrap()), "{mounts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_hangs_is_ended_in_time_and_one_that_is_cancelled_at_once() {
    let (master, _agent) = started(&[]).await;
    let mut order = with_package(&master, "b1", "import time; time.sleep(3600)");
    order.timeout_seconds = 5;
    let failure_ = failure(&master, order).await;
    assert_eq!(failure_.reason, "Timeout");
    let order = with_package(&master, "b2", "import time; time.sleep(3600)");
    master.say(ToAgent::Build(Box::new(order)));
    master.say(ToAgent::CancelBuild { id: "b2".into() });
    let (_, outcome) = master.built("b2").await;
    assert!(matches!(outcome, BuildOutcome::Failed(failure) if failure.reason == "Cancelled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_over_its_limit_is_refused() {
    let (master, _agent) = started(&[]).await;
    let big = "x".repeat(200_000);
    let mut order = build(&master, "b1", &[("func.py", MAIN), ("big.txt", &big)]);
    order.max_layer_bytes = 100_000;
    let failure = failure(&master, order).await;
    assert_eq!(failure.reason, "TooLarge");
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_code_for_another_architecture_needs_a_node_of_it_and_pure_code_does_not() {
    let (master, _agent) = started(&[]).await;
    let library = "\x7fELF of this machine";
    let mut order = build(&master, "b1", &[("func.py", MAIN), ("lib.so", library)]);
    order.arch = "riscv64".to_owned();
    let needs = failure(&master, order.clone()).await;
    assert_eq!(needs.reason, NEEDS_ARCHITECTURE);
    assert!(needs.message.contains("riscv64"), "{needs:?}");
    order.id = "b2".to_owned();
    order.arch = node_agent::machine::arch().to_owned();
    assert!(built(&master, order).await.native);
    let mut pure = build(&master, "b3", &[("func.py", MAIN)]);
    pure.arch = "riscv64".to_owned();
    assert!(!built(&master, pure).await.native);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_was_not_acknowledged_is_told_in_the_next_session() {
    let (master, _agent) = started(&[]).await;
    master
        .shared()
        .acks
        .store(false, std::sync::atomic::Ordering::SeqCst);
    let order = build(&master, "b1", &[("func.py", MAIN)]);
    let (_, first) = run(&master, order).await;
    master
        .shared()
        .acks
        .store(true, std::sync::atomic::Ordering::SeqCst);
    master.hang_up();
    let (_, again) = master.built("b1").await;
    assert_eq!(first, again);
}

#[test]
fn the_hostile_archives_are_archives() {
    let bytes = gzipped(&hostile("x", tar::EntryType::Regular, ""));
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..])
        .read_to_end(&mut text)
        .unwrap();
    assert_eq!(names(&text), ["x"]);
}
