//! The real kubectl on our API. It must be 1.27 or later on PATH.

use std::io::{BufRead as _, BufReader};
use std::process::Child;

use serde_json::json;
use tests::{Cluster, Kubectl, eventually};

const INLINE: &str = "\
apiVersion: v1
kind: Function
metadata:
  name: inline
  labels: { team: blue }
spec:
  source:
    inline:
      func.py: |
        def main(params):
            print('called')
            return {\"twice\": params['n'] * 2}
";

/// A cluster with one function, applied by the real kubectl.
fn cluster() -> Cluster {
    let cluster = Cluster::start();
    cluster
        .real_kubectl()
        .run_with(&["apply", "-f", "-"], INLINE);
    cluster
}

/// Ends a watching kubectl with its test.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn applies_inline_code_and_the_gateway_answers() {
    let cluster = Cluster::start();
    let kubectl = cluster.real_kubectl();
    let said = kubectl.run_with(&["apply", "-f", "-"], INLINE);
    assert_eq!(said.trim(), "function/inline created");
    assert_eq!(
        kubectl.run_with(&["apply", "-f", "-"], INLINE).trim(),
        "function/inline unchanged"
    );
    let said = kubectl.run_with(&["apply", "-f", "-"], &INLINE.replace("* 2", "* 3"));
    assert_eq!(said.trim(), "function/inline configured");
    let answer = cluster.gateway().post("/function/inline", r#"{"n": 5}"#);
    assert_eq!(answer.expect(200), json!({"twice": 15}));
    assert_eq!(
        kubectl.run(&["execute", "inline", r#"{"n": 1}"#]).trim(),
        r#"{"twice":3}"#
    );
    // The plugin starts runs, too, and runs them again.
    let machine = "apiVersion: v1\nkind: StateMachine\nmetadata: { name: m }\nspec: { definition: { StartAt: P, States: { P: { Type: Pass, End: true } } } }\n";
    kubectl.run_with(&["apply", "-f", "-"], machine);
    assert_eq!(kubectl.run(&["execute", "sm/m", "[1]"]).trim(), "[1]");
    let runs = kubectl.items(&["get", "runs"]);
    let run = format!("run/{}", runs[0]["metadata"]["name"].as_str().unwrap());
    assert_eq!(kubectl.run(&["execute", &run]).trim(), "[1]");
    assert_eq!(kubectl.run(&["execute", &run, "[2]"]).trim(), "[2]");
}

#[test]
fn server_side_apply_and_create_and_replace_work() {
    let cluster = Cluster::start();
    let kubectl = cluster.real_kubectl();
    let said = kubectl.run_with(&["apply", "--server-side", "-f", "-"], INLINE);
    assert_eq!(said.trim(), "function/inline serverside-applied");
    let other = INLINE.replace("name: inline", "name: other");
    assert_eq!(
        kubectl.run_with(&["create", "-f", "-"], &other).trim(),
        "function/other created"
    );
    let again = kubectl.say_with(&["create", "-f", "-"], &other);
    assert!(again.err.contains("AlreadyExists"), "{again:?}");
    assert_eq!(replace(&kubectl, "other"), "function/other replaced");
}

/// Replaces a function by what was read of it, and reads it again as often as its status was written meanwhile.
fn replace(kubectl: &Kubectl, name: &str) -> String {
    for _ in 0..20 {
        let object = kubectl.json(&["get", "function", name]).to_string();
        let said = kubectl.say_with(&["replace", "-f", "-"], &object);
        if said.code == 0 {
            return said.out.trim().to_owned();
        }
        assert!(said.err.contains("(Conflict)"), "{said:?}");
    }
    panic!("function {name} was never left alone for as long as a replace takes");
}

#[test]
fn gets_in_every_form() {
    let cluster = cluster();
    let kubectl = cluster.real_kubectl();
    let table = kubectl.run(&["get", "functions"]);
    assert!(
        table.starts_with("NAME") && table.contains("inline"),
        "{table}"
    );
    let wide = kubectl.run(&["get", "fn", "-o", "wide"]);
    assert!(
        wide.lines().next().unwrap().len() > table.lines().next().unwrap().len(),
        "{wide}"
    );
    assert_eq!(
        kubectl.run(&["get", "fn", "-o", "name"]).trim(),
        "function/inline"
    );
    let yaml = kubectl.run(&["get", "function", "inline", "-o", "yaml"]);
    assert!(
        yaml.contains("kind: Function") && yaml.contains("func.py"),
        "{yaml}"
    );
    let path = "jsonpath={.metadata.labels.team}";
    assert_eq!(kubectl.run(&["get", "function/inline", "-o", path]), "blue");
    assert!(
        kubectl
            .run(&["get", "fn", "-l", "team=blue"])
            .contains("inline")
    );
    assert!(
        !kubectl
            .run(&["get", "fn", "-l", "team!=blue"])
            .contains("inline")
    );
    assert!(kubectl.run(&["get", "fn", "-A"]).contains("NAMESPACE"));
    assert_eq!(
        kubectl.json(&["get", "fn", "--field-selector", "metadata.name=inline"])["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let _ = cluster
        .gateway()
        .post("/function/inline", r#"{"n": 5}"#)
        .expect(200);
    let all = kubectl.run(&["get", "rs,pods,svc,nodes", "-l", ""]);
    assert!(
        all.contains("replicaset.apps/") && all.contains("pod/") && all.contains("node/"),
        "{all}"
    );
    assert!(
        kubectl
            .refuse(&["get", "function", "nobody"])
            .contains("NotFound")
    );
}

#[test]
fn watches_changes_as_they_come() {
    let cluster = cluster();
    let kubectl = cluster.real_kubectl();
    let mut watch = kubectl.command(&[
        "get",
        "function",
        "inline",
        "-w",
        "-o",
        "jsonpath={.metadata.labels.n}{'\\n'}",
    ]);
    let mut watch = Watching(watch.spawn().unwrap());
    let mut lines = BufReader::new(watch.0.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "");
    kubectl.run(&["label", "function", "inline", "n=1"]);
    let seen = lines.map_while(Result::ok).find(|line| !line.is_empty());
    assert_eq!(seen.as_deref(), Some("1"));
}

#[test]
fn describes_with_events() {
    let cluster = cluster();
    let kubectl = cluster.real_kubectl();
    let _ = cluster
        .gateway()
        .post("/function/inline", r#"{"n": 5}"#)
        .expect(200);
    let text = eventually("describe shows events", || {
        let text = kubectl.run(&["describe", "function", "inline"]);
        if text.contains("Events:") && !text.contains("Events:  <none>") {
            Ok(text)
        } else {
            Err(text)
        }
    });
    assert!(
        text.contains("Conditions:") && text.contains("Built"),
        "{text}"
    );
    assert!(kubectl.run(&["get", "events"]).contains("function/inline"));
    let pods = kubectl.run(&["get", "pods", "-o", "name"]);
    let pod = pods.lines().next().unwrap();
    assert!(kubectl.run(&["describe", pod]).contains("node-1"));
    assert!(
        kubectl
            .run(&["describe", "node", "node-1"])
            .contains("Ready")
    );
}

#[test]
fn deletes_and_waits_until_it_is_gone() {
    let cluster = cluster();
    let kubectl = cluster.real_kubectl();
    assert_eq!(
        kubectl.run(&["delete", "function", "inline"]).trim(),
        "function \"inline\" deleted"
    );
    assert!(
        kubectl
            .refuse(&["get", "function", "inline"])
            .contains("NotFound")
    );
}

#[test]
fn edits_labels_annotates_and_patches() {
    let cluster = cluster();
    let kubectl = cluster.real_kubectl();
    let mut edit = kubectl.command(&["edit", "function", "inline"]);
    edit.env("KUBE_EDITOR", "sed -i 's/team: blue/team: green/'");
    let done = edit.output().unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let team = || {
        kubectl.run(&[
            "get",
            "fn",
            "inline",
            "-o",
            "jsonpath={.metadata.labels.team}",
        ])
    };
    assert_eq!(team(), "green");
    kubectl.run(&["label", "function", "inline", "team=red", "--overwrite"]);
    assert_eq!(team(), "red");
    kubectl.run(&["annotate", "function", "inline", "note=hello"]);
    let patch = r#"{"spec":{"timeoutSeconds":7}}"#;
    kubectl.run(&["patch", "function", "inline", "--type=merge", "-p", patch]);
    let function = kubectl.json(&["get", "function", "inline"]);
    assert_eq!(function["spec"]["timeoutSeconds"], 7);
    assert_eq!(function["metadata"]["annotations"]["note"], "hello");
}

#[test]
fn waits_for_conditions_and_for_deletion() {
    let cluster = cluster();
    let kubectl = cluster.real_kubectl();
    kubectl.run(&[
        "wait",
        "--for=condition=Built",
        "function/inline",
        "--timeout=60s",
    ]);
    std::thread::scope(|scope| {
        let waiting = scope
            .spawn(|| kubectl.run(&["wait", "--for=delete", "function/inline", "--timeout=60s"]));
        kubectl.run(&["delete", "function", "inline", "--wait=false"]);
        waiting.join().unwrap();
    });
}

#[test]
fn scales_a_function() {
    let cluster = cluster();
    let kubectl = cluster.real_kubectl();
    kubectl.run(&["scale", "function/inline", "--replicas=2"]);
    let _ = cluster.ready_pods("inline", 2);
    kubectl.run(&["scale", "function/inline", "--replicas=0"]);
    let _ = cluster.ready_pods("inline", 0);
    let answer = cluster.gateway().post("/function/inline", r#"{"n": 1}"#);
    assert_eq!(answer.expect(503)["reason"], "Paused");
}

#[test]
fn knows_the_kinds_and_explains_their_fields() {
    let cluster = Cluster::start();
    let kubectl = cluster.real_kubectl();
    let kinds = kubectl.run(&["api-resources"]);
    for word in [
        "functions",
        "workflows",
        "statemachines",
        "workflowruns",
        "activities",
        "pods",
        "replicasets",
        "secrets",
        "events",
    ] {
        assert!(kinds.contains(word), "{word} in {kinds}");
    }
    assert!(
        kubectl
            .run(&["explain", "function.spec"])
            .contains("timeoutSeconds")
    );
    assert!(
        kubectl
            .run(&["explain", "function.spec.scaling.maxReplicas"])
            .contains("integer")
    );
    assert!(kubectl.run(&["version"]).contains("Server Version"));
}

#[test]
fn reads_a_pods_log() {
    let cluster = cluster();
    let kubectl = cluster.real_kubectl();
    let _ = cluster
        .gateway()
        .post("/function/inline", r#"{"n": 5}"#)
        .expect(200);
    let pod = kubectl.run(&["get", "pods", "-o", "name"]);
    eventually("the log", || {
        let log = kubectl.run(&["logs", pod.trim()]);
        if log.contains("called") {
            Ok(())
        } else {
            Err(log)
        }
    });
    let log = kubectl.run(&["logs", "-l", "troupe.dev/function=inline", "--tail=1"]);
    assert!(log.contains("called"), "{log}");
}

#[test]
fn makes_namespaces_secrets_and_config_maps() {
    let cluster = Cluster::start();
    let kubectl = cluster.real_kubectl();
    kubectl.run(&["create", "namespace", "team"]);
    kubectl.run(&[
        "-n",
        "team",
        "create",
        "secret",
        "generic",
        "s",
        "--from-literal=key=hush",
    ]);
    kubectl.run(&[
        "-n",
        "team",
        "create",
        "configmap",
        "c",
        "--from-literal=a=b",
    ]);
    let secret = kubectl.run(&[
        "-n",
        "team",
        "get",
        "secret",
        "s",
        "-o",
        "jsonpath={.data.key}",
    ]);
    assert_eq!(secret, "aHVzaA==");
    let map = kubectl.run(&[
        "-n",
        "team",
        "get",
        "configmap",
        "c",
        "-o",
        "jsonpath={.data.a}",
    ]);
    assert_eq!(map, "b");
    let with_secret = INLINE.replace(
        "spec:\n",
        "spec:\n  env: [{ name: S, valueFrom: { secretKeyRef: { name: s, key: key } } }]\n",
    );
    let with_secret = with_secret.replace("params['n'] * 2", "__import__('os').environ['S']");
    kubectl.run_with(&["-n", "team", "apply", "-f", "-"], &with_secret);
    let answer = cluster.gateway().post("/function/team/inline", "{}");
    assert_eq!(answer.expect(200), json!({"twice": "hush"}));
    kubectl.run(&["delete", "namespace", "team"]);
    assert!(
        kubectl
            .refuse(&["get", "namespace", "team"])
            .contains("NotFound")
    );
    assert_eq!(
        cluster.gateway().post("/function/team/inline", "{}").status,
        404
    );
}

#[test]
fn refuses_unknown_fields_and_wrong_types_by_name() {
    let cluster = Cluster::start();
    let kubectl = cluster.real_kubectl();
    let unknown = INLINE.replace("spec:\n", "spec:\n  timeoutSecond: 5\n");
    let said = kubectl.say_with(&["apply", "-f", "-"], &unknown);
    assert!(
        said.code != 0 && said.err.contains("unknown field \"spec.timeoutSecond\""),
        "{said:?}"
    );
    let wrong = INLINE.replace("spec:\n", "spec:\n  timeoutSeconds: soon\n");
    let said = kubectl.say_with(&["apply", "-f", "-"], &wrong);
    assert!(
        said.code != 0 && said.err.contains("timeoutSeconds"),
        "{said:?}"
    );
    assert!(
        kubectl.items(&["get", "functions"]).is_empty(),
        "nothing was changed"
    );
}

#[test]
fn a_directory_it_cannot_upload_is_told_in_a_condition_and_a_warning() {
    let cluster = Cluster::start();
    let yaml = "apiVersion: v1\nkind: Function\nmetadata: { name: far }\nspec: { userUploadFilePath: ./code }\n";
    let said = cluster.real_kubectl().say_with(&["apply", "-f", "-"], yaml);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("Warning:"), "{said:?}");
    eventually("the condition", || {
        let function = cluster.kubectl().json(&["get", "function", "far"]);
        let conditions = function["status"]["conditions"].to_string();
        if conditions.contains("SourceMissing") {
            Ok(())
        } else {
            Err(function)
        }
    });
    assert_eq!(cluster.gateway().post("/function/far", "{}").status, 503);
}
