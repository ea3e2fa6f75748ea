//! Nodes that come and go, and what people do with them.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde_json::{Value, json};
use tests::{Cluster, Gate, Options, eventually, params, waits_for};

fn node_of(pod: &Value) -> &str {
    pod["spec"]["nodeName"].as_str().unwrap_or_default()
}

/// Calls a function without a pause from two sides while `work` is done, and once more after it; every
/// call must be answered.
fn under_load(cluster: &Cluster, function: &str, work: impl FnOnce()) {
    let done = AtomicBool::new(false);
    let path = format!("/function/{function}");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let last = done.load(Ordering::Relaxed);
                    cluster.gateway().post(&path, "{}").expect(200);
                    if last {
                        return;
                    }
                }
            });
        }
        // Also when the work panics.
        struct Done<'a>(&'a AtomicBool);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _done = Done(&done);
        work();
    });
}

/// Two pods of `f` that are ready, and a call of `slow` that has begun and waits for the gate.
fn busy(cluster: &Cluster, gate: &Path) -> JoinHandle<Value> {
    let one = "scaling: { maxReplicas: 1 }";
    cluster.apply("slow", &waits_for(gate, "'done'"), one);
    let two = "scaling: { minReplicas: 2, maxReplicas: 2 }";
    cluster.apply("f", &params("1"), two);
    let _ = cluster.ready_pods("f", 2);
    let gateway = cluster.gateway();
    let slow = std::thread::spawn(move || gateway.post("/function/slow", "{}").expect(200));
    cluster.await_began("slow");
    slow
}

#[test]
fn drained_by_either_kubectl_a_node_gives_its_pods_away_and_no_call_is_lost() {
    let cluster = Cluster::with(Options::default().agents(2));
    let gate = cluster.home().join("gate");
    let slow = busy(&cluster, &gate);
    let of_slow = cluster.pods("slow");
    let (first, other) = match node_of(&of_slow[0]) {
        "node-1" => ("node-1", "node-2"),
        _ => ("node-2", "node-1"),
    };
    let kubectl = cluster.kubectl();
    under_load(&cluster, "f", || {
        let said = kubectl.refuse(&["drain", first, "--timeout", "2s"]);
        assert!(
            said.contains("default/slow-"),
            "its call has not ended: {said}"
        );
        eventually("the others have moved", || {
            let pods = cluster.pods("f");
            let moved = pods.len() == 2 && pods.iter().all(|pod| node_of(pod) == other);
            if moved { Ok(()) } else { Err(pods) }
        });
        std::fs::write(&gate, "").unwrap();
        let said = kubectl.run(&["drain", first]);
        assert!(
            said.starts_with(&format!("node/{first} already cordoned\n"))
                && said.ends_with(&format!("node/{first} drained\n")),
            "{said}"
        );
    });
    assert_eq!(
        slow.join().unwrap(),
        json!("done"),
        "the call that was under way ended"
    );
    let table = kubectl.run(&["get", "nodes"]);
    assert!(table.contains("Ready,SchedulingDisabled"), "{table}");
    assert_eq!(
        kubectl.run(&["uncordon", first]).trim(),
        format!("node/{first} uncordoned")
    );

    let real = cluster.real_kubectl();
    under_load(&cluster, "f", || {
        let words = [
            "drain",
            other,
            "--ignore-daemonsets",
            "--delete-emptydir-data",
            "--timeout=60s",
        ];
        let said = real.run(&words);
        assert!(said.contains(&format!("node/{other} drained")), "{said}");
    });
    assert!(
        cluster
            .ready_pods("f", 2)
            .iter()
            .all(|pod| node_of(pod) == first)
    );
    let moves = kubectl.run(&["get", "events"]);
    assert!(moves.contains("PodMoves"), "{moves}");
}

