//! Nodes that come and go.

use serde_json::json;
use tests::{Cluster, Options, eventually, params};

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
