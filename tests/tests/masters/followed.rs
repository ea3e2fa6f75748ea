//! What goes on while the lead changes: watches, logs, runs, asynchronous calls.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Http, Kubectl, Master, eventually, free_address, params};

use super::Ensemble;

/// A command that goes on by itself, and what it has said so far.
struct Running {
    child: Child,
    said: PathBuf,
}

impl Running {
    fn start(kubectl: &Kubectl, said: PathBuf, words: &[&str]) -> Self {
        let file = fs::File::create(&said).unwrap();
        let mut command = kubectl.command(words);
        command.stdin(Stdio::null());
        command.stderr(file.try_clone().unwrap()).stdout(file);
        let child = command.spawn().unwrap();
        Self { child, said }
    }

    fn await_said(&self, text: &str) -> String {
        eventually(&format!("it says {text}"), || {
            let said = fs::read_to_string(&self.said).unwrap();
            if said.contains(text) {
                Ok(said)
            } else {
                Err(said)
            }
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_is_followed_by_a_standby_goes_on_where_it_was_when_the_leader_dies() {
    let mut ensemble = Ensemble::begin();
    let mut second = ensemble.second();
    let cluster = &mut ensemble.cluster;
    let home = cluster.home().to_owned();
    let code =
        "def main(params):\n    print('heard', params['n'], flush=True)\n    return params['n']\n";
    cluster.apply("f", code, "scaling: { minReplicas: 1 }");
    let _ = cluster.ready_pods("f", 1);
    let kubectl = second.kubectl();
    let create = |name: &str| kubectl.run(&["create", "configmap", name, "--from-literal=a=1"]);
    let revision = |name: &str| {
        kubectl.json(&["get", "configmap", name])["metadata"]["resourceVersion"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let watch = |from: &str, file: &str| {
        let path =
            format!("/api/v1/namespaces/default/configmaps?watch=true&resourceVersion={from}");
        Running::start(&kubectl, home.join(file), &["get", "--raw", &path])
    };
    let heard = |n: u32| {
        let answer = second
            .gateway()
            .post("/function/f", json!({ "n": n }).to_string());
        assert_eq!(answer.expect(200), json!(n));
    };

    create("one");
    let one = revision("one");
    let raw = watch(&one, "raw");
    let listed = ["get", "configmaps", "-w", "-o", "name"];
    let seen = Running::start(&second.real_kubectl(), home.join("seen"), &listed);
    let log = Running::start(&kubectl, home.join("log"), &["logs", "-f", "function/f"]);
    seen.await_said("configmap/one");
    create("two");
    let said = raw.await_said("\"two\"");
    assert!(!said.contains("\"one\""), "it began after that: {said}");
    seen.await_said("configmap/two");
    heard(1);
    log.await_said("heard 1");

    let two = revision("two");
    create("three");
    cluster.master.kill();
    second.await_role("leader");
    create("four");
    let said = watch(&two, "resumed").await_said("\"four\"");
    assert!(
        said.contains("\"three\"") && !said.contains("\"two\""),
        "{said}"
    );
    let log = Running::start(&kubectl, home.join("later"), &["logs", "-f", "function/f"]);
    log.await_said("heard 1");
    second
        .gateway()
        .post("/function/f", r#"{"n": 2}"#)
        .expect(200);
    log.await_said("heard 2");
}

#[test]
fn runs_and_asynchronous_calls_begun_by_a_standby_end_by_another_leader() {
    let mut ensemble = Ensemble::begin();
    let door = free_address();
    let mut settings = ensemble.settings.clone();
    settings.push(("sfn-listen", door.clone()));
    let mut second = Master::start("second", &ensemble.cluster, &ensemble.api, &settings);
    second.await_role("standby");
    let cluster = &mut ensemble.cluster;
    cluster.apply(
        "f",
        &params("params['n'] + 1"),
        "scaling: { minReplicas: 1 }",
    );
    let _ = cluster.ready_pods("f", 1);
    let states = Http::new(&format!("http://{door}"));
    let ask = |action: &str, input: Value| {
        let answer = states.send(Method::POST, "/", |request| {
            request
                .header("x-amz-target", format!("AWSStepFunctions.{action}"))
                .header("content-type", "application/x-amz-json-1.0")
                .body(input.to_string())
        });
        answer.expect(200)
    };
    let definition = json!({
        "StartAt": "Pause",
        "States": {
            "Pause": { "Type": "Wait", "Seconds": 2, "Next": "Add" },
            "Add": { "Type": "Task", "Resource": "f", "End": true },
        },
    });
    let made = ask(
        "CreateStateMachine",
        json!({
            "name": "machine",
            "roleArn": "arn:aws:iam::111111111111:role/any",
            "definition": definition.to_string(),
        }),
    );
    let started = ask(
        "StartExecution",
        json!({ "stateMachineArn": made["stateMachineArn"], "input": r#"{"n": 4}"# }),
    );
    let execution = json!({ "executionArn": started["executionArn"] });
    assert_eq!(
        ask("DescribeExecution", execution.clone())["status"],
        "RUNNING"
    );
    let gateway = second.gateway().clone();
    let accepted: Vec<String> = (0..5)
        .map(|n| {
            let body = json!({ "n": n }).to_string();
            gateway.accepted("/function/f", &body).location()
        })
        .collect();

    cluster.master.kill();
    second.await_role("leader");
    for (n, location) in accepted.iter().enumerate() {
        let shown = gateway.outcome(location).json();
        assert_eq!(shown["state"], "Succeeded", "{n}: {shown}");
    }
    let described = eventually("the execution has ended", || {
        match ask("DescribeExecution", execution.clone()) {
            shown if shown["status"] == "SUCCEEDED" => Ok(shown),
            shown => Err(shown),
        }
    });
    assert_eq!(described["output"], "5");
    let history = ask("GetExecutionHistory", execution);
    let events = history["events"].as_array().unwrap();
    let named = |name: &str| events.iter().filter(|event| event["type"] == name).count();
    assert_eq!(
        (named("ExecutionStarted"), named("ExecutionSucceeded")),
        (1, 1),
        "{history}"
    );
}
