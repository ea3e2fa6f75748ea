use reqwest::Method;
use serde_json::json;
use tests::{Http, Node, S3, eventually, params};

use super::Ensemble;

#[test]
fn code_in_a_bucket_is_there_for_whoever_leads() {
    let mut s3 = S3::start();
    let mut ensemble = Ensemble::with_bucket(&s3, &[]);
    let mut second = ensemble.second();
    let cluster = &mut ensemble.cluster;
    // Uploaded by the standby, built by a node, called.
    let source = tests::Source::write(cluster.home(), "f", &params("params['n'] + 1"), "");
    second.kubectl().run(&["apply", source.yaml()]);
    let call = |gateway: &Http, function: &str| {
        let answer = gateway.post(&format!("/function/{function}"), r#"{"n": 1}"#);
        assert_eq!(answer.expect(200), json!(2));
    };
    call(&cluster.gateway(), "f");
    let kept = s3.objects();
    let blobs = kept
        .iter()
        .filter(|name| name.starts_with("troupe/sha256-"));
    assert!(blobs.count() >= 2, "its source and its layer: {kept:?}");

    // A node that has nothing of it starts it with what the new leader reads from the bucket.
    let token = cluster.token();
    cluster.master.kill();
    second.await_role("leader");
    let kubectl = second.kubectl();
    let url = second.api().server().to_owned();
    let quiet = [tests::agent_variable("pool.size", "0")];
    cluster
        .nodes
        .push(Node::start("node-2", cluster.home(), &url, &token, &quiet));
    eventually("node-2 is ready", || {
        let nodes = kubectl.run(&["get", "nodes"]);
        let ready = |line: &str| line.starts_with("node-2") && line.contains(" Ready");
        if nodes.lines().any(ready) {
            Ok(())
        } else {
            Err(nodes)
        }
    });
    kubectl.run(&["cordon", "node-1"]);
    kubectl.run(&["delete", "pods", "-l", "troupe.dev/function=f"]);
    call(second.gateway(), "f");
    let pods = kubectl.items(&["get", "pods", "-l", "troupe.dev/function=f"]);
    assert!(
        pods.iter().any(|pod| pod["spec"]["nodeName"] == "node-2"),
        "{pods:?}"
    );
    for data in [second.data(), &cluster.home().join("master")] {
        assert!(!data.join("blobs").exists(), "{} has blobs", data.display());
    }

    // Without the bucket nothing is uploaded, and it is said why; what was asked for meanwhile is built later.
    s3.process.kill();
    let upload = format!("/blobs/sha256:{}", "0".repeat(64));
    let refused = second
        .api()
        .as_admin()
        .send(Method::PUT, &upload, |request| request.body("x"));
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.json()["reason"], "BlobsUnavailable", "{refused:?}");
    let inline = "apiVersion: v1\nkind: Function\nmetadata: { name: g }\nspec:\n  source: { inline: { func.py: \"def main(params): return params['n'] + 1\" } }\n";
    kubectl.run_with(&["apply", "-f", "-"], inline);
    s3.start_again();
    call(second.gateway(), "g");
}

#[test]
fn what_no_function_uses_any_more_leaves_the_bucket() {
    let s3 = S3::start();
    let ensemble = Ensemble::with_bucket(&s3, &[("builds.keep-unused", "2s")]);
    let cluster = &ensemble.cluster;
    let blobs = || {
        let mut kept = s3.objects();
        kept.retain(|name| name.starts_with("troupe/sha256-"));
        kept
    };
    let call = |name: &str| {
        let answer = cluster
            .gateway()
            .post(&format!("/function/{name}"), r#"{"n": 1}"#);
        answer.expect(200)
    };
    cluster.apply("kept", &params("params['n'] + 1"), "");
    assert_eq!(call("kept"), json!(2));
    let of_kept = blobs();
    cluster.apply("gone", &params("params['n'] + 2"), "");
    assert_eq!(call("gone"), json!(3));
    assert_eq!((of_kept.len(), blobs().len()), (2, 4));
    cluster.kubectl().run(&["delete", "function", "gone"]);
    eventually("its source and its layer are gone", || {
        let left = blobs();
        if left == of_kept { Ok(()) } else { Err(left) }
    });
    assert_eq!(call("kept"), json!(2));
}
