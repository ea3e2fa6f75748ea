//! From zero, up and down: how many pods run, and which calls they get.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tests::{Cluster, Http, Options, eventually, waits_for};

const WHO: &str = "import os\ndef main(params):\n    return os.getpid()\n";

fn pid(gateway: &Http, function: &str) -> i64 {
    let answer = gateway.post(&format!("/function/{function}"), "{}");
    answer.expect(200).as_i64().unwrap()
}

#[test]
fn a_burst_on_a_cold_function_neither_storms_nor_queues_behind_one_pod() {
    let cluster = Cluster::start();
    let code = "import os, time\ndef main(params):\n    time.sleep(1.5)\n    return os.getpid()\n";
    cluster.apply("burst", code, "concurrency: 2\nscaling: { maxReplicas: 4 }");
    let (over, seen) = (
        AtomicBool::new(false),
        std::sync::Mutex::new(BTreeSet::new()),
    );
    let pids: BTreeSet<i64> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..40)
            .map(|_| {
                let gateway = cluster.gateway();
                scope.spawn(move || pid(&gateway, "burst"))
            })
            .collect();
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                for pod in cluster.pods("burst") {
                    let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
                    seen.lock().unwrap().insert(name);
                }
            }
        });
        let answers: Vec<_> = calls.into_iter().map(|call| call.join()).collect();
        over.store(true, Ordering::SeqCst);
        answers.into_iter().map(Result::unwrap).collect()
    });
    assert!(pids.len() >= 2, "all behind one pod");
    let made = seen.lock().unwrap().len();
    assert!(made <= 4, "{made} pods for one function");
}

#[test]
fn a_kept_connection_does_not_stick_to_one_pod() {
    let cluster = Cluster::start();
    cluster.apply("who", WHO, "scaling: { pinned: 2 }");
    let _ = cluster.ready_pods("who", 2);
    // One client, one call after the other: one connection.
    let gateway = cluster.gateway();
    let pids: BTreeSet<i64> = (0..60).map(|_| pid(&gateway, "who")).collect();
    assert_eq!(pids.len(), 2, "{pids:?}");
}

#[test]
fn a_pod_that_dies_takes_only_its_own_calls_with_it() {
    let cluster = Cluster::start();
    let gate = cluster.home().join("gate");
    let code = waits_for(&gate, "'answered'").replace(
        "    print('began', flush=True)\n",
        "    if params.get('who'):\n        return os.getpid()\n    print('began', flush=True)\n",
    );
    cluster.apply(
        "two",
        &code,
        "timeoutSeconds: 120\nconcurrency: 4\nscaling: { pinned: 2 }",
    );
    let _ = cluster.ready_pods("two", 2);
    let gateway = cluster.gateway();
    let who = || {
        gateway
            .post("/function/two", r#"{"who": 1}"#)
            .expect(200)
            .as_i64()
    };
    let pids: BTreeSet<i64> = (0..60).filter_map(|_| who()).collect();
    assert_eq!(pids.len(), 2);
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let gateway = cluster.gateway();
            std::thread::spawn(move || gateway.post("/function/two", "{}"))
        })
        .collect();
    eventually("all calls are in the pods", || {
        let began: usize = cluster
            .pods("two")
            .iter()
            .map(|pod| {
                let name = pod["metadata"]["name"].as_str().unwrap();
                cluster
                    .kubectl()
                    .say(&["logs", name])
                    .out
                    .matches("began")
                    .count()
            })
            .sum();
        if began == 8 { Ok(()) } else { Err(began) }
    });
    let victim = nix::unistd::Pid::from_raw(i32::try_from(*pids.first().unwrap()).unwrap());
    nix::sys::signal::kill(victim, nix::sys::signal::Signal::SIGKILL).unwrap();
    eventually("its calls are answered", || {
        let ended = calls.iter().filter(|call| call.is_finished()).count();
        if ended == 4 { Ok(()) } else { Err(ended) }
    });
    std::fs::write(&gate, "").unwrap();
    let answers: Vec<_> = calls.into_iter().map(|call| call.join().unwrap()).collect();
    let count = |status| {
        answers
            .iter()
            .filter(|answer| answer.status == status)
            .count()
    };
    assert_eq!((count(502), count(200)), (4, 4), "{answers:?}");
}

#[test]
fn scaling_down_loses_no_call() {
    let cluster = Cluster::start();
    let code = "import time\ndef main(params):\n    time.sleep(0.05)\n    return 'done'\n";
    cluster.apply("steady", code, "scaling: { pinned: 3 }");
    let _ = cluster.ready_pods("steady", 3);
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            let gateway = cluster.gateway();
            let (over, answered) = (&over, &answered);
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let answer = gateway.post("/function/steady", "{}");
                    assert_eq!(answer.expect(200), json!("done"));
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for replicas in ["1", "3", "1"] {
            let kubectl = cluster.kubectl();
            kubectl.run(&[
                "scale",
                "function/steady",
                &format!("--replicas={replicas}"),
            ]);
            let _ = cluster.ready_pods("steady", replicas.parse().unwrap());
        }
        over.store(true, Ordering::SeqCst);
    });
    assert!(answered.load(Ordering::SeqCst) > 0);
}

#[test]
fn what_scales_a_function_and_why_is_there_to_read() {
    let cluster = Cluster::start();
    cluster.apply(
        "counted",
        WHO,
        "scaling: { requestsPerReplica: 10, windowSeconds: 5, maxReplicas: 2 }",
    );
    let gateway = cluster.gateway();
    for _ in 0..25 {
        pid(&gateway, "counted");
    }
    eventually("the rule wants two pods", || {
        let said = cluster.kubectl().run(&["describe", "function", "counted"]);
        let two = said.contains("-> 2 (requests: ") && said.contains("in 5 s / 10 = ");
        if two { Ok(()) } else { Err(said) }
    });
    eventually("it is at zero again", || {
        match cluster.pods("counted").len() {
            0 => Ok(()),
            pods => Err(pods),
        }
    });
    let events: Vec<Value> = cluster.kubectl().items(&["get", "events"]);
    let scaled = |to: &str| {
        events.iter().any(|event| {
            let message = event["message"].as_str().unwrap_or_default();
            event["reason"] == "Scaled" && message.contains(to)
        })
    };
    assert!(scaled("-> 2 ("), "{events:?}");
    assert!(scaled("-> 0 (requests: 0 in 5 s / 10 = 0)"), "{events:?}");
}

#[test]
fn a_function_that_rests_gives_its_room_to_one_that_is_called() {
    let cluster = Cluster::with(Options::default().agent("pods.max", "2"));
    for name in ["first", "second", "third"] {
        // None of them would end its pod by itself while the test goes on.
        cluster.apply(name, WHO, "scaling: { windowSeconds: 600 }");
    }
    let gateway = cluster.gateway();
    for name in ["first", "second"] {
        pid(&gateway, name);
    }
    let full = ["first", "second"].map(|name| cluster.pods(name).len());
    assert_eq!(full, [1, 1], "no room is left");
    pid(&gateway, "third");
    assert_eq!(
        cluster.pods("second").len(),
        1,
        "the one that rested longest went"
    );
    eventually("its pod is gone", || match cluster.pods("first").len() {
        0 => Ok(()),
        pods => Err(pods),
    });
    eventually("why is there to read", || {
        let said = cluster.kubectl().run(&["describe", "function", "first"]);
        if said.contains("-> 0 (no calls, and another function has no room for its own)") {
            Ok(())
        } else {
            Err(said)
        }
    });
    // The one that went comes back as another one rests.
    pid(&gateway, "first");
}