#[test]
fn taints_and_cordons_say_where_pods_go_and_bad_ones_what_is_wrong() {
    let cluster = Cluster::with(Options::default().agents(2));
    let (kubectl, real) = (cluster.kubectl(), cluster.real_kubectl());
    assert_eq!(
        kubectl
            .run(&["taint", "nodes", "node-1", "gpu=a:NoSchedule"])
            .trim(),
        "node/node-1 tainted"
    );
    real.run(&["taint", "nodes", "node-2", "disk=slow:NoSchedule"]);
    cluster.apply("f", &params("1"), "");
    let refused = cluster.gateway().post("/function/f", "{}");
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(
        refused
            .text()
            .contains("disk=slow:NoSchedule, gpu=a:NoSchedule"),
        "{}",
        refused.text()
    );
    let tolerates = "tolerations: [ { key: gpu, operator: Exists } ]";
    cluster.apply("f", &params("2"), tolerates);
    assert_eq!(
        cluster.gateway().post("/function/f", "{}").expect(200),
        json!(2)
    );
    assert_eq!(node_of(&cluster.ready_pods("f", 1)[0]), "node-1");
    // It tolerates one taint and not the other, which drives it away.
    kubectl.run(&["taint", "nodes", "node-2", "disk-"]);
    real.run(&["taint", "nodes", "node-1", "maintenance=now:NoExecute"]);
    under_load(&cluster, "f", || {
        eventually("its pods have moved", || {
            let pods = cluster.pods("f");
            let moved = !pods.is_empty() && pods.iter().all(|pod| node_of(pod) == "node-2");
            if moved { Ok(()) } else { Err(pods) }
        });
    });
    kubectl.run(&["taint", "nodes", "node-2", "disk=slow:NoSchedule"]);
    kubectl.run(&["cordon", "node-1"]);
    assert_eq!(
        kubectl.run(&["cordon", "node/node-1"]).trim(),
        "node/node-1 already cordoned"
    );
    real.run(&["uncordon", "node-1"]);
    real.run(&["taint", "nodes", "node-1", "gpu-"]);

    for (words, said) in [
        (vec!["drain", "nope"], "nodes \"nope\" not found"),
        (vec!["cordon", "nope"], "nodes \"nope\" not found"),
        (vec!["drain"], "name a node"),
        (vec!["cordon", "pod/x"], "want NODE or node/NODE"),
        (
            vec!["cordon", "-l", "rack=9"],
            "no node has the labels rack=9",
        ),
        (
            vec!["taint", "nodes", "node-1", "a=b:Never"],
            "want NoSchedule, PreferNoSchedule, NoExecute",
        ),
        (vec!["taint", "nodes", "node-1", "a-"], "has no taint"),
        (
            vec!["taint", "nodes", "node-1", "a b=c:NoSchedule"],
            "found key \"a b\"",
        ),
        (
            vec!["taint", "nodes", "node-2", "disk=fast:NoSchedule"],
            "--overwrite",
        ),
        (
            vec!["taint", "pods", "x", "a=b:NoSchedule"],
            "only nodes have taints",
        ),
    ] {
        let found = kubectl.refuse(&words);
        assert!(found.contains(said), "{words:?}: {found}");
    }
    let label = real.refuse(&["label", "node", "node-1", "a=b c"]);
    assert!(label.contains("b c"), "{label}");
    let wrong = "apiVersion: v1\nkind: Function\nmetadata: { name: g }\nspec: { source: { inline: { func.py: \"def main(p): return 1\" } }, tolerations: [ { key: a, operator: Is } ] }\n";
    let found = kubectl.say_with(&["apply", "-f", "-"], wrong);
    assert!(
        found.code != 0 && found.err.contains("want Equal or Exists"),
        "{found:?}"
    );
    let missing = cluster
        .api()
        .as_admin()
        .post("/api/v1/namespaces/default/pods/nope/eviction", "{}");
    assert_eq!(missing.status, 404);
}

#[test]
fn the_pods_of_a_deleted_node_are_replaced_elsewhere() {
    let mut cluster = Cluster::with(Options::default().agents(2));
    cluster.apply(
        "f",
        &params("1"),
        "scaling: { minReplicas: 4, maxReplicas: 4 }",
    );
    let pods = cluster.ready_pods("f", 4);
    let nodes: std::collections::BTreeSet<_> = pods
        .iter()
        .map(|pod| pod["spec"]["nodeName"].to_string())
        .collect();
    assert_eq!(nodes.len(), 2, "pods are spread: {nodes:?}");
    cluster.nodes[0].process.kill();
    let kubectl = cluster.kubectl();
    kubectl.run(&["delete", "node", "node-1"]);
    eventually("four pods on the node that is left", || {
        let pods = cluster.pods("f");
        let placed = |pod: &serde_json::Value| pod["spec"]["nodeName"] == "node-2";
        if pods.len() == 4 && pods.iter().all(placed) {
            Ok(())
        } else {
            Err(pods)
        }
    });
    let _ = cluster.ready_pods("f", 4);
    assert_eq!(
        cluster.gateway().post("/function/f", "{}").expect(200),
        json!(1)
    );
    let nodes = kubectl.run(&["get", "nodes"]);
    assert!(!nodes.contains("node-1"), "{nodes}");

    // The agent is still a member: it comes back, ends the pods it had, and takes new ones.
    cluster.nodes[0].process.start_again();
    cluster.wait_for_node("node-1");
    eventually("the old pods of the node are gone", || {
        match cluster.nodes[0].pod_processes() {
            left if left.is_empty() => Ok(()),
            left => Err(left),
        }
    });
}

