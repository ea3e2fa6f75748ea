//! Updates, scaling and deletion.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tests::{Cluster, Source, eventually, params, sockets_below};

#[test]
fn an_update_under_load_fails_no_call() {
    let cluster = Cluster::start();
    cluster.apply("f", &params("1"), "scaling: { minReplicas: 1 }");
    assert_eq!(
        cluster.gateway().post("/function/f", "{}").expect(200),
        json!(1)
    );
    let done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = BTreeSet::new();
                    loop {
                        // One more call after the end is known.
                        let last = done.load(Ordering::Relaxed);
                        let answer = cluster.gateway().post("/function/f", "{}");
                        seen.insert(answer.expect(200).as_i64().unwrap());
                        if last {
                            return seen;
                        }
                    }
                })
            })
            .collect();
        for version in 2..=3 {
            cluster.apply(
                "f",
                &params(&version.to_string()),
                "scaling: { minReplicas: 1 }",
            );
            eventually("the new revision answers", || {
                let answer = cluster.gateway().post("/function/f", "{}").expect(200);
                if answer == json!(version) {
                    Ok(())
                } else {
                    Err(answer)
                }
            });
        }
        // From then on every call is answered by the new one.
        eventually("only the new revision has pods", || {
            let revision = |pod: &serde_json::Value| {
                pod["metadata"]["labels"]["troupe.dev/revision"].to_string()
            };
            let revisions: BTreeSet<_> = cluster.pods("f").iter().map(revision).collect();
            if revisions.len() == 1 {
                Ok(())
            } else {
                Err(revisions)
            }
        });
        done.store(true, Ordering::Relaxed);
        callers
            .into_iter()
            .flat_map(|caller| caller.join().unwrap())
            .collect::<BTreeSet<_>>()
    });
    assert!(seen.contains(&1) && seen.contains(&3), "{seen:?}");
}

#[test]
fn replica_sets_pods_and_services_are_there_to_see() {
    let cluster = Cluster::start();
    cluster.apply("f", &params("params"), "");
    assert_eq!(
        cluster.gateway().post("/function/f", "1").expect(200),
        json!(1)
    );
    let kubectl = cluster.kubectl();
    let sets = kubectl.items(&["get", "rs"]);
    assert_eq!(sets.len(), 1);
    assert_eq!(
        sets[0]["metadata"]["ownerReferences"][0]["kind"],
        "Function"
    );
    let pods = cluster.ready_pods("f", 1);
    assert_eq!(
        pods[0]["metadata"]["ownerReferences"][0]["kind"],
        "ReplicaSet"
    );
    assert_eq!(
        pods[0]["metadata"]["ownerReferences"][0]["name"],
        sets[0]["metadata"]["name"]
    );
    assert_eq!(pods[0]["spec"]["nodeName"], "node-1");
    assert!(kubectl.run(&["get", "svc", "f"]).contains('f'));
    let table = kubectl.run(&["get", "rs,pods,svc"]);
    assert!(table.contains("READY"), "{table}");
}

#[test]
fn deleting_a_function_cleans_up_all_of_it() {
    let cluster = Cluster::start();
    let source = cluster.apply("f", &params("params"), "scaling: { minReplicas: 2 }");
    let _ = cluster.ready_pods("f", 2);
    let kubectl = cluster.kubectl();
    kubectl.run(&["delete", "-f", source.yaml()]);
    eventually("its objects are gone", || {
        let left = kubectl.run(&["get", "functions,rs,pods,svc", "-o", "name"]);
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
    assert_eq!(cluster.gateway().post("/function/f", "1").status, 404);
    let node = &cluster.nodes[0];
    eventually("its processes and sockets are gone", || {
        let left = (
            node.pod_processes(),
            sockets_below(&node.data().join("pods")),
        );
        if left.0.is_empty() && left.1.is_empty() {
            Ok(())
        } else {
            Err(left)
        }
    });
    // The name is free again.
    cluster.apply("f", &params("'new'"), "");
    assert_eq!(
        cluster.gateway().post("/function/f", "1").expect(200),
        json!("new")
    );
}

#[test]
fn scale_pins_and_unpins() {
    let cluster = Cluster::start();
    cluster.apply("f", &params("params"), "scaling: { windowSeconds: 1 }");
    let kubectl = cluster.kubectl();
    kubectl.run(&["scale", "function/f", "--replicas=2"]);
    let _ = cluster.ready_pods("f", 2);
    kubectl.run(&["scale", "function/f", "--replicas=0"]);
    let _ = cluster.ready_pods("f", 0);
    let paused = cluster.gateway().post("/function/f", "1");
    assert_eq!(paused.expect(503)["reason"], "Paused");
    kubectl.run(&["scale", "function/f", "--replicas=auto"]);
    assert_eq!(
        cluster.gateway().post("/function/f", "1").expect(200),
        json!(1)
    );
}

#[test]
fn an_idle_function_goes_back_to_zero_and_wakes_again() {
    let cluster = Cluster::start();
    cluster.apply("f", &params("params"), "scaling: { windowSeconds: 2 }");
    assert_eq!(
        cluster.gateway().post("/function/f", "1").expect(200),
        json!(1)
    );
    let _ = cluster.ready_pods("f", 0);
    eventually("no process is left", || {
        match cluster.nodes[0].pod_processes() {
            left if left.is_empty() => Ok(()),
            left => Err(left),
        }
    });
    assert_eq!(
        cluster.gateway().post("/function/f", "2").expect(200),
        json!(2)
    );
}

#[test]
fn load_brings_more_pods() {
    let cluster = Cluster::start();
    let spec = "scaling: { requestsPerReplica: 5, maxReplicas: 3, windowSeconds: 30 }";
    cluster.apply("f", &params("params"), spec);
    for n in 0..30 {
        assert_eq!(
            cluster
                .gateway()
                .post("/function/f", n.to_string())
                .expect(200),
            json!(n)
        );
    }
    let _ = cluster.ready_pods("f", 3);
    let function = cluster.kubectl().json(&["get", "function", "f"]);
    assert!(
        !function["status"]["scaledBy"]
            .as_str()
            .unwrap_or_default()
            .is_empty(),
        "{function}"
    );
}

#[test]
fn the_same_content_is_built_once() {
    let cluster = Cluster::start();
    let image = |name: &str| {
        eventually("the digest", || {
            let function = cluster.kubectl().json(&["get", "function", name]);
            function["status"]["layer"]
                .as_str()
                .map(str::to_owned)
                .ok_or(function)
        })
    };
    cluster.apply("a", &params("1"), "");
    cluster.apply("b", &params("1"), "");
    cluster.apply("c", &params("2"), "");
    assert_eq!(image("a"), image("b"));
    assert_ne!(image("a"), image("c"));
}

#[test]
fn update_hard_replaces_every_pod() {
    let cluster = Cluster::start();
    let spec = "scaling: { minReplicas: 1 }";
    cluster.apply("f", &params("__import__('os').getpid()"), spec);
    let before = cluster.gateway().post("/function/f", "{}").expect(200);
    let source = Source::write(
        cluster.home(),
        "f",
        &params("__import__('os').getpid() + 0"),
        spec,
    );
    cluster
        .kubectl()
        .run(&["update", "hard", "-f", source.yaml()]);
    eventually("another process answers", || {
        let answer = cluster.gateway().post("/function/f", "{}");
        if answer.status == 200 && answer.json() != before {
            Ok(())
        } else {
            Err(answer)
        }
    });
}
