use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;
use tests::{Http, Master, eventually, params};

use super::{Ensemble, await_first, secret, uids};

#[test]
fn a_second_master_takes_over_and_the_old_leader_changes_nothing() {
    let mut ensemble = Ensemble::begin();
    ensemble.cluster.apply(
        "f",
        &params("params['n'] + 1"),
        "scaling: { minReplicas: 1 }",
    );
    let call = |gateway: &Http, n: u32| {
        let answer = gateway.post("/function/f", json!({ "n": n }).to_string());
        assert_eq!(answer.expect(200), json!(n + 1));
    };
    call(&ensemble.cluster.gateway(), 1);

    // Somebody without the secret, and somebody with another one, are not let in.
    for (wrong, why) in [
        (String::new(), "cluster-secret-file"),
        (
            secret(&ensemble.shared.path().join("other"), "wr0ng!"),
            "another secret",
        ),
    ] {
        let mut settings = ensemble.settings.clone();
        settings[0].1 = wrong;
        let mut stranger = Master::start("stranger", &ensemble.cluster, &ensemble.api, &settings);
        assert!(!stranger.process.wait().success());
        let log = stranger.process.log();
        assert!(log.contains(why), "{log}");
        fs::remove_dir_all(stranger.data()).unwrap();
    }

    let before = ensemble.cluster.ready_pods("f", 1)[0]["metadata"]["uid"].clone();
    let mut second = ensemble.second();
    let cluster = &mut ensemble.cluster;
    cluster.master.kill();
    second.await_role("leader");
    call(second.gateway(), 2);
    let after = uids(&second.kubectl());
    assert!(after.contains(&before), "the pod runs on: {after:?}");

    // The first comes back, stands by, and leads again when the second is paused; which then wakes up.
    cluster.master.start_again();
    await_first(cluster, "standby");
    second.process.signal(Signal::SIGSTOP);
    await_first(cluster, "leader");
    cluster.wait_for_node("node-1");
    cluster.kubectl().run(&["create", "namespace", "mine"]);
    second.process.signal(Signal::SIGCONT);
    assert!(!second.process.wait().success());
    let log = second.process.log();
    assert!(log.contains("another master leads"), "{log}");
    call(&cluster.gateway(), 3);

    // One that ends in order leaves the lead at once.
    second.process.start_again();
    second.await_role("standby");
    assert!(cluster.master.stop().success());
    second.await_role("leader");
    call(second.gateway(), 4);
    assert!(second.process.stop().success());
}

