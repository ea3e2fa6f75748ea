//! First calls where generic pods wait, and what is there before anybody calls.

use serde_json::Value;
use tests::{Cluster, Options, eventually, params, waits_for};

/// A value of the first node's exposition.
fn metric(cluster: &Cluster, series: &str) -> Option<f64> {
    let text = cluster
        .api()
        .as_admin()
        .get("/api/v1/nodes/node-1/proxy/metrics")
        .text();
    let found = text.lines().find_map(|line| line.strip_prefix(series));
    found.and_then(|value| value.trim().parse().ok())
}

fn conditions(cluster: &Cluster) -> Value {
    cluster.kubectl().json(&["get", "node", "node-1"])["status"]["conditions"].clone()
}

#[test]
fn a_first_call_finds_a_pod_that_waited_and_the_function_has_all_it_should() {
    let cluster = Cluster::with(Options::default().agent("pool.size", "1"));
    let code = "import os\ndef main(params):\n    return [os.environ['WHO'], params['x']]\n";
    cluster.apply("first", code, "env: [ { name: WHO, value: me } ]");
    eventually("a generic pod waits", || {
        match metric(&cluster, "troupe_node_pool_size{kind=\"process\"}") {
            Some(count) if count > 0.0 => Ok(()),
            other => Err(other),
        }
    });
    let answer = cluster.gateway().post("/function/first", "{\"x\": 1}");
    assert_eq!(answer.expect(200), serde_json::json!(["me", 1]));
    let hits = metric(&cluster, "troupe_node_pool_claims_total{outcome=\"hit\"}");
    assert_eq!(hits, Some(1.0));
    let found = conditions(&cluster);
    let warm = found.as_array().unwrap().iter();
    let warm: Vec<_> = warm.filter(|one| one["type"] == "WarmPods").collect();
    assert_eq!(warm[0]["status"], "True", "{found}");
}

/// Directories of pods on the first node, without those that wait.
fn places(cluster: &Cluster) -> Vec<String> {
    let pods = cluster.home().join("node-1").join("pods");
    let entries = std::fs::read_dir(&pods).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.starts_with("generic-")).collect()
}

#[test]
fn a_function_deleted_while_its_pod_comes_to_be_leaves_nothing() {
    let cluster = Cluster::with(Options::default().agent("pool.size", "1"));
    let code = "import time\ntime.sleep(3600)\ndef main(params):\n    return 1\n";
    cluster.apply("never", code, "");
    eventually("a generic pod waits", || {
        match metric(&cluster, "troupe_node_pool_size{kind=\"process\"}") {
            Some(count) if count > 0.0 => Ok(()),
            other => Err(other),
        }
    });
    let gateway = cluster.gateway();
    let call = std::thread::spawn(move || gateway.post("/function/never", "{}"));
    eventually("the generic pod became this pod", || {
        match metric(&cluster, "troupe_node_pool_claims_total{outcome=\"hit\"}") {
            Some(1.0) => Ok(()),
            other => Err(other),
        }
    });
    assert_eq!(places(&cluster).len(), 1);
    cluster.kubectl().run(&["delete", "function", "never"]);
    let answer = call.join().unwrap();
    assert_eq!(answer.status, 404, "who waited hears it: {answer:?}");
    eventually("nothing of it is left", || {
        match (places(&cluster), cluster.pods("never")) {
            (places, pods) if places.is_empty() && pods.is_empty() => Ok(()),
            left => Err(left),
        }
    });
}

#[test]
fn a_node_without_generic_pods_says_so_and_starts_pods_from_nothing() {
    let cluster = Cluster::with(Options::default().agent("pool.size", "0"));
    cluster.apply("first", &params("params['x'] + 1"), "");
    let answer = cluster.gateway().post("/function/first", "{\"x\": 1}");
    assert_eq!(answer.expect(200), 2);
    let found = conditions(&cluster);
    let mut warm = found.as_array().unwrap().iter();
    let warm = warm.find(|one| one["type"] == "WarmPods").unwrap();
    assert_eq!(
        (&warm["status"], &warm["message"]),
        (&"False".into(), &"pool.size is 0".into())
    );
}

