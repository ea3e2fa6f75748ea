//! Seed 2's stock trading with an approval in it: with kubectl, and over HTTP. (With boto3: `step_functions`.)

use serde_json::{Value, json};
use tests::{Cluster, Kubectl, eventually, repository};

fn trading() -> Cluster {
    let cluster = Cluster::start();
    let examples = repository().join("examples");
    let functions = examples.join("seed2/def.yaml");
    let machine = examples.join("stock-trading");
    cluster.kubectl().run(&[
        "apply",
        functions.to_str().unwrap(),
        machine.to_str().unwrap(),
    ]);
    cluster
}

/// Begins a run that nobody waits for; its name.
fn begin(kubectl: &Kubectl, input: &str) -> String {
    let id = kubectl.run(&["execute", "statemachine/stock_trading", input, "--async"]);
    let name = id.trim().rsplit('/').next().unwrap_or_default();
    name.to_owned()
}

/// The task that the run waits for, once it is there.
fn task_of(kubectl: &Kubectl, run: &str) -> Value {
    eventually("the approval is asked for", || {
        let tasks = kubectl.items(&["get", "tasks"]);
        let found = tasks.iter().find(|task| task["spec"]["run"] == run);
        found.cloned().ok_or(tasks)
    })
}

fn report(kubectl: &Kubectl, run: &str) -> Value {
    eventually("the run ends", || {
        let run = kubectl.json(&["get", "run", run]);
        match run["status"]["phase"].as_str() {
            Some("Succeeded") => Ok(run["status"]["output"]["report"].clone()),
            _ => Err(run),
        }
    })
}

#[test]
fn a_trade_is_approved_or_turned_down_with_kubectl() {
    let cluster = trading();
    let kubectl = cluster.kubectl();
    let bought = begin(&kubectl, r#"{"symbol": "TRPE"}"#);
    let task = task_of(&kubectl, &bought);
    assert_eq!(task["spec"]["state"], "Request Human Approval");
    assert_eq!(task["spec"]["input"]["recommended_type"], "buy");
    let table = kubectl.run(&["get", "tasks"]);
    assert!(
        table.contains(&bought) && table.contains("Request Human Approval"),
        "{table}"
    );
    let said = kubectl.run(&["task", "approve", &bought, r#"{"by": "ann"}"#]);
    assert!(said.ends_with("approved\n"), "{said}");
    assert_eq!(report(&kubectl, &bought), "bought TRPE at 42");

    // Once more with another input, and this time not.
    let edited = kubectl.run(&[
        "execute",
        &format!("run/{bought}"),
        r#"{"symbol": "ACME"}"#,
        "--async",
    ]);
    let kept = edited.trim().rsplit('/').next().unwrap().to_owned();
    assert_eq!(task_of(&kubectl, &kept)["spec"]["input"]["symbol"], "ACME");
    kubectl.run(&["task", "fail", &kept, "--cause", "too dear"]);
    assert_eq!(report(&kubectl, &kept), "kept ACME: too dear");

    let told = kubectl.run(&["describe", "run", &kept]);
    for words in [
        "1. Check Stock Price: Task, ",
        "3. Request Human Approval: Task, ",
        ", caught\n",
        "Error: TaskRejected: too dear",
        "4. Keep Position: Pass, ",
        r#"Output: {"report":"kept ACME: too dear"}"#,
    ] {
        assert!(told.contains(words), "{words:?} is not in\n{told}");
    }
    let picture = kubectl.run(&["get", "run", &kept, "-o", "svg"]);
    assert!(
        picture.starts_with("<svg") && picture.contains("Keep Position"),
        "{picture}"
    );
}

#[test]
fn a_trade_is_approved_over_http() {
    let cluster = trading();
    let gateway = cluster.gateway();
    let accepted = gateway.accepted("/state_machine/stock_trading", r#"{"symbol": "ACME"}"#);
    let location = accepted.location();
    let run = location.rsplit('/').next().unwrap().to_owned();

    let api = cluster.api().as_admin();
    let tasks = "/api/v1/namespaces/default/tasks";
    let task = eventually("the approval is asked for", || {
        let list = api.get(tasks).expect(200);
        let found = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|task| task["spec"]["run"] == run.as_str());
        found.cloned().ok_or(list)
    });
    assert_ne!(gateway.get(&location).expect(200)["phase"], "Succeeded");
    let answer = json!({ "taskToken": task["spec"]["token"], "output": r#"{"by": "ann"}"# });
    let said = api.post_with(
        "/",
        "x-amz-target",
        "AWSStepFunctions.SendTaskSuccess",
        &answer.to_string(),
    );
    assert_eq!(said.expect(200), json!({}));
    let ended = eventually("the run ends", || {
        match gateway.get(&location).expect(200) {
            run if run["phase"] == "Succeeded" => Ok(run),
            other => Err(other),
        }
    });
    assert_eq!(ended["output"], json!({"report": "sold ACME at 87"}));
}
