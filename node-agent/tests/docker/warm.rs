//! Generic containers: they wait, become a function's pod, and leave nothing behind.

use common::link::PodState;
use http::StatusCode;

use crate::engine::{Engine, in_own_network};
use crate::harness::functions::simple;
use crate::harness::until;
use crate::node::{Node, node_with};

const POOL: &[(&str, &str)] = &[("POOL__SIZE", "1"), ("POOL__MAX", "2")];
const SECRET: &str = "\
import os
def main(params):
    return [os.environ['GREETING'], os.environ.get('SECRET'), os.getcwd()]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_generic_container_becomes_the_functions_pod_and_has_its_limits() {
    let Some(node) = node_with(POOL).await else {
        return;
    };
    let mut pod = simple(&node.master, "p1", SECRET);
    pod.env.push(("SECRET".into(), "xyzzy".into()));
    pod.memory_bytes = 96 << 20;
    pod.cpu_milli = 250;
    let report = node.run(pod).await;
    let answer = node.ask("p1", "{}").await;
    assert_eq!(answer, serde_json::json!(["hello", "xyzzy", "/function"]));
    let container = node.container("p1");
    assert!(container.contains("generic-"), "{container}");
    let seen = node.docker(&["inspect", &container]);
    assert!(
        !seen.contains("xyzzy"),
        "the secret is not the engine's to know"
    );
    let limits = "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.CpuShares}}";
    until("the engine knows the limits", || {
        let said = node.docker(&["inspect", "--format", limits, &container]);
        (said == format!("{} 250000000 1024", 96 << 20)).then_some(())
    })
    .await;
    let cold = report.cold.unwrap();
    assert!(cold.import_ms > 0.0, "{cold:?}");
    node.remove("p1").await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_without_network_waits_after_it_was_wanted() {
    let Some(node) = node_with(POOL).await else {
        return;
    };
    let mut pod = simple(&node.master, "p1", SECRET);
    pod.egress = false;
    node.run(pod.clone()).await;
    node.waits("none").await;
    pod.uid = "p2".into();
    node.master
        .say(common::link::ToAgent::EnsurePod(Box::new(pod)));
    let report = node.master.pod("p2", PodState::Ready).await;
    assert!(report.cold.unwrap().warm);
    let networks = "{{json .NetworkSettings.Networks}}";
    let seen = node.docker(&["inspect", "--format", networks, &node.container("p2")]);
    assert!(seen.starts_with("{\"none\""), "{seen}");
    node.end().await;
}

/// Freezes the generic container that waits and asks for a pod, which it would have become. Returns its id.
async fn freeze_and_ask(node: &Node) -> String {
    node.waits("egress").await;
    let frozen = node.containers();
    node.docker(&["pause", &frozen]);
    let pod = simple(&node.master, "p1", SECRET);
    node.master
        .say(common::link::ToAgent::EnsurePod(Box::new(pod)));
    frozen
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_frozen_or_dies_costs_no_pod() {
    let Some(node) = node_with(POOL).await else {
        return;
    };
    freeze_and_ask(&node).await;
    let report = node.master.pod("p1", PodState::Ready).await;
    assert!(!report.cold.unwrap().warm, "{report:?}");
    assert_eq!(node.execute("p1", "{}").await.0, StatusCode::OK);
    node.remove("p1").await;
    node.waits("egress").await;
    let waiting = node.containers();
    node.docker(&["kill", &waiting]);
    until("another one waits", || {
        let now = node.containers();
        (!now.is_empty() && now != waiting).then_some(())
    })
    .await;
    node.ready("p2", SECRET).await;
    node.end().await;
}

/// The function was deleted before its pod had taken the word.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_removed_while_it_is_told_leaves_nothing() {
    let Some(node) = node_with(POOL).await else {
        return;
    };
    let frozen = freeze_and_ask(&node).await;
    until("it is this pod", || {
        node.agent.pod("p1").exists().then_some(())
    })
    .await;
    node.remove("p1").await;
    assert!(!node.containers().contains(&frozen));
    assert!(!node.agent.pod("p1").exists());
    node.ready("p2", SECRET).await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_sigkill_a_warm_pod_is_adopted_and_those_that_waited_are_ended() {
    let Some(mut node) = node_with(POOL).await else {
        return;
    };
    let pod = simple(&node.master, "p1", SECRET);
    node.run(pod.clone()).await;
    node.waits("egress").await;
    let before = node.containers();
    node.agent.kill();
    node.master.desire(vec![pod]);
    node.agent.restart();
    node.data = node.master.hello().await.data_addr;
    node.master.pod("p1", PodState::Ready).await;
    assert_eq!(node.execute("p1", "{}").await.0, StatusCode::OK);
    node.waits("egress").await;
    let after = node.containers();
    let kept = before.lines().filter(|id| after.contains(id)).count();
    assert_eq!((kept, before.lines().count()), (1, 2), "{before}\n{after}");
    node.end().await;
}

#[test]
fn an_engine_that_restarts_has_generic_containers_again() {
    in_own_network(|base| async move {
        let mut engine = Engine::start(false);
        let node = Node::start(&engine.host(), &base, POOL).await;
        node.ready("p1", SECRET).await;
        node.waits("egress").await;
        engine.end();
        engine.begin();
        node.master.pod("p1", PodState::Failed).await;
        let waits = format!("label=troupe.dev/agent={}", node.id());
        until("one waits in the new engine", || {
            (!node.docker(&["ps", "-q", "--filter", &waits]).is_empty()).then_some(())
        })
        .await;
        node.ready("p2", SECRET).await;
        assert_eq!(node.execute("p2", "{}").await.0, StatusCode::OK);
        node.end().await;
    });
}
