//! The files of both seeds, unchanged, and the commands that the seeds say.

use serde_json::json;
use tests::{Cluster, eventually, repository};

fn example(name: &str) -> String {
    repository()
        .join("examples")
        .join(name)
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn seed_1_is_applied_executed_and_run_in_the_words_it_uses() {
    let cluster = Cluster::start();
    let kubectl = cluster.kubectl();

    kubectl.run(&["apply", &example("seed1/function.yaml")]);
    let answer = kubectl.run(&["execute", "default/func2", r#"{"x": 1, "y": 2}"#]);
    assert_eq!(answer.trim(), r#"{"x":3,"y":-1}"#);
    let answer = kubectl.run(&["execute", "default/func3", r#"{"x": 3, "y": -1}"#]);
    assert_eq!(answer.trim(), r#"{"x":9,"y":1}"#);

    kubectl.run(&["apply", &example("seed1/workflow.yaml")]);
    let row = eventually("the workflow shows its result", || {
        let shown = kubectl.run(&["get", "workflow", "default/workflow-example"]);
        if shown.contains("Succeeded") {
            Ok(shown)
        } else {
            Err(shown)
        }
    });
    let heads: Vec<&str> = row.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(heads, ["NAME", "PHASE", "RESULT", "AGE"]);
    assert!(
        row.contains("workflow-example") && row.contains(r#"{"x":4,"y":-4}"#),
        "{row}"
    );

    let answer = cluster
        .gateway()
        .post("/function/default/func1", r#"{"x": 5, "y": 3}"#);
    assert_eq!(answer.expect(200), json!({"x": 2, "y": -2}));
    let answer = cluster
        .gateway()
        .post("/workflow/workflow-example", r#"{"x": 5, "y": 1}"#);
    assert_eq!(answer.expect(200), json!({"x": 36, "y": 16}));
}

#[test]
fn a_run_of_its_own_leaves_the_workflows_result_alone() {
    let cluster = Cluster::start();
    let kubectl = cluster.kubectl();
    kubectl.run(&[
        "apply",
        &example("seed1/function.yaml"),
        &example("seed1/workflow.yaml"),
    ]);
    let result = || {
        let workflow = kubectl.json(&["get", "workflow", "workflow-example"]);
        workflow["status"]["result"]
            .as_str()
            .map(str::to_owned)
            .ok_or(workflow)
    };
    let first = eventually("the result of applying", result);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&first).unwrap(),
        json!({"x": 4, "y": -4})
    );
    let out = kubectl.run(&[
        "execute",
        "workflow/workflow-example",
        r#"{"x": 5, "y": 1}"#,
    ]);
    assert!(out.contains(r#"{"x":36,"y":16}"#), "{out}");
    assert_eq!(result().unwrap(), first);
    // The same file again changes nothing and runs nothing.
    kubectl.run(&["apply", &example("seed1/workflow.yaml")]);
    assert_eq!(kubectl.items(&["get", "workflowruns"]).len(), 2);
}

#[test]
fn seed_2_answers_over_http_with_query_and_body() {
    let cluster = Cluster::start();
    cluster
        .kubectl()
        .run(&["apply", &example("seed2/def.yaml")]);
    let answer = cluster
        .gateway()
        .post("/function/hjk?param1=a", r#"{"name1": "b"}"#);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.text(),
        r#"{"hjk": "hjk"}"#,
        "the string is sent as it is"
    );
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("application/json")
    );
    let log = eventually("what it printed is in its log", || {
        let log = cluster.kubectl().run(&["logs", "function/hjk"]);
        if log.contains("param1 in url isa") {
            Ok(log)
        } else {
            Err(log)
        }
    });
    assert!(log.lines().any(|line| line.ends_with(" b")), "{log}");
    let id = answer.header("x-invocation-id").unwrap();
    assert!(log.contains(id), "the log says which call printed: {log}");
}

#[test]
fn seed_2s_state_machine_takes_either_branch() {
    let cluster = Cluster::start();
    let kubectl = cluster.kubectl();
    kubectl.run(&[
        "apply",
        &example("seed2/def.yaml"),
        &example("seed2/state_machine.json"),
    ]);
    let gateway = cluster.gateway();
    let bought = gateway.post(
        "/state_machine/test_state_machine1",
        r#"{"symbol": "TRPE"}"#,
    );
    assert_eq!(bought.expect(200), json!({"report": "bought TRPE at 42"}));
    let sold = kubectl.run(&[
        "execute",
        "statemachine/test_state_machine1",
        r#"{"symbol": "ACME"}"#,
    ]);
    assert!(sold.contains("sold ACME at 87"), "{sold}");
}
