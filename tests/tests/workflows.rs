//! Workflows and their runs.

use serde_json::{Value, json};
use tests::{Cluster, Kubectl, Options, eventually, params};

/// A workflow of one choice between two functions.
fn choice(name: &str, check: &str, compare: &str) -> String {
    format!(
        "kind: Workflow\napiVersion: v1\nmetadata: {{ name: {name} }}\nspec:\n  entryNodeName: pick\n  workflowNodes:\n  \
         - name: pick\n    type: choice\n    choiceData: {{ checkType: {check}, checkVarName: v, compareValue: {compare}, trueNextNodeName: yes-node, falseNextNodeName: no-node }}\n  \
         - name: yes-node\n    type: func\n    funcData: {{ funcName: say-yes, funcNamespace: default }}\n  \
         - name: no-node\n    type: func\n    funcData: {{ funcName: say-no, funcNamespace: default }}\n"
    )
}

/// A workflow of functions one after the other.
fn chain(name: &str, entry: &str, functions: &[&str]) -> String {
    let mut text = format!(
        "kind: Workflow\napiVersion: v1\nmetadata: {{ name: {name} }}\nspec:\n  entryParams: '{entry}'\n  entryNodeName: n0\n  workflowNodes:\n"
    );
    for (i, function) in functions.iter().enumerate() {
        let next = if i + 1 < functions.len() {
            format!(", nextNodeName: n{}", i + 1)
        } else {
            String::new()
        };
        text.push_str(&format!(
            "  - name: n{i}\n    type: func\n    funcData: {{ funcName: {function}, funcNamespace: default{next} }}\n"
        ));
    }
    text
}

fn ended(kubectl: &Kubectl, name: &str) -> Value {
    eventually(&format!("workflow {name} ends"), || {
        let workflow = kubectl.json(&["get", "workflow", name]);
        match workflow["status"]["phase"].as_str() {
            Some("Succeeded" | "Failed") => Ok(workflow),
            _ => Err(workflow),
        }
    })
}

