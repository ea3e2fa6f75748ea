//! The engine restarts, hangs and comes back.

use common::link::{PodState, ToAgent};
use http::StatusCode;

use crate::engine::{Engine, in_own_network};
use crate::harness::functions::simple;
use crate::harness::until;
use crate::node::{Node, rules};

const HELLO: &str = "def main(params):\n    return 'hello'\n";

#[test]
fn an_engine_that_restarts_ends_its_pods_and_new_ones_start() {
    in_own_network(|base| async move {
        let mut engine = Engine::start(false);
        let node = Node::start(&engine.host(), &base, &[]).await;
        node.ready("p1", HELLO).await;
        let rules_before = rules();
        engine.end();
        engine.begin();
        let report = node.master.pod("p1", PodState::Failed).await;
        assert_eq!(report.reason.as_deref(), Some("Exited"), "{report:?}");
        node.remove("p1").await;
        node.ready("p2", HELLO).await;
        assert_eq!(node.ask("p2", "{}").await, "hello");
        assert_eq!(
            ours(&rules()),
            ours(&rules_before),
            "the rules outlive the engine"
        );
        node.end().await;
    });
}

/// Only the lines with the agent's rules; counters change.
fn ours(rules: &str) -> Vec<String> {
    let of_ours = rules.lines().filter(|line| {
        line.starts_with("-A") && line.contains("TROUPE-") || line.contains("iifname")
    });
    of_ours.map(ToOwned::to_owned).collect()
}

#[test]
fn pods_live_through_a_restart_of_an_engine_with_live_restore() {
    in_own_network(|base| async move {
        let mut engine = Engine::start(true);
        let node = Node::start(&engine.host(), &base, &[]).await;
        node.ready("p1", HELLO).await;
        node.ready("p2", HELLO).await;
        engine.end();
        // Nobody asks the engine about a call.
        assert_eq!(node.ask("p1", "{}").await, "hello");
        engine.begin();
        assert_eq!(node.ask("p1", "{}").await, "hello");
        // What happens from now on is noticed again.
        node.docker(&["kill", &node.container("p2")]);
        let report = node.master.pod("p2", PodState::Failed).await;
        assert_eq!(report.exit.unwrap().code, 137);
        assert_eq!(node.ask("p1", "{}").await, "hello");
        node.end().await;
    });
}

#[test]
fn an_agent_killed_with_its_engine_finds_what_became_of_its_pods() {
    in_own_network(|base| async move {
        let mut engine = Engine::start(false);
        let mut node = Node::start(&engine.host(), &base, &[]).await;
        node.ready("p1", HELLO).await;
        node.agent.kill();
        engine.end();
        engine.begin();
        node.master.desire(vec![simple(&node.master, "p1", HELLO)]);
        node.agent.restart();
        let report = node.master.pod("p1", PodState::Failed).await;
        assert!(report.exit.is_some(), "{report:?}");
        node.remove("p1").await;
        node.end().await;
    });
}

#[test]
fn while_the_engine_hangs_calls_go_on_and_nothing_is_said_to_be_gone() {
    in_own_network(|base| async move {
        let engine = Engine::start(false);
        let node = Node::start(&engine.host(), &base, &[]).await;
        node.ready("p1", HELLO).await;
        node.ready("p2", HELLO).await;
        engine.freeze();
        assert_eq!(node.ask("p1", "{}").await, "hello");
        node.master.say(ToAgent::RemovePod {
            uid: "p2".to_owned(),
            grace_seconds: 0,
        });
        node.master.pod("p2", PodState::Stopping).await;
        // Its container stands, so its directory does too.
        assert_eq!(node.ask("p1", "{}").await, "hello");
        assert!(node.agent.pod("p2").join("record.json").exists());
        engine.thaw();
        node.master.pod("p2", PodState::Gone).await;
        until("only the other is left", || {
            (node.containers().lines().count() == 1).then_some(())
        })
        .await;
        assert_eq!(node.execute("p1", "{}").await.0, StatusCode::OK);
        node.end().await;
    });
}

#[test]
fn a_node_with_containers_does_not_turn_to_processes_by_itself() {
    in_own_network(|base| async move {
        let engine = Engine::start(false);
        let mut node = Node::start(&engine.host(), &base, &[("RUNTIME", "auto")]).await;
        node.ready("p1", HELLO).await;
        node.agent.kill();
        engine.freeze();
        node.agent.restart();
        let (status, said) = node.agent.ended().await;
        assert!(!status.success());
        assert!(said.contains("choose --runtime process"), "{said}");
        engine.thaw();
        // With the engine back, its pods are too.
        node.master.desire(vec![simple(&node.master, "p1", HELLO)]);
        node.agent.restart();
        node.master.pod("p1", PodState::Ready).await;
        node.agent.kill();
        // Who chooses processes gives them up: nothing of them is left in the engine.
        node.agent.set("RUNTIME", "process");
        node.agent.restart();
        node.master.pod("p1", PodState::Failed).await;
        assert_eq!(node.containers(), "");
        node.remove("p1").await;
        node.end().await;
    });
}
