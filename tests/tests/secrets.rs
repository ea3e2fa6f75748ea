//! What lies in the store of a Secret.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tests::{Cluster, Etcd, params, program};

/// The secret's value, and how the API's JSON writes it (base64).
const VALUE: &str = "xyzzy-plugh-0123456789";
const ENCODED: &str = "eHl6enktcGx1Z2gtMDEyMzQ1Njc4OQ==";

/// Whether a file, or one beneath a directory, has a text in it.
fn holds(path: &Path, text: &str) -> bool {
    if path.is_dir() {
        let mut entries = fs::read_dir(path).unwrap();
        return entries.any(|entry| holds(&entry.unwrap().path(), text));
    }
    let bytes = fs::read(path).unwrap();
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

fn assert_sealed(store: &Path) {
    assert!(
        holds(store, "kept-for-the-test"),
        "its name is in the store"
    );
    for plain in [VALUE, ENCODED] {
        assert!(!holds(store, plain), "{plain} is in the clear");
    }
}

#[test]
fn secrets_are_sealed_in_both_stores_and_need_their_keys() {
    let etcd = Etcd::start();
    let mut cluster = Cluster::start();
    let data = cluster.home().join("master");
    let secret = format!(
        r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"kept-for-the-test"}},"stringData":{{"key":"{VALUE}"}}}}"#
    );
    // Apply keeps what was applied in an annotation of the object.
    let kubectl = cluster.kubectl();
    kubectl.run_with(&["apply", "-f", "-"], &secret);
    let variable =
        "env: [{ name: S, valueFrom: { secretKeyRef: { name: kept-for-the-test, key: key } } }]";
    cluster.apply("f", &params("__import__('os').environ['S']"), variable);
    let call = |cluster: &Cluster| cluster.gateway().post("/function/f", "{}").expect(200);
    assert_eq!(call(&cluster), json!(VALUE));
    assert_sealed(&data.join("store.redb"));

    assert!(cluster.master.stop().success());
    assert_sealed(&data.join("store.redb"));
    let to = format!("etcd://{}", etcd.address());
    let mut migrate = Command::new(program("master"));
    migrate.args(["migrate", "--from", "embedded", "--to", &to, "--data-dir"]);
    let said = migrate.arg(&data).output().unwrap();
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    cluster.set_master("store", &to);
    cluster.set_master("blobs", "local");
    cluster.master.start_again();
    cluster.wait_for_master();
    cluster.wait_for_node("node-1");
    let shown = [
        "get",
        "secret",
        "kept-for-the-test",
        "-o",
        "jsonpath={.data.key}",
    ];
    assert_eq!(cluster.kubectl().run(&shown), ENCODED);
    let labelled = secret.replace(r#""metadata":{"#, r#""metadata":{"labels":{"seen":"yes"},"#);
    cluster.kubectl().run_with(&["apply", "-f", "-"], &labelled);
    assert_eq!(call(&cluster), json!(VALUE));
    assert_sealed(&etcd.file("data"));

    // Without the keys a master does not begin, rather than serve what it cannot read.
    assert!(cluster.master.stop().success());
    let keys = data.join("authority/encryption-keys");
    let kept = data.join("kept");
    fs::rename(&keys, &kept).unwrap();
    cluster.master.start_again();
    assert!(!cluster.master.wait().success());
    let log = cluster.master.log();
    assert!(log.contains("authority/encryption-keys"), "{log}");
    fs::rename(&kept, &keys).unwrap();
    cluster.master.start_again();
    cluster.wait_for_master();
    assert_eq!(cluster.kubectl().run(&shown), ENCODED);
}
