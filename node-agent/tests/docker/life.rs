//! A container's way from its start to its end.

use common::link::{BuildOutcome, PodState, ToAgent};

use crate::harness::agent::Agent;
use crate::harness::functions::{build, simple};
use crate::harness::master::FakeMaster;
use crate::harness::until;
use crate::node::node;
use http::{Method, StatusCode};

const DOUBLE: &str = "def main(params):\n    print('called')\n    return {'y': params['x'] * 2}\n";

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
    let (_, _, log) = node.call(Method::GET, "/pods/p1/log?tailLines=1", "").await;
    assert!(log.contains("called") && log.lines().count() == 1, "{log}");
    node.remove("p1").await;
    assert_eq!(node.containers(), "");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_agent_left_and_nobody_knows_is_removed_by_the_next() {
    let Some(mut node) = node().await else { return };
    node.ready("p1", DOUBLE).await;
    node.agent.kill();
    std::fs::remove_file(node.agent.pod("p1").join("record.json")).unwrap();
    node.agent.restart();
    node.master.inventory().await;
    until("the container is removed", || {
        node.containers().is_empty().then_some(())
    })
    .await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_somebody_kills_or_removes_is_reported() {
    let Some(node) = node().await else { return };
    for (uid, command) in [("p1", "kill"), ("p2", "rm")] {
        node.ready(uid, DOUBLE).await;
        let arguments: &[&str] = if command == "rm" {
            &["rm", "-f"]
        } else {
            &["kill"]
        };
        node.docker(&[arguments, &[&node.container(uid)]].concat());
        let report = node.master.pod(uid, PodState::Failed).await;
        assert_eq!(report.reason.as_deref(), Some("Exited"));
        assert_eq!(report.exit.unwrap().code, 137);
    }
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_of_this_agent_that_nobody_knows_are_removed_while_it_runs() {
    let Some(node) = node().await else { return };
    node.ready("p1", DOUBLE).await;
    let image = node.docker(&["inspect", "-f", "{{.Image}}", &node.container("p1")]);
    let id = node.id();
    let agent = format!("troupe.dev/agent={id}");
    let label = ["--label", &agent, "--label", "troupe.dev/pod=stray"];
    // Not started: the agent may be quicker than that.
    let stray = node.docker(&[&["create"], &label[..], &[&image, "sleep", "1000"]].concat());
    until("the stray is removed", || {
        let all = node.docker(&["ps", "-aq", "--no-trunc"]);
        (!all.contains(&stray)).then_some(())
    })
    .await;
    assert_eq!(node.execute("p1", "{\"x\": 1}").await.0, StatusCode::OK);
    node.end().await;
}