#[test]
fn every_check_type_takes_the_right_branch() {
    let cluster = Cluster::start();
    cluster.apply("say-yes", &params("'yes'"), "");
    cluster.apply("say-no", &params("'no'"), "");
    let (below, equal, above) = (0, 1, 2);
    let cases = [
        ("Equal", [false, true, false]),
        ("NotEqual", [true, false, true]),
        ("GreaterThan", [false, false, true]),
        ("LessThan", [true, false, false]),
        ("GreaterAndEqualThan", [false, true, true]),
        ("LessAndEqualThan", [true, true, false]),
    ];
    let values = [
        ("num", "5", ["4", "5", "6"]),
        ("num", "'5'", ["4", "5", "6"]),
        ("str", "m", ["\"a\"", "\"m\"", "\"z\""]),
    ];
    let mut yaml = String::new();
    for (i, (kind, compare, _)) in values.iter().enumerate() {
        for (check, _) in &cases {
            yaml.push_str(&choice(
                &format!("w{i}-{check}"),
                &format!("{kind}{check}"),
                compare,
            ));
            yaml.push_str("---\n");
        }
    }
    cluster.kubectl().run_with(&["apply", "-f", "-"], &yaml);
    for (i, (_, _, inputs)) in values.iter().enumerate() {
        for (check, wanted) in &cases {
            for place in [below, equal, above] {
                let path = format!("/workflow/w{i}-{check}");
                let answer = cluster
                    .gateway()
                    .post(&path, format!(r#"{{"v": {}}}"#, inputs[place]));
                let wanted = if wanted[place] { "yes" } else { "no" };
                assert_eq!(
                    answer.expect(200),
                    json!(wanted),
                    "{path} on {}",
                    inputs[place]
                );
            }
        }
    }
}

#[test]
fn a_failure_shows_its_cause() {
    let cluster = Cluster::start();
    let kubectl = cluster.kubectl();
    cluster.apply("good", &params("params"), "");
    cluster.apply(
        "bad",
        "def main(params):\n    raise ValueError('no such thing')\n",
        "",
    );
    kubectl.run_with(
        &["apply", "-f", "-"],
        &chain("breaks", "{}", &["good", "bad"]),
    );
    let workflow = ended(&kubectl, "breaks");
    assert_eq!(workflow["status"]["phase"], "Failed");
    let text = kubectl.run(&["describe", "workflow", "breaks"]);
    assert!(
        text.contains("ValueError") && text.contains("no such thing") && text.contains("n1"),
        "{text}"
    );
    let error = cluster.gateway().post("/workflow/breaks", "{}").expect(500);
    assert!(
        error["cause"].to_string().contains("no such thing"),
        "{error}"
    );
    assert!(
        error["error"].is_string() && error["run"].is_string(),
        "{error}"
    );
    // An unchanged apply does not repeat a failed run.
    kubectl.run_with(
        &["apply", "-f", "-"],
        &chain("breaks", "{}", &["good", "bad"]),
    );
    assert_eq!(kubectl.items(&["get", "workflowruns"]).len(), 2);
}

#[test]
fn a_run_waits_for_a_function_that_is_not_there_yet() {
    let cluster = Cluster::start();
    let kubectl = cluster.kubectl();
    kubectl.run_with(
        &["apply", "-f", "-"],
        &chain("early", r#"{"n": 1}"#, &["later"]),
    );
    eventually("the run waits", || {
        let runs = kubectl.items(&["get", "workflowruns"]);
        if runs.iter().any(|run| run["status"]["phase"] == "Running") {
            Ok(())
        } else {
            Err(runs)
        }
    });
    cluster.apply("later", &params("params['n'] + 1"), "");
    let workflow = ended(&kubectl, "early");
    assert_eq!(
        (&workflow["status"]["phase"], &workflow["status"]["result"]),
        (&json!("Succeeded"), &json!("2"))
    );
}

#[test]
fn a_run_that_waited_too_long_fails_with_that_reason() {
    let cluster = Cluster::with(Options::default().master("runs.wait-for-function", "1s"));
    let kubectl = cluster.kubectl();
    kubectl.run_with(&["apply", "-f", "-"], &chain("lost", "{}", &["nobody"]));
    assert_eq!(ended(&kubectl, "lost")["status"]["phase"], "Failed");
    let text = kubectl.run(&["describe", "workflow", "lost"]);
    assert!(text.contains("nobody"), "{text}");
}

#[test]
fn describe_shows_the_steps_with_input_and_output() {
    let cluster = Cluster::start();
    let kubectl = cluster.kubectl();
    cluster.apply("add", &params("{'n': params['n'] + 1}"), "");
    kubectl.run_with(
        &["apply", "-f", "-"],
        &chain("steps", r#"{"n": 40}"#, &["add", "add"]),
    );
    assert_eq!(ended(&kubectl, "steps")["status"]["phase"], "Succeeded");
    let text = kubectl.run(&["describe", "workflow", "steps"]);
    for word in ["n0", "n1", r#"{"n":40}"#, r#"{"n":41}"#, r#"{"n":42}"#] {
        assert!(text.contains(word), "{word} in {text}");
    }
    let real = cluster.real_kubectl().run(&["describe", "workflowruns"]);
    assert!(real.contains("Steps:"), "{real}");
}

#[test]
fn a_changed_workflow_runs_again() {
    let cluster = Cluster::start();
    let kubectl = cluster.kubectl();
    cluster.apply("id", &params("params"), "");
    kubectl.run_with(&["apply", "-f", "-"], &chain("twice", "1", &["id"]));
    assert_eq!(ended(&kubectl, "twice")["status"]["result"], "1");
    kubectl.run_with(&["apply", "-f", "-"], &chain("twice", "2", &["id"]));
    eventually("the new result", || {
        let workflow = kubectl.json(&["get", "workflow", "twice"]);
        if workflow["status"]["result"] == "2" {
            Ok(())
        } else {
            Err(workflow)
        }
    });
}

#[test]
fn a_run_is_followed_by_its_location() {
    let cluster = Cluster::start();
    cluster.apply("id", &params("params"), "");
    cluster
        .kubectl()
        .run_with(&["apply", "-f", "-"], &chain("far", "{}", &["id"]));
    let gateway = cluster.gateway();
    let location = gateway.accepted("/workflow/far", r#"{"a": 1}"#).location();
    eventually("the run has succeeded", || {
        let run = gateway.get(&location);
        if run.text().contains("Succeeded") {
            Ok(())
        } else {
            Err(run)
        }
    });
}
