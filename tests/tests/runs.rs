//! Runs as objects: made by hand, stopped, deleted, grown old.

use serde_json::json;
use tests::{Cluster, Options, eventually, params, waits_for};

const MACHINE: &str = r#"
apiVersion: v1
kind: StateMachine
metadata: { name: m }
spec: { definition: { StartAt: P, States: { P: { Type: Pass, End: true } } } }
"#;

/// A workflow of one function, `id`.
fn workflow(name: &str) -> String {
    format!(
        "kind: Workflow\napiVersion: v1\nmetadata: {{ name: {name} }}\nspec:\n  entryParams: '1'\n  entryNodeName: n\n  workflowNodes:\n  - {{ name: n, type: func, funcData: {{ funcName: id, funcNamespace: default }} }}\n"
    )
}

fn phase(cluster: &Cluster, run: &str) -> String {
    let run = cluster.kubectl().json(&["get", "run", run]);
    run["status"]["phase"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn reaches(cluster: &Cluster, run: &str, wanted: &str) {
    eventually(&format!("run {run} is {wanted}"), || {
        match phase(cluster, run) {
            phase if phase == wanted => Ok(()),
            other => Err(other),
        }
    });
}

#[test]
fn a_run_made_by_hand_takes_the_definition_as_it_stands() {
    let cluster = Cluster::start();
    let kubectl = cluster.kubectl();
    kubectl.run_with(&["apply", "-f", "-"], MACHINE);
    let by_hand = "apiVersion: v1\nkind: WorkflowRun\nmetadata: { name: mine }\nspec: { stateMachine: m, input: { a: 1 }, definition: { StartAt: X, States: {} } }\n";
    kubectl.run_with(&["create", "-f", "-"], by_hand);
    reaches(&cluster, "mine", "Succeeded");
    let run = kubectl.json(&["get", "run", "mine"]);
    assert_eq!(run["status"]["output"], json!({"a": 1}));
    assert_eq!(
        run["spec"]["definition"]["StartAt"], "P",
        "not the one that was sent"
    );
    assert_eq!(run["metadata"]["ownerReferences"][0]["name"], "m");

    let orphan = "apiVersion: v1\nkind: WorkflowRun\nmetadata: { name: orphan }\nspec: { workflow: nothing }\n";
    kubectl.run_with(&["create", "-f", "-"], orphan);
    reaches(&cluster, "orphan", "Failed");
    let run = kubectl.json(&["get", "run", "orphan"]);
    let cause = run["status"]["cause"].as_str().unwrap();
    assert!(cause.contains("default/nothing does not exist"), "{cause}");

    eventually("the state machine shows its last run", || {
        let table = kubectl.run(&["get", "statemachines"]);
        if table.contains("mine") {
            Ok(())
        } else {
            Err(table)
        }
    });
}

#[test]
fn a_run_can_be_stopped_and_nothing_else_of_it_changed() {
    let cluster = Cluster::start();
    let gate = cluster.home().join("gate");
    cluster.apply("id", &waits_for(&gate, "params"), "timeoutSeconds: 300");
    let kubectl = cluster.kubectl();
    kubectl.run_with(&["apply", "-f", "-"], &workflow("w"));
    cluster.await_began("id");
    let name = kubectl.json(&["get", "workflow", "w"])["status"]["lastRun"].clone();
    let name = name.as_str().unwrap();
    let patch = |spec: &str| {
        kubectl.say(&[
            "patch",
            "run",
            name,
            "--type=merge",
            "-p",
            &format!(r#"{{"spec":{spec}}}"#),
        ])
    };
    let refused = patch(r#"{"input": 2}"#);
    assert!(
        refused.code != 0 && refused.err.contains("may not be changed"),
        "{refused:?}"
    );
    assert_eq!(patch(r#"{"stop": true}"#).code, 0);
    reaches(&cluster, name, "Aborted");
    let refused = patch(r#"{"stop": false}"#);
    assert!(
        refused.code != 0 && refused.err.contains("goes on by a redrive"),
        "{refused:?}"
    );
}

#[test]
fn old_runs_go_but_not_the_one_that_a_workflow_shows() {
    let cluster = Cluster::with(Options::default().master("runs.keep-last", "2"));
    cluster.apply("id", &params("params"), "");
    let kubectl = cluster.kubectl();
    kubectl.run_with(&["apply", "-f", "-"], &workflow("w"));
    eventually("the applied run ends", || {
        let workflow = kubectl.json(&["get", "workflow", "w"]);
        if workflow["status"]["phase"] == "Succeeded" {
            Ok(())
        } else {
            Err(workflow)
        }
    });
    let shown = kubectl.json(&["get", "workflow", "w"])["status"]["lastRun"].clone();
    let refused = kubectl.refuse(&["stop", &format!("run/{}", shown.as_str().unwrap())]);
    assert!(refused.contains("nothing is left to stop"), "{refused}");
    for n in 0..4 {
        assert_eq!(
            cluster
                .gateway()
                .post("/workflow/w", n.to_string())
                .expect(200),
            json!(n)
        );
    }
    eventually("only the last runs and the shown one are left", || {
        let runs = kubectl.items(&["get", "runs"]);
        if runs.len() == 3 {
            Ok(())
        } else {
            Err(runs.len())
        }
    });
    kubectl.run(&["get", "run", shown.as_str().unwrap()]);
}

#[test]
fn an_unchanged_workflow_runs_again_when_its_run_was_deleted() {
    let cluster = Cluster::start();
    cluster.apply("id", &params("params"), "");
    let kubectl = cluster.kubectl();
    let last_run = || kubectl.json(&["get", "workflow", "w"])["status"].clone();
    let done = || {
        eventually("the run ends", || match last_run() {
            status if status["phase"] == "Succeeded" => Ok(status),
            other => Err(other),
        })
    };
    kubectl.run_with(&["apply", "-f", "-"], &workflow("w"));
    let first = done();
    let said = kubectl.run_with(&["apply", "-f", "-"], &workflow("w"));
    assert_eq!(said.trim(), "workflow/w unchanged");
    let uid = |run: &serde_json::Value| {
        kubectl.json(&["get", "run", run["lastRun"].as_str().unwrap()])["metadata"]["uid"].clone()
    };
    let first_uid = uid(&first);
    kubectl.run(&["delete", "run", first["lastRun"].as_str().unwrap()]);
    eventually("the workflow shows no run", || match last_run() {
        status if status["lastRun"].is_null() => Ok(()),
        other => Err(other),
    });
    kubectl.run_with(&["apply", "-f", "-"], &workflow("w"));
    assert_ne!(uid(&done()), first_uid);
}

#[test]
fn every_answer_about_a_run_is_stamped_and_a_deleted_one_is_told() {
    let cluster = Cluster::start();
    let gateway = cluster.gateway();
    let kubectl = cluster.kubectl();
    kubectl.run_with(&["apply", "-f", "-"], MACHINE);
    let done = gateway.post("/state_machine/m", "1");
    assert!(done.status == 200 && done.is_stamped(), "{done:?}");
    let accepted = gateway.accepted("/state_machine/m", "1");
    assert!(accepted.is_stamped(), "{accepted:?}");
    let missing = gateway.post("/state_machine/none", "1");
    assert!(missing.status == 404 && missing.is_stamped(), "{missing:?}");

    let gate = cluster.home().join("gate");
    cluster.apply("id", &waits_for(&gate, "params"), "timeoutSeconds: 300");
    kubectl.run_with(&["apply", "-f", "-"], &workflow("w"));
    let waiting = std::thread::spawn(move || gateway.post("/workflow/w", "2"));
    cluster.await_began("id");
    let runs = eventually("both runs are there", || {
        let runs = kubectl.items(&["get", "runs"]);
        let runs: Vec<_> = runs
            .iter()
            .filter(|run| run["spec"]["workflow"] == "w")
            .cloned()
            .collect();
        if runs.len() == 2 { Ok(runs) } else { Err(runs) }
    });
    for run in runs {
        kubectl.run(&["delete", "run", run["metadata"]["name"].as_str().unwrap()]);
    }
    let gone = waiting.join().unwrap();
    assert!(gone.status == 410 && gone.is_stamped(), "{gone:?}");
    std::fs::write(&gate, "").unwrap();
}
