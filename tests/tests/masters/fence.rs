use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{Etcd, params};

use super::Ensemble;

/// The condition on the key whose revision says who leads, as etcd's log has it.
const LEADER: &str = "target:MOD key:\"/troupe/k/troupe/leader\" mod_revision:";
/// The keys of the parts of large values: nobody's before a transaction, which has the condition, names them.
const PART: &str = "key:\"/troupe/p";

/// What etcd was asked to write, as its log tells: the requests' texts, without values.
fn written(etcd: &Etcd) -> Vec<String> {
    let mut found = Vec::new();
    for line in etcd.process.log().lines() {
        let Ok(line) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let Some(content) = line["request content"].as_str() else {
            continue;
        };
        let kind = line["response type"].as_str().unwrap_or_default();
        let writes = content.contains("request_put") || content.contains("request_delete_range");
        if kind.ends_with("/Put") || kind.ends_with("/DeleteRange") || writes {
            found.push(content.to_owned());
        }
    }
    found
}

#[test]
fn every_write_of_a_leader_has_its_lead_as_a_condition() {
    let mut ensemble = Ensemble::on(Etcd::that_tells());
    let cluster = &ensemble.cluster;
    let kubectl = cluster.kubectl();
    cluster.apply("f", &params("params['n'] + 1"), "");
    let gateway = cluster.gateway();
    gateway.post("/function/f", r#"{"n": 1}"#).expect(200);
    // More than etcd takes at once.
    let body = json!({ "n": 2, "more": "x".repeat(3 << 20) }).to_string();
    let _ = gateway.accepted("/function/f", &body);
    let machine = "apiVersion: v1\nkind: StateMachine\nmetadata: { name: m }\nspec:\n  definition: { StartAt: A, States: { A: { Type: Task, Resource: f, End: true } } }\n";
    kubectl.run_with(&["apply", "-f", "-"], machine);
    gateway.post("/state_machine/m", r#"{"n": 3}"#).expect(200);
    kubectl.run(&["create", "configmap", "m", "--from-literal=a=1"]);
    kubectl.run(&["cordon", "node-1"]);
    let _ = cluster.token();
    let mut second = ensemble.second();
    ensemble.cluster.master.kill();
    second.await_role("leader");
    second.kubectl().run(&["delete", "function", "f"]);

    let written = written(&ensemble.etcd);
    let revisions: BTreeSet<&str> = written
        .iter()
        .filter_map(|content| content.split_once(LEADER)?.1.split_once(' '))
        .map(|(revision, _)| revision)
        .collect();
    // Who takes the lead has as its condition that nobody has it, revision 0.
    assert_eq!(revisions.len(), 3, "{revisions:?}");
    assert!(written.len() > 40, "{written:#?}");
    let (parts, rest): (Vec<_>, Vec<_>) = written
        .iter()
        .filter(|content| !content.contains(LEADER))
        .partition(|content| content.starts_with(PART));
    assert!(parts.len() >= 4, "{parts:#?}");
    assert!(rest.is_empty(), "{rest:#?}");
}