#[test]
fn an_agent_told_to_end_waits_until_others_have_its_pods_and_no_call_is_lost() {
    let mut cluster = Cluster::with(Options::default().agents(2));
    let gate = cluster.home().join("gate");
    let slow = busy(&cluster, &gate);
    let at = usize::from(node_of(&cluster.pods("slow")[0]) == "node-2");
    let (first, other) = [("node-1", "node-2"), ("node-2", "node-1")][at];
    cluster.nodes[at]
        .process
        .signal(nix::sys::signal::Signal::SIGTERM);
    under_load(&cluster, "f", || {
        eventually("the pods have moved while a call still runs", || {
            let pods = cluster.pods("f");
            let moved = pods.len() == 2 && pods.iter().all(|pod| node_of(pod) == other);
            if moved { Ok(()) } else { Err(pods) }
        });
    });
    assert!(
        cluster.nodes[at].process.is_running(),
        "a call is under way"
    );
    let table = cluster.kubectl().run(&["get", "node", first]);
    assert!(table.contains("NotReady"), "{table}");
    std::fs::write(&gate, "").unwrap();
    assert_eq!(slow.join().unwrap(), json!("done"));
    assert!(cluster.nodes[at].process.wait().success());
    assert_eq!(cluster.nodes[at].pod_processes(), Vec::<String>::new());
}

#[test]
fn an_absent_nodes_pods_are_replaced_after_the_grace_and_end_where_it_comes_back() {
    let options = Options::default()
        .agents(2)
        .master("nodes.not-ready-after", "1s")
        .master("nodes.replace-after", "1s")
        .agent("pods.orphan-after", "120s");
    let mut cluster = Cluster::with(options);
    let patient = "nodeSelector: { kubernetes.io/hostname: node-1 }\ntolerations: [ { key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 3600 } ]\nscaling: { minReplicas: 1 }";
    cluster.apply("patient", &params("1"), patient);
    cluster.apply(
        "f",
        &params("1"),
        "scaling: { minReplicas: 2, maxReplicas: 2 }",
    );
    let _ = cluster.ready_pods("f", 2);
    let stays = cluster.ready_pods("patient", 1)[0]["metadata"]["uid"].clone();
    cluster.nodes[0].process.kill();
    let kubectl = cluster.kubectl();
    eventually("its pods are replaced", || {
        let pods = cluster.pods("f");
        let moved = pods.len() == 2 && pods.iter().all(|pod| node_of(pod) == "node-2");
        if moved { Ok(()) } else { Err(pods) }
    });
    let node = kubectl.json(&["get", "node", "node-1"]);
    let taints = node["spec"]["taints"].as_array().unwrap();
    let unreachable = |taint: &&Value| taint["key"] == "node.kubernetes.io/unreachable";
    assert_eq!(taints.iter().filter(unreachable).count(), 2, "{taints:?}");
    kubectl.run(&["cordon", "node-1"]);
    let table = kubectl.run(&["get", "node", "node-1"]);
    assert!(table.contains("NotReady,SchedulingDisabled"), "{table}");
    kubectl.run(&["uncordon", "node-1"]);
    assert!(
        cluster.nodes[0].pod_processes().len() >= 2,
        "they run on without their agent"
    );
    let _ = cluster.ready_pods("f", 2);

    cluster.nodes[0].process.start_again();
    cluster.wait_for_node("node-1");
    eventually(
        "only the pod that was not replaced is left there",
        || match cluster.nodes[0].pod_processes() {
            left if left.len() == 1 => Ok(()),
            left => Err(left),
        },
    );
    assert_eq!(
        cluster.ready_pods("patient", 1)[0]["metadata"]["uid"],
        stays
    );
    let node = kubectl.json(&["get", "node", "node-1"]);
    assert_eq!(node["spec"]["taints"], Value::Null);
}

