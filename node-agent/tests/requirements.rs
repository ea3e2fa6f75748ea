//! Requirements of builds: from a private index, for other architectures, within a disk of their own.

#![allow(clippy::unwrap_used, reason = "tests: helpers too may panic")]

mod harness;

use std::path::Path;

use common::link::{
    BuildFailure, BuildOrder, BuildOutcome, Built, NEEDS_ARCHITECTURE, Origin, PodState, ToAgent,
};
use harness::agent::Agent;
use harness::functions::{build, simple};
use harness::index::Index;
use harness::master::FakeMaster;
use harness::{is_root, until};

const MAIN: &str = "def main(params):\n    return params\n";
/// The architecture that this machine is not.
const OTHER: &str = if cfg!(target_arch = "x86_64") {
    "arm64"
} else {
    "amd64"
};
const OTHER_MACHINE: &str = if cfg!(target_arch = "x86_64") {
    "aarch64"
} else {
    "x86_64"
};

struct Room {
    master: FakeMaster,
    agent: Agent,
    _index: Index,
}

impl Room {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let index = Index::start();
        let trusted = index.trusted().display().to_string();
        Self::with(index, &trusted, settings).await
    }

    async fn with(index: Index, trusted: &str, settings: &[(&str, &str)]) -> Self {
        let master = FakeMaster::start().await;
        let url = index.url();
        let mut all = vec![
            ("BUILDS__INDEX_URL", url.as_str()),
            ("BUILDS__CA_BUNDLE", trusted),
        ];
        all.extend_from_slice(settings);
        let agent = Agent::start(&master, &all);
        master.inventory().await;
        Self {
            master,
            agent,
            _index: index,
        }
    }

    fn order(&self, id: &str, requirements: &str) -> BuildOrder {
        let files = [("func.py", MAIN), ("requirements.txt", requirements)];
        build(&self.master, id, &files)
    }

    async fn run(&self, order: BuildOrder) -> (Vec<String>, BuildOutcome) {
        let id = order.id.clone();
        self.master.say(ToAgent::Build(Box::new(order)));
        self.master.built(&id).await
    }

    async fn built(&self, order: BuildOrder) -> Built {
        match self.run(order).await {
            (_, BuildOutcome::Built(built)) => built,
            (log, other) => panic!("{other:?}\n{}", log.join("\n")),
        }
    }

    async fn failure(&self, order: BuildOrder) -> BuildFailure {
        match self.run(order).await {
            (_, BuildOutcome::Failed(failure)) => failure,
            (_, other) => panic!("{other:?}"),
        }
    }

    /// The text of a file in a layer.
    fn read(&self, built: &Built, name: &str) -> String {
        let tar = self.master.blob(built.layer).unwrap();
        let mut archive = tar::Archive::new(&tar[..]);
        let found = archive.entries().unwrap().find_map(|entry| {
            let mut entry = entry.unwrap();
            let wanted = *entry.path().unwrap() == *Path::new("function").join(name);
            wanted.then(|| {
                let mut text = Vec::new();
                std::io::Read::read_to_end(&mut entry, &mut text).unwrap();
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        found.unwrap_or_else(|| panic!("no {name} in the layer"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_come_from_a_private_index_with_an_authority_of_its_own() {
    let room = Room::start(&[]).await;
    let all = "in-python\nin-machine-code\nsource-only\n";
    let one = room.built(room.order("b1", all)).await;
    let two = room.built(room.order("b2", all)).await;
    assert_eq!(one, two, "the same requirements give the same layer");
    assert!(one.native);
    let found = room.read(&one, "site-packages/in_machine_code/__init__.py");
    assert!(!found.contains(OTHER_MACHINE), "{found}");
    room.read(&one, "site-packages/source_only.py");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_not_trusted_is_named_as_such() {
    let index = Index::start();
    let other = Index::start();
    let trusted = other.trusted().display().to_string();
    let room = Room::with(index, &trusted, &[]).await;
    let failure = room.failure(room.order("b1", "in-python\n")).await;
    assert_eq!(failure.reason, "RequirementsFailed");
    assert!(
        failure.message.contains("builds.ca-bundle"),
        "{}",
        failure.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wheels_for_another_architecture_are_taken_without_running_anything_of_it() {
    let room = Room::start(&[]).await;
    let foreign = |id: &str, requirements: &str| BuildOrder {
        arch: OTHER.to_owned(),
        ..room.order(id, requirements)
    };
    let one = room.built(foreign("b1", "in-machine-code\n")).await;
    let two = room.built(foreign("b2", "in-machine-code\n")).await;
    assert_eq!(one, two);
    assert!(one.native);
    let found = room.read(&one, "site-packages/in_machine_code/__init__.py");
    assert!(found.contains(OTHER_MACHINE), "{found}");
    let pure = room.built(foreign("b3", "in-python\n")).await;
    assert!(!pure.native);
    let own = room.built(room.order("b4", "in-python\n")).await;
    assert_eq!(pure.layer, own.layer, "a pure layer serves both");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_wheel_is_built_here_when_it_is_pure_and_waits_for_its_architecture_otherwise()
{
    let room = Room::start(&[]).await;
    let foreign = |id: &str, requirements: &str| BuildOrder {
        arch: OTHER.to_owned(),
        ..room.order(id, requirements)
    };
    let pure = room.built(foreign("b1", "source-only\n")).await;
    assert!(!pure.native);
    let needs = room
        .failure(foreign("b2", "source-of-machine-code\n"))
        .await;
    assert_eq!(needs.reason, NEEDS_ARCHITECTURE);
    assert!(needs.message.contains(OTHER), "{needs:?}");
    let absent = room.failure(foreign("b3", "nosuchpackage\n")).await;
    assert_eq!(absent.reason, "RequirementsFailed");
}

const USES_PREINSTALLED: &str = "from yaml import PINNED\ndef main(params):\n    return PINNED\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_base_full_promises_is_there_for_functions_that_use_it() {
    let room = Room::start(&[]).await;
    let slim = build(&room.master, "b1", &[("func.py", USES_PREINSTALLED)]);
    let full = BuildOrder {
        id: "b2".to_owned(),
        full_base: true,
        ..slim.clone()
    };
    let without = room.built(slim).await;
    let with = room.built(full).await;
    assert_eq!(room.read(&with, ".preinstalled"), "yaml\n");
    assert!(
        with.layer != without.layer && with.size < 100_000,
        "{with:?}"
    );
    let started = |uid: &str, built: &Built| {
        let mut pod = simple(&room.master, uid, MAIN);
        pod.origin = Origin::Layer {
            digest: built.layer,
            size: built.size,
            full_base: true,
            image: None,
        };
        room.master.say(ToAgent::EnsurePod(Box::new(pod)));
    };
    started("p1", &with);
    room.master.pod("p1", PodState::Ready).await;
    started("p2", &without);
    let failed = room.master.pod("p2", PodState::Failed).await;
    assert_eq!(failed.reason.as_deref(), Some("ImportError"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_have_what_base_full_promises_says_so_only_to_those_that_use_it() {
    let index = Index::start();
    let other = Index::start();
    let trusted = other.trusted().display().to_string();
    let room = Room::with(index, &trusted, &[]).await;
    let order = |id: &str, code: &str| BuildOrder {
        full_base: true,
        ..build(&room.master, id, &[("func.py", code)])
    };
    let failure = room.failure(order("b1", USES_PREINSTALLED)).await;
    assert_eq!(failure.reason, "BaseUnavailable", "{}", failure.message);
    assert!(failure.message.contains("yaml"), "{}", failure.message);
    room.built(order("b2", MAIN)).await;
}

/// A requirement beside the function whose set-up runs this code.
fn with_set_up(master: &FakeMaster, id: &str, code: &str) -> BuildOrder {
    let setup = format!("{code}\nfrom setuptools import setup\nsetup(name='dep', version='1.0')\n");
    let files = [
        ("func.py", MAIN),
        ("requirements.txt", "./dep\n"),
        ("dep/setup.py", &setup),
    ];
    build(master, id, &files)
}

fn mounts_below(directory: &Path) -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let below = directory.display().to_string();
    let found = mounts.lines().filter(|line| line.contains(&below));
    found.map(ToOwned::to_owned).collect()
}

const FILL: &str = "
with open('filler', 'wb') as file:
    while True:
        file.write(bytes(1 << 20))";

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_fills_its_disk_fails_for_that_and_hurts_nobody() {
    if !is_root() {
        eprintln!("only root can give builds a disk of their own: not tested");
        return;
    }
    let room = Room::start(&[("BUILDS__DISK", "64Mi")]).await;
    let mut order = with_set_up(&room.master, "b1", FILL);
    order.max_layer_bytes = 1 << 30;
    let failure = room.failure(order).await;
    assert_eq!(failure.reason, "DiskFull", "{}", failure.message);
    assert!(failure.message.contains("builds.disk"));
    room.built(room.order("b2", "in-python\n")).await;
    until("its disk is gone", || {
        mounts_below(&room.agent.data).is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_agent_left_of_a_build_is_gone_after_its_next_start() {
    let mut room = Room::start(&[]).await;
    let order = with_set_up(&room.master, "b1", "import time; time.sleep(3600)");
    room.master.say(ToAgent::Build(Box::new(order)));
    let place = room.agent.data.join("builds/b1/build/function/dep");
    until("the build is under way", || place.exists().then_some(())).await;
    room.agent.kill();
    let packages = room.agent.data.join("preinstalled");
    std::fs::create_dir(packages.join("of-an-older-list")).unwrap();
    room.agent.restart();
    let builds = room.agent.data.join("builds");
    until("it is cleaned up", || {
        let count = |path: &Path| std::fs::read_dir(path).unwrap().count();
        (count(&builds) + count(&packages) == 0).then_some(())
    })
    .await;
    assert_eq!(mounts_below(&room.agent.data), Vec::<String>::new());
}
