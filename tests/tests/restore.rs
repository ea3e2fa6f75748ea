//! A cluster that comes back from a backup, as docs/cluster.md says.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use tests::{Cluster, Etcd, Options, eventually, params};

/// What is in the backup, and what came after it.
fn fill(cluster: &Cluster) {
    let secret = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"stringData":{"key":"kept"}}"#;
    cluster.kubectl().run_with(&["apply", "-f", "-"], secret);
    let variable = "env: [{ name: S, valueFrom: { secretKeyRef: { name: s, key: key } } }]";
    cluster.apply("old", &params("__import__('os').environ['S']"), variable);
    check(cluster);
}

fn check(cluster: &Cluster) {
    // Also once more from zero: the code must be there.
    for pod in cluster.pods("old") {
        let name = pod["metadata"]["name"].as_str().unwrap();
        cluster.kubectl().run(&["delete", "pod", name]);
    }
    let answer = cluster.gateway().post("/function/old", "{}");
    assert_eq!(answer.expect(200), json!("kept"));
}

fn change(cluster: &Cluster) {
    cluster.apply("new", &params("'new'"), "");
    let answer = cluster.gateway().post("/function/new", "{}");
    assert_eq!(answer.expect(200), json!("new"));
}

/// Everything works, and what came after the backup is gone: its pod too.
fn check_restored(cluster: &mut Cluster) {
    cluster.wait_for_master();
    cluster.wait_for_node("node-1");
    check(cluster);
    assert_eq!(cluster.gateway().post("/function/new", "{}").status, 404);
    let left = cluster.kubectl().items(&["get", "pods"]);
    assert!(!format!("{left:?}").contains("new-"), "{left:?}");
    eventually("no process of the function that was forgotten runs", || {
        let pods = cluster.nodes[0].pod_processes();
        if pods.len() <= left.len() {
            Ok(())
        } else {
            Err(pods)
        }
    });
}

fn tar(words: &[&str], archive: &Path, directory: &Path, what: &[&str]) {
    let mut command = Command::new("tar");
    command.args(words).arg(archive).arg("-C").arg(directory);
    assert!(command.args(what).status().unwrap().success());
}

#[test]
fn a_cluster_with_the_embedded_store_is_restored_from_its_files() {
    let mut cluster = Cluster::start();
    let (data, backup) = (
        cluster.home().join("master"),
        cluster.home().join("backup.tar"),
    );
    fill(&cluster);
    assert!(cluster.master.stop().success());
    tar(
        &["-cf"],
        &backup,
        &data,
        &["store.redb", "authority", "blobs"],
    );
    cluster.master.start_again();
    cluster.wait_for_master();
    change(&cluster);
    // The machine's disk is lost.
    cluster.master.kill();
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::create_dir(&data).unwrap();
    tar(&["-xf"], &backup, &data, &[]);
    cluster.master.start_again();
    check_restored(&mut cluster);
}

#[test]
fn a_cluster_on_etcd_is_restored_from_a_snapshot() {
    let mut etcd = Etcd::start();
    let options = Options::default().master("store", &format!("etcd://{}", etcd.address()));
    let mut cluster = Cluster::with(options.master("blobs", "local"));
    fill(&cluster);
    etcd.save("backup.db");
    change(&cluster);
    cluster.master.kill();
    etcd.restore("backup.db");
    cluster.master.start_again();
    check_restored(&mut cluster);
}
