//! get, describe, logs, version, and what is left to another kubectl.

use std::os::unix::fs::PermissionsExt as _;

use assert_cmd::Command;
use serde_json::json;

use crate::fake::{Answer, Fake, err, out};

fn with_workflow() -> Fake {
    let fake = Fake::new();
    fake.put(
        "/api/v1/namespaces/default/workflows/w",
        json!({"apiVersion": "v1", "kind": "Workflow", "metadata": {"name": "w", "namespace": "default", "managedFields": [{}]},
            "status": {"phase": "Succeeded", "result": "{\"x\": 4}"}}),
    );
    fake
}

#[test]
fn tables_yaml_names_and_templates() {
    let fake = with_workflow();
    let get = |line: &[&str]| out(&fake.kubectl(line).success());
    assert_eq!(
        get(&["get", "workflow", "default/w"]),
        "NAME   PHASE       AGE\nw      Succeeded   5s\n"
    );
    assert_eq!(
        get(&["get", "wf,pods"]),
        "NAME         PHASE       AGE\nworkflow/w   Succeeded   5s\n"
    );
    assert_eq!(
        get(&["get", "wf", "w", "-o", "jsonpath={.status.result}"]),
        "{\"x\": 4}"
    );
    assert_eq!(get(&["get", "wf/w", "-o", "name"]), "workflow/w\n");
    assert!(!get(&["get", "wf/w", "-o", "yaml"]).contains("managedFields"));
    assert!(get(&["get", "wf", "-o", "json"]).contains("\"kind\": \"List\""));
    assert_eq!(
        get(&["get", "--raw", "/version"]),
        "{\"gitVersion\":\"v1.32.0+troupe.0.1.0\"}"
    );
}

#[test]
fn what_is_not_there_is_said_as_kubectl_does() {
    let fake = with_workflow();
    let failed = fake.kubectl(&["get", "wf", "nope"]).failure().code(1);
    assert_eq!(
        err(&failed),
        "Error from server (NotFound): workflows \"nope\" not found\n"
    );
    assert_eq!(
        err(&fake.kubectl(&["get", "pods"]).success()),
        "No resources found in default namespace.\n"
    );
    let failed = fake.kubectl(&["get", "functoins"]).failure();
    assert!(
        err(&failed)
            .contains("doesn't have a resource type \"functoins\"; did you mean \"functions\"?"),
        "{}",
        err(&failed)
    );
}

#[test]
fn a_watch_prints_rows_as_they_come() {
    let fake = Fake::scripted(|asked, _| {
        let row = |name: &str, version: &str| {
            json!({"kind": "Table", "rows": [{"cells": [name, "Running", "1s"],
            "object": {"metadata": {"name": name, "resourceVersion": version}}}]})
        };
        asked.query.contains("watch=true").then(|| Answer {
            code: 200,
            headers: vec![],
            body: format!(
                "{}\n{}\n",
                json!({"type": "ADDED", "object": row("p2", "11")}),
                json!({"type": "MODIFIED", "object": row("p2", "12")})
            ),
        })
    });
    fake.put(
        "/api/v1/namespaces/default/pods/p1",
        json!({"metadata": {"name": "p1"}, "status": {"phase": "Pending"}}),
    );
    let text = out(&fake.kubectl(&["get", "pods", "-w"]).success());
    assert_eq!(
        text,
        "NAME   PHASE     AGE\np1     Pending   5s\np2     Running   1s\np2     Running   1s\n"
    );
}

