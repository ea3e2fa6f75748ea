//! A cluster of many nodes, simulated: real links, certificates and data planes, pods that are made up.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::{Cluster, Fleet, Options, eventually};

const FUNCTIONS: usize = 10;

fn name(number: usize) -> String {
    format!("f{number}")
}

/// Functions with so many pods each.
fn apply(cluster: &Cluster, pods: usize) {
    let functions = (0..FUNCTIONS).map(|number| {
        json!({
            "apiVersion": "v1",
            "kind": "Function",
            "metadata": { "name": name(number) },
            "spec": {
                "image": format!("registry.example/simulated@sha256:{}", "0".repeat(64)),
                "port": 8080,
                "resources": { "cpu": "10m", "memory": "64Mi" },
                "scaling": { "minReplicas": pods, "maxReplicas": pods },
            },
        })
    });
    let list =
        json!({ "apiVersion": "v1", "kind": "List", "items": functions.collect::<Vec<_>>() });
    let kubectl = cluster.kubectl();
    kubectl.run_with(&["apply", "--wait=false", "-f", "-"], &list.to_string());
}

/// Waits until there are so many pods, all ready, and the fleets have these and no others; their names by uid.
fn all_accounted_for(cluster: &Cluster, fleets: &[&Fleet], pods: usize) -> BTreeMap<String, Value> {
    let kubectl = cluster.kubectl();
    eventually(&format!("{pods} pods, all accounted for"), || {
        let functions = kubectl.items(&["get", "functions"]);
        let ready = functions
            .iter()
            .map(|one| one["status"]["readyReplicas"].as_u64().unwrap_or(0));
        let ready = usize::try_from(ready.sum::<u64>()).unwrap();
        let there = fleets.iter().map(|fleet| fleet.pods());
        let there = there.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        if ready != pods || there != (pods, pods) {
            return Err(format!("{ready} are ready, the nodes have {there:?}"));
        }
        let objects = kubectl.items(&["get", "pods"]);
        if objects.len() != pods {
            return Err(format!("{} objects", objects.len()));
        }
        let by_uid = objects.into_iter();
        Ok(by_uid
            .map(|pod| (pod["metadata"]["uid"].as_str().unwrap().to_owned(), pod))
            .collect())
    })
}

/// Calls each function: one of its pods answers.
fn call_all(cluster: &Cluster, pods: &BTreeMap<String, Value>) {
    for number in 0..FUNCTIONS {
        let path = format!("/function/{}", name(number));
        let answer = cluster.gateway().post(&path, "{}").expect(200);
        let pod = &pods[answer["pod"].as_str().unwrap()];
        assert_eq!(
            pod["metadata"]["labels"]["troupe.dev/function"],
            name(number)
        );
        assert_eq!(pod["spec"]["nodeName"], answer["node"]);
    }
}

#[test]
fn half_of_fifty_nodes_vanish_and_every_pod_is_accounted_for() {
    let options = Options::default()
        .agents(0)
        .master("nodes.not-ready-after", "1s")
        .master("nodes.replace-after", "1s");
    let mut cluster = Cluster::with(options);
    let stays = Fleet::start(&cluster, "stays-", 25);
    let mut goes = Fleet::start(&cluster, "goes-", 25);
    apply(&cluster, 30);
    let pods = all_accounted_for(&cluster, &[&stays, &goes], 300);
    let of = |pods: &BTreeMap<String, Value>, prefix: &str| {
        let on = |pod: &&Value| {
            pod["spec"]["nodeName"]
                .as_str()
                .unwrap()
                .starts_with(prefix)
        };
        pods.values().filter(on).count()
    };
    let before = (of(&pods, "stays-"), of(&pods, "goes-"));
    assert!(before.0 > 100 && before.1 > 100, "{before:?}");
    call_all(&cluster, &pods);

    // A master that begins knows its pods before it decides anything: none is ended, none is started in its place.
    let marks = [&stays, &goes].map(|fleet| fleet.history().len());
    cluster.crash_master();
    eventually("all nodes are linked to the new master", || {
        match cluster.master.log().matches("agent connected").count() {
            100 => Ok(()),
            other => Err(other),
        }
    });
    let after = all_accounted_for(&cluster, &[&stays, &goes], 300);
    assert!(after.keys().eq(pods.keys()));
    call_all(&cluster, &after);
    for (fleet, mark) in [&stays, &goes].into_iter().zip(marks) {
        let count = fleet.pods();
        assert!(fleet.history()[mark..].iter().all(|one| *one == count));
    }

    goes.process.kill();
    let pods = all_accounted_for(&cluster, &[&stays], 300);
    assert_eq!(of(&pods, "stays-"), 300);
    call_all(&cluster, &pods);

    // Those that come back are nodes again, and take more than their share: they are empty.
    goes.start_again();
    apply(&cluster, 40);
    let pods = all_accounted_for(&cluster, &[&stays, &goes], 400);
    assert!(of(&pods, "goes-") > 50, "{}", of(&pods, "goes-"));
    call_all(&cluster, &pods);
    goes.process.kill();
}
