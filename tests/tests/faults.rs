//! Crashes: what was accepted is done, what ran is found again, nothing is left behind.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tests::{
    Cluster, Gate, Options, Source, eventually, mentioning, params, sockets_below, waits_for,
};

/// A gate of its own in the test's directory, which the test opens.
fn gate(cluster: &Cluster) -> PathBuf {
    cluster.home().join("gate")
}

fn open_gate(cluster: &Cluster) {
    fs::write(gate(cluster), "").unwrap();
}

#[test]
fn a_run_goes_on_after_the_master_is_killed_and_no_step_is_repeated() {
    let mut cluster = Cluster::start();
    let count = cluster.home().join("count");
    fs::create_dir(&count).unwrap();
    fs::set_permissions(&count, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let first = format!(
        "import tempfile\ndef main(params):\n    tempfile.mkstemp(dir={count:?})\n    return {{'n': 1}}\n"
    );
    cluster.apply("first", &first, "");
    cluster.apply(
        "second",
        &waits_for(&gate(&cluster), "{'n': params.get('n', 0) + 1}"),
        "timeoutSeconds: 300",
    );
    let workflow = "kind: Workflow\napiVersion: v1\nmetadata: { name: w }\nspec:\n  entryParams: '{}'\n  entryNodeName: a\n  workflowNodes:\n  - { name: a, type: func, funcData: { funcName: first, funcNamespace: default, nextNodeName: b } }\n  - { name: b, type: func, funcData: { funcName: second, funcNamespace: default } }\n";
    cluster.kubectl().run_with(&["apply", "-f", "-"], workflow);
    cluster.await_began("second");
    cluster.crash_master();
    cluster.wait_for_node("node-1");
    open_gate(&cluster);
    eventually("the run ends", || {
        let workflow = cluster.kubectl().json(&["get", "workflow", "w"]);
        if workflow["status"]["phase"] == "Succeeded" {
            Ok(())
        } else {
            Err(workflow)
        }
    });
    let workflow = cluster.kubectl().json(&["get", "workflow", "w"]);
    assert_eq!(workflow["status"]["result"], r#"{"n":2}"#);
    assert_eq!(
        fs::read_dir(&count).unwrap().count(),
        1,
        "the first step ran once"
    );
}

#[test]
fn pods_answer_again_after_the_master_is_killed() {
    let mut cluster = Cluster::start();
    cluster.apply("f", &params("params"), "scaling: { minReplicas: 1 }");
    let before = cluster.ready_pods("f", 1);
    cluster.crash_master();
    assert_eq!(
        cluster.gateway().post("/function/f", "1").expect(200),
        json!(1)
    );
    let after = cluster.ready_pods("f", 1);
    assert_eq!(
        before[0]["metadata"]["uid"], after[0]["metadata"]["uid"],
        "the pod was not replaced"
    );
}

#[test]
fn pods_outlive_a_master_that_is_away_longer_than_they_would_stay_on_an_absent_node() {
    // With a second address an agent dials at least every second, so that it is back before its pods are given up.
    let options = Options::default()
        .also_master("https://127.0.0.1:9")
        .master("nodes.not-ready-after", "4s")
        .master("nodes.replace-after", "1s");
    let mut cluster = Cluster::with(options);
    let pid = params("__import__('os').getpid()");
    cluster.apply("f", &pid, "scaling: { minReplicas: 1, maxReplicas: 1 }");
    let uid = |cluster: &Cluster| cluster.ready_pods("f", 1)[0]["metadata"]["uid"].clone();
    let before = uid(&cluster);
    let process = cluster.gateway().post("/function/f", "{}").expect(200);
    cluster.master.kill();
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(cluster.nodes[0].pod_processes().len(), 1);
    cluster.master.start_again();
    cluster.wait_for_master();
    let call = || cluster.gateway().post("/function/f", "{}").expect(200);
    assert_eq!(call(), process, "the same process answers");
    eventually("the agent is linked again", || {
        match cluster.master.log().matches("agent connected").count() {
            2 => Ok(()),
            other => Err(other),
        }
    });
    // Now that the agent has said what it has, and was told what it shall have.
    assert_eq!(call(), process);
    assert_eq!(uid(&cluster), before, "the pod was not replaced");
    assert_eq!(cluster.nodes[0].pod_processes().len(), 1);
}

#[test]
fn a_build_is_finished_after_the_master_is_killed_in_the_middle_of_it() {
    let mut cluster = Cluster::start();
    let source = Source::write(
        cluster.home(),
        "slow",
        &params("__import__('waited').VALUE"),
        "",
    );
    // Its requirement is source code whose setup.py waits for the test; it may run again.
    let gate = Gate::closed();
    source.file("requirements.txt", "./waited\n");
    let setup =
        "from setuptools import setup\nsetup(name='waited', version='1', py_modules=['waited'])\n";
    source.file("waited/setup.py", &format!("{}{setup}", gate.wait()));
    source.file("waited/waited.py", "VALUE = 'built'\n");
    cluster
        .kubectl()
        .run(&["apply", source.yaml(), "--wait=false"]);
    gate.reached();
    let built = |cluster: &Cluster| cluster.kubectl().run(&["get", "function", "slow"]);
    assert!(built(&cluster).contains("Building"), "{}", built(&cluster));
    cluster.crash_master();
    gate.open();
    assert_eq!(
        cluster.gateway().post("/function/slow", "{}").expect(200),
        json!("built")
    );
}

#[test]
fn a_caller_learns_at_once_that_the_master_died_and_the_pod_is_usable_after() {
    let mut cluster = Cluster::start();
    cluster.apply(
        "f",
        &waits_for(&gate(&cluster), "{'n': params.get('n', 0) + 1}"),
        "timeoutSeconds: 300\nconcurrency: 1\nscaling: { maxReplicas: 1 }",
    );
    let gateway = cluster.gateway();
    let caller =
        std::thread::spawn(move || gateway.try_send(Method::POST, "/function/f", |r| r.body("{}")));
    cluster.await_began("f");
    cluster.master.kill();
    assert!(caller.join().unwrap().is_err(), "the connection broke");
    open_gate(&cluster);
    cluster.master.start_again();
    cluster.wait_for_master();
    assert_eq!(
        cluster
            .gateway()
            .post("/function/f", r#"{"n": 1}"#)
            .expect(200),
        json!({"n": 2})
    );
}

#[test]
fn pods_are_adopted_after_the_agent_is_killed() {
    let mut cluster = Cluster::start();
    cluster.apply(
        "f",
        &params("__import__('os').getpid()"),
        "scaling: { minReplicas: 1 }",
    );
    let before = cluster.gateway().post("/function/f", "{}").expect(200);
    let kubectl = cluster.kubectl();
    let place = || {
        let node = kubectl.json(&["get", "node", "node-1"]);
        node["metadata"]["annotations"]["troupe.dev/data-address"].clone()
    };
    let old_place = place();
    cluster.nodes[0].process.kill();
    cluster.nodes[0].process.start_again();
    eventually("the master knows the new agent", || match place() {
        new if new != old_place => Ok(()),
        same => Err(same),
    });
    let after = cluster.gateway().post("/function/f", "{}").expect(200);
    assert_eq!(before, after, "the same process answers");
    assert_eq!(cluster.pods("f").len(), 1);
}

#[test]
fn pods_of_an_agent_that_stays_away_end_by_themselves() {
    let mut cluster = Cluster::start();
    cluster.apply("f", &params("params"), "scaling: { minReplicas: 1 }");
    let _ = cluster.ready_pods("f", 1);
    let place = cluster.nodes[0].data().to_owned();
    cluster.nodes[0].process.kill();
    assert!(
        !mentioning(&place).is_empty(),
        "the pod lives on for a while"
    );
    eventually("the pod ended", || {
        let left = mentioning(&place);
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}

#[test]
fn a_pod_killed_during_a_call_is_told_and_replaced() {
    let cluster = Cluster::start();
    cluster.apply(
        "f",
        &waits_for(&gate(&cluster), "{'n': params.get('n', 0) + 1}"),
        "timeoutSeconds: 300\nscaling: { minReplicas: 1, maxReplicas: 1 }",
    );
    let _ = cluster.ready_pods("f", 1);
    let gateway = cluster.gateway();
    let caller = std::thread::spawn(move || gateway.post("/function/f", "{}"));
    cluster.await_began("f");
    cluster.nodes[0].kill_pods();
    let told = caller.join().unwrap();
    assert!(matches!(told.status, 500 | 502 | 503), "{told:?}");
    open_gate(&cluster);
    assert_eq!(
        cluster.gateway().post("/function/f", "{}").expect(200),
        json!({"n": 1})
    );
    eventually("an Event tells of it", || {
        let events = cluster.kubectl().run(&["get", "events"]);
        if events.to_lowercase().contains("pod") {
            Ok(())
        } else {
            Err(events)
        }
    });
}

#[test]
fn an_agent_that_is_told_to_end_takes_its_pods_with_it() {
    let mut cluster = Cluster::start();
    cluster.apply("f", &params("params"), "scaling: { minReplicas: 1 }");
    let _ = cluster.ready_pods("f", 1);
    let data = cluster.nodes[0].data().to_owned();
    assert!(!sockets_below(&data.join("pods")).is_empty());
    assert!(cluster.nodes[0].process.stop().success());
    assert_eq!(mentioning(&data), Vec::<String>::new());
    assert_eq!(sockets_below(&data), Vec::<std::path::PathBuf>::new());
}

#[test]
fn what_was_applied_just_before_a_crash_is_there_after_it() {
    let mut cluster = Cluster::start();
    for n in 0..5 {
        cluster.apply(&format!("f{n}"), &params(&n.to_string()), "");
    }
    cluster.crash_master();
    assert_eq!(cluster.kubectl().items(&["get", "functions"]).len(), 5);
    for n in 0..5 {
        assert_eq!(
            cluster
                .gateway()
                .post(&format!("/function/f{n}"), "{}")
                .expect(200),
            json!(n)
        );
    }
}