#[test]
fn describe_tells_the_steps_of_the_last_run_and_the_events() {
    let fake = with_workflow();
    fake.put(
        "/api/v1/namespaces/default/workflows/w",
        json!({"kind": "Workflow", "metadata": {"name": "w", "namespace": "default"}, "spec": {"workflowNodes": [{"name": "n1", "type": "func", "funcData": {"funcName": "f"}}]},
            "status": {"phase": "Succeeded", "lastRun": "r1"}}),
    );
    fake.put(
        "/api/v1/namespaces/default/workflowruns/r1",
        json!({"status": {"steps": [{"name": "n1", "type": "Task", "durationMs": 5, "input": "{}", "output": "{}", "retries": 1}]}}),
    );
    fake.put(
        "/api/v1/namespaces/default/events/e",
        json!({"type": "Normal", "reason": "RunSucceeded", "message": "r1", "source": {"component": "workflows"}}),
    );
    let text = out(&fake.kubectl(&["describe", "workflow", "w"]).success());
    assert!(
        text.contains("1. n1: Task, 5ms, 1 retry") && text.contains("RunSucceeded"),
        "{text}"
    );
}

#[test]
fn logs_are_streamed_and_a_function_is_hinted_at() {
    let fake = Fake::scripted(|asked, _| {
        asked
            .path
            .ends_with("/log")
            .then(|| match asked.path.contains("/functions/f/") {
                true => Answer {
                    code: 200,
                    headers: vec![],
                    body: format!("{}\nlast", asked.query),
                },
                false => Answer::status(404, "NotFound", "pods \"f\" not found"),
            })
    });
    fake.put("/api/v1/namespaces/default/functions/f", json!({}));
    let text = out(&fake
        .kubectl(&["logs", "-f", "function/f", "--tail=5", "--build"])
        .success());
    assert_eq!(text, "follow=true&tailLines=5&build=true\nlast");
    let failed = fake.kubectl(&["logs", "f"]).failure();
    assert!(
        err(&failed).contains("kubectl logs function/f"),
        "{}",
        err(&failed)
    );
}

#[test]
fn versions_and_unreachable_servers() {
    let fake = Fake::new();
    let text = out(&fake.kubectl(&["version"]).success());
    assert!(
        text.contains("Client Version: v0.1.0+troupe\nServer Version: v1.32.0+troupe.0.1.0\n"),
        "{text}"
    );
    let failed = fake
        .kubectl(&["get", "pods", "-s", "http://127.0.0.1:1"])
        .failure()
        .code(1);
    assert_eq!(
        err(&failed),
        "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n"
    );
}

#[test]
fn what_is_lacking_goes_to_the_next_kubectl_on_path() {
    let fake = Fake::new();
    let failed = fake.kubectl(&["rollout", "status", "x"]).failure().code(1);
    assert!(
        err(&failed).contains("unknown command \"rollout\", and no other kubectl is on PATH"),
        "{}",
        err(&failed)
    );
    let next = fake.file("next/kubectl", "#!/bin/sh\necho next: \"$@\"\nexit 7\n");
    std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o755)).unwrap();
    // The first on PATH is this program itself, under a link.
    let own = fake.dir.path().join("own");
    std::fs::create_dir(&own).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kubectl"), own.join("kubectl")).unwrap();
    for line in [
        &["rollout", "status", "x"][..],
        &["create", "ns", "a"],
        &["get", "pods", "--sort-by=.x"],
        &["get", "x", "-o", "custom-columns=A:.a"],
    ] {
        let mut command = Command::new(own.join("kubectl"));
        let path =
            std::env::join_paths([&own, next.parent().unwrap(), std::path::Path::new("/bin")])
                .unwrap();
        let done = command
            .args(line)
            .env("PATH", path)
            .assert()
            .failure()
            .code(7);
        assert_eq!(out(&done), format!("next: {}\n", line.join(" ")));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let fake = with_workflow();
    let line = format!(
        "'{}' get wf -o yaml | true; '{}' --help | head -1",
        env!("CARGO_BIN_EXE_kubectl"),
        env!("CARGO_BIN_EXE_kubectl")
    );
    let done = Command::new("sh")
        .args(["-c", &line])
        .env("KUBECONFIG", fake.dir.path().join("kubeconfig"))
        .assert()
        .success();
    assert!(!err(&done).contains("panicked"), "{}", err(&done));
}