#[test]
fn a_leader_that_falls_silent_is_replaced_and_when_it_wakes_up_changes_nothing() {
    let mut ensemble = Ensemble::begin();
    ensemble.cluster.apply(
        "f",
        &params("params['n'] + 1"),
        "scaling: { minReplicas: 1, maxReplicas: 1 }",
    );
    let _ = ensemble.cluster.ready_pods("f", 1);
    let before = uids(&ensemble.cluster.kubectl());
    let mut second = ensemble.second();
    let cluster = &mut ensemble.cluster;
    let call = |gateway: &Http| {
        let answer = gateway.post("/function/f", r#"{"n": 1}"#);
        assert_eq!(answer.expect(200), json!(2));
    };

    cluster.master.signal(Signal::SIGSTOP);
    second.await_role("leader");
    call(second.gateway());
    assert_eq!(uids(&second.kubectl()), before, "the pod runs on, alone");
    second.kubectl().run(&["create", "namespace", "mine"]);

    cluster.master.signal(Signal::SIGCONT);
    assert!(!cluster.master.wait().success());
    let log = cluster.master.log();
    assert!(log.contains("another master leads"), "{log}");
    second.kubectl().run(&["get", "namespace", "mine"]);
    cluster.master.start_again();
    await_first(cluster, "standby");
    call(&cluster.gateway());
    call(second.gateway());
    assert_eq!(uids(&second.kubectl()), before, "the pod runs on, alone");
}

/// Both masters reach the pods' sockets themselves: no agent stands between that could tell an old leader.
#[test]
fn what_waits_with_a_leader_that_falls_silent_is_done_by_its_successor_only() {
    let (mut ensemble, local) = Ensemble::beside_its_pods();
    let pods = ensemble.cluster.nodes[0].data().join("pods");
    std::os::unix::fs::symlink(pods, local).unwrap();
    let code = "import time\ndef main(params):\n    print('began', params['n'], flush=True)\n    time.sleep(params['s'])\n";
    let terms = "concurrency: 1\nscaling: { maxReplicas: 1 }";
    ensemble.cluster.apply("one", code, terms);
    let mut second = ensemble.second();
    let cluster = &mut ensemble.cluster;
    let accept = |n: u32, s: u32| {
        let body = json!({ "n": n, "s": s }).to_string();
        cluster
            .gateway()
            .accepted("/function/one", &body)
            .location()
    };
    let long = accept(1, 3);
    cluster.await_began("one");
    let waits = accept(2, 0);
    eventually("it waits for room", || {
        match cluster.gateway().get(&waits).json() {
            shown if shown["state"] == "Running" => Ok(()),
            shown => Err(shown),
        }
    });

    cluster.master.signal(Signal::SIGSTOP);
    second.await_role("leader");
    for location in [long, waits] {
        let shown = second.gateway().outcome(&location).json();
        assert_eq!(shown["state"], "Succeeded", "{shown}");
    }
    // Now there is room for the call that waits with the old leader.
    cluster.master.signal(Signal::SIGCONT);
    assert!(!cluster.master.wait().success());
    // One more, after which all that began before is in the log.
    let last = json!({ "n": 3, "s": 0 }).to_string();
    second.gateway().post("/function/one", last).expect(200);
    let log = eventually("the last call is in the log", || {
        let log = second.kubectl().run(&["logs", "function/one"]);
        if log.contains("began 3") {
            Ok(log)
        } else {
            Err(log)
        }
    });
    assert_eq!(log.matches("began 2").count(), 1, "{log}");
}

/// What clients saw who called again and again.
#[derive(Debug, Default)]
struct Seen {
    answered: usize,
    /// Status and text of the other answers.
    refused: Vec<(u16, String)>,
    longest: Duration,
}

/// Calls through a gateway until it is told to end.
fn caller(gateway: Http, end: Arc<AtomicBool>) -> std::thread::JoinHandle<Seen> {
    std::thread::spawn(move || {
        let mut seen = Seen::default();
        let mut last = Instant::now();
        while !end.load(Ordering::Relaxed) {
            let answer = gateway.post("/function/f", r#"{"n": 1}"#);
            if answer.status == 200 {
                assert_eq!(answer.json(), json!(2));
                seen.answered += 1;
                seen.longest = seen.longest.max(last.elapsed());
                last = Instant::now();
            } else {
                seen.refused.push((answer.status, answer.text()));
            }
        }
        seen
    })
}

#[test]
fn calls_by_a_standby_are_held_while_the_lead_changes() {
    let mut ensemble = Ensemble::begin();
    ensemble.cluster.apply(
        "f",
        &params("params['n'] + 1"),
        "scaling: { minReplicas: 1 }\nconcurrency: 16",
    );
    let _ = ensemble.cluster.ready_pods("f", 1);
    let before = uids(&ensemble.cluster.kubectl());
    let mut second = ensemble.second();
    let end = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|_| caller(second.gateway().clone(), Arc::clone(&end)))
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    ensemble.cluster.master.kill();
    second.await_role("leader");
    second
        .gateway()
        .post("/function/f", r#"{"n": 1}"#)
        .expect(200);
    end.store(true, Ordering::Relaxed);
    for caller in callers {
        let seen = caller.join().unwrap();
        eprintln!("{seen:?}");
        assert!(seen.answered > 0);
        // What the leader had in hand when it was killed, and what was sent to it before its end was noticed, is not
        // sent again: it may have been carried out.
        assert!(seen.refused.len() <= 3, "{seen:?}");
        assert!(
            seen.refused.iter().all(|(status, _)| *status == 502),
            "{seen:?}"
        );
    }
    // The load may have brought one more.
    let after = uids(&second.kubectl());
    assert!(
        before.iter().all(|pod| after.contains(pod)),
        "the pods run on: {before:?}, {after:?}"
    );
}