#[test]
fn pods_that_were_replaced_while_their_node_was_cut_off_end_when_it_is_back() {
    let options = Options::default()
        .agents(2)
        .master("nodes.not-ready-after", "1s")
        .master("nodes.replace-after", "1s")
        .agent("pods.orphan-after", "120s");
    let cluster = Cluster::with(options);
    let two = "scaling: { minReplicas: 2, maxReplicas: 2 }";
    cluster.apply("f", &params("__import__('os').getpid()"), two);
    let nodes: std::collections::BTreeSet<_> = cluster
        .ready_pods("f", 2)
        .iter()
        .map(|pod| node_of(pod).to_owned())
        .collect();
    assert_eq!(nodes.len(), 2, "{nodes:?}");
    let old = cluster.nodes[0].pod_processes();
    assert_eq!(old.len(), 1);
    // To the master it is as if the network was cut: the connection stands, nothing comes.
    let stopped = &cluster.nodes[0].process;
    stopped.signal(nix::sys::signal::Signal::SIGSTOP);
    eventually("its pod is replaced", || {
        let pods = cluster.pods("f");
        let moved = pods.len() == 2 && pods.iter().all(|pod| node_of(pod) == "node-2");
        if moved { Ok(()) } else { Err(pods) }
    });
    let new = cluster.ready_pods("f", 2);
    assert_eq!(
        cluster.nodes[0].pod_processes(),
        old,
        "the duplicate runs on"
    );
    stopped.signal(nix::sys::signal::Signal::SIGCONT);
    eventually("the older duplicate is ended", || {
        match cluster.nodes[0].pod_processes() {
            left if left.is_empty() => Ok(()),
            left => Err(left),
        }
    });
    cluster.wait_for_node("node-1");
    let uids = |pods: &[Value]| -> Vec<Value> {
        let uids = pods.iter().map(|pod| pod["metadata"]["uid"].clone());
        uids.collect()
    };
    assert_eq!(uids(&cluster.ready_pods("f", 2)), uids(&new));
    let function = cluster.kubectl().json(&["get", "function", "f"]);
    assert_eq!(function["status"]["readyReplicas"], 2, "{function}");
    assert_eq!(function["status"]["replicas"], 2, "{function}");
    let serving = cluster.nodes[1].pod_processes();
    for _ in 0..8 {
        let pid = cluster.gateway().post("/function/f", "{}").expect(200);
        let of = |line: &String| line.split(' ').next() == Some(&pid.to_string());
        assert!(serving.iter().any(of), "{pid} is not of {serving:?}");
    }
}

#[test]
fn agents_of_one_machine_do_not_end_each_others_pods() {
    // As many users as there are pods, and one for the build.
    let options = Options::default()
        .agents(3)
        .agent("pods.uid-first", "300000")
        .agent("pods.uid-count", "7")
        .agent("pods.max", "2")
        .agent("builds.parallel", "1");
    let mut cluster = Cluster::with(options);
    let gate = Gate::closed();
    let code = format!("def main(params):\n    {}    return 'done'\n", gate.wait());
    let spec = "timeoutSeconds: 120\nconcurrency: 1\nscaling: { pinned: 6 }";
    cluster.apply("six", &code, spec);
    let _ = cluster.ready_pods("six", 6);
    let users = |cluster: &Cluster| {
        let pods = cluster.nodes.iter().flat_map(|node| {
            let pods = std::fs::read_dir(node.data().join("pods")).unwrap();
            pods.map(|pod| pod.unwrap().path().join("run").metadata().unwrap().uid())
        });
        let users: Vec<_> = pods.collect();
        assert_eq!(users.len(), 6, "{users:?}");
        users.into_iter().collect::<BTreeSet<_>>()
    };
    let own = users(&cluster);
    assert_eq!(own.len(), 6, "two pods run under one user: {own:?}");

    // An agent that was away still knows whom its pods run under.
    cluster.nodes[0].process.kill();
    cluster.nodes[0].process.start_again();
    let _ = cluster.ready_pods("six", 6);
    assert_eq!(users(&cluster), own);

    // When the pods of one agent end, it ends all that runs under their users.
    let calls: Vec<_> = (0..6)
        .map(|_| {
            let gateway = cluster.gateway();
            std::thread::spawn(move || gateway.post("/function/six", "{}").status)
        })
        .collect();
    gate.reached_by(6);
    cluster.nodes[0].kill_pods();
    eventually("their replacements run", || {
        let ready = cluster.pods("six");
        let is_ready = |pod: &&Value| pod["status"]["phase"] == "Running";
        let names = ready.iter().filter(is_ready).count();
        if names == 6 { Ok(()) } else { Err(ready) }
    });
    gate.open();
    let mut statuses: Vec<_> = calls.into_iter().map(|call| call.join().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 502, 502]);
}