#[test]
fn a_layer_is_on_every_node_before_anybody_calls() {
    let mut cluster = Cluster::start();
    cluster.add_node("node-2");
    cluster.wait_for_node("node-2");
    cluster.apply("early", &params("params['x'] + 1"), "");
    for node in ["node-1", "node-2"] {
        let layers = cluster.home().join(node).join("layers");
        eventually("the layer is there", || {
            let entries = std::fs::read_dir(&layers).into_iter().flatten().flatten();
            let names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
            let is_layer =
                |name: &std::ffi::OsString| name.to_string_lossy().starts_with("sha256-");
            if names.iter().any(is_layer) {
                Ok(())
            } else {
                Err(names)
            }
        });
    }
    assert!(cluster.pods("early").is_empty(), "nobody called");
}

#[test]
fn a_newer_layer_takes_the_room_of_one_that_nobody_called_and_never_of_a_pods() {
    // Room for two of these.
    let options = Options::default().agents(2).agent("layers.ahead", "120Ki");
    let cluster = Cluster::with(options);
    let code = |n: u32| format!("{}#{}\n", params(&n.to_string()), "x".repeat(45_000));
    let place = |name: &str| {
        let function = cluster.kubectl().json(&["get", "function", name]);
        let digest = function["status"]["layers"][0]["digest"].as_str();
        digest.map(|digest| digest.replace(':', "-"))
    };
    let have = |node: &str, name: &str| {
        let layers = cluster.home().join(node).join("layers");
        place(name).is_some_and(|place| layers.join(place).is_dir())
    };
    let nodes = ["node-1", "node-2"];
    let are_on_both = |name: &str| {
        eventually(&format!("the layer of {name} is on both nodes"), || {
            let found = nodes.map(|node| have(node, name));
            if found == [true; 2] {
                Ok(())
            } else {
                Err(found)
            }
        });
    };
    cluster.apply("used", &code(1), "scaling: { pinned: 1 }");
    are_on_both("used");
    let pod = cluster.ready_pods("used", 1).remove(0);
    let node = pod["spec"]["nodeName"].as_str().unwrap();
    cluster.apply("older", &code(2), "");
    are_on_both("older");
    cluster.apply("newer", &code(3), "");
    are_on_both("newer");
    eventually("the one that nobody called went", || {
        match (have(node, "used"), have(node, "older")) {
            (true, false) => Ok(()),
            other => Err(other),
        }
    });
    assert!(cluster.pods("older").is_empty() && cluster.pods("newer").is_empty());
}

#[test]
fn the_next_step_of_a_run_has_its_pod_while_the_one_before_it_runs() {
    let cluster = Cluster::start();
    let gate = cluster.home().join("gate");
    cluster.apply("before", &waits_for(&gate, "params"), "");
    cluster.apply("after", &params("{'x': params['x'] + 1}"), "");
    let kubectl = cluster.kubectl();
    let file = cluster.home().join("steps.yaml");
    let text = "kind: Workflow\napiVersion: v1\nmetadata: { name: steps }\nspec:\n  entryParams: '{\"x\": 1}'\n  entryNodeName: one\n  workflowNodes:\n  \
                - name: one\n    type: func\n    funcData: { funcName: before, funcNamespace: default, nextNodeName: two }\n  \
                - name: two\n    type: func\n    funcData: { funcName: after, funcNamespace: default }\n";
    std::fs::write(&file, text).unwrap();
    kubectl.run(&["apply", file.to_str().unwrap()]);
    let _ = cluster.ready_pods("after", 1);
    let phase = kubectl.json(&["get", "workflow", "steps"])["status"]["phase"].clone();
    assert_eq!(phase, "Running", "the first step still runs");
    std::fs::write(&gate, "").unwrap();
    eventually("the workflow ends", || {
        let workflow = kubectl.json(&["get", "workflow", "steps"]);
        match workflow["status"]["phase"].as_str() {
            Some("Succeeded") => Ok(()),
            _ => Err(workflow),
        }
    });
}
