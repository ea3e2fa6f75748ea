//! apply, create, update, delete, scale.

use std::path::Path;

use serde_json::{Value, json};

use crate::fake::{Answer, Fake, err, out};

const FUNC_1: &str = "/api/v1/namespaces/default/functions/func1";

fn examples() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples")
        .display()
        .to_string()
}

fn with_func1() -> Fake {
    let fake = Fake::new();
    fake.file("code/func.py", "def main(params):\n    return params\n");
    fake.file("function.yaml", "apiVersion: v1\nkind: Function\nmetadata: {name: func1}\nspec: {userUploadFilePath: ./code}\n");
    fake
}

#[test]
fn a_function_is_uploaded_created_left_alone_and_changed() {
    let fake = with_func1();
    assert_eq!(
        out(&fake.kubectl(&["apply", "function.yaml"]).success()),
        "function/func1 created\n"
    );
    let stored = fake.object(FUNC_1).unwrap();
    assert_eq!(stored["spec"]["source"]["upload"], fake.blobs()[0]);
    assert_eq!(stored["metadata"]["namespace"], "default");
    let writes = fake.writes().len();
    assert_eq!(
        out(&fake.kubectl(&["apply", "-f", "function.yaml"]).success()),
        "function/func1 unchanged\n"
    );
    assert_eq!((fake.writes().len(), fake.blobs().len()), (writes, 1));
    fake.file("code/func.py", "def main(params):\n    return 2\n");
    assert_eq!(
        out(&fake.kubectl(&["apply", "-f", "function.yaml"]).success()),
        "function/func1 configured\n"
    );
    assert_eq!(
        fake.object(FUNC_1).unwrap()["spec"]["source"]["upload"],
        fake.blobs()[1]
    );
    let patch = fake
        .writes()
        .into_iter()
        .rfind(|asked| asked.method == "PATCH")
        .unwrap();
    assert!(
        patch.query.contains("fieldValidation=Strict"),
        "{}",
        patch.query
    );
    assert_eq!(
        patch.headers["content-type"],
        "application/merge-patch+json"
    );
    assert_eq!(patch.headers["authorization"], "Bearer secret");
}

#[test]
fn a_field_that_left_the_file_leaves_the_object_and_others_stay() {
    let fake = Fake::new();
    let path = "/api/v1/namespaces/default/functions/f";
    fake.file("f.yaml", "apiVersion: v1\nkind: Function\nmetadata: {name: f}\nspec: {image: 'r/i@sha256:1', timeoutSeconds: 5}\n");
    fake.kubectl(&["apply", "f.yaml"]).success();
    assert_eq!(
        out(&fake
            .kubectl(&["scale", "function/f", "--replicas=3"])
            .success()),
        "function/f scaled\n"
    );
    fake.file(
        "f.yaml",
        "apiVersion: v1\nkind: Function\nmetadata: {name: f}\nspec: {image: 'r/i@sha256:1'}\n",
    );
    fake.kubectl(&["apply", "f.yaml"]).success();
    let spec = fake.object(path).unwrap()["spec"].clone();
    assert_eq!(
        spec,
        json!({"image": "r/i@sha256:1", "scaling": {"pinned": 3}})
    );
    fake.kubectl(&["scale", "fn", "f", "--replicas=auto"])
        .success();
    assert_eq!(fake.object(path).unwrap()["spec"]["scaling"], json!({}));
}

#[test]
fn the_examples_of_both_seeds_apply() {
    let fake = Fake::new();
    let applied = fake
        .kubectl(&["apply", &format!("{}/seed1", examples())])
        .success();
    assert_eq!(
        out(&applied),
        "function/func1 created\nfunction/func2 created\nfunction/func3 created\nworkflow/workflow-example created\n"
    );
    let workflow = fake
        .object("/api/v1/namespaces/default/workflows/workflow-example")
        .unwrap();
    assert_eq!(workflow["spec"]["entryParams"], "{\"x\": 1, \"y\": 2}");
    assert_eq!(
        workflow["spec"]["workflowNodes"][1]["choiceData"]["checkVarName"],
        "y"
    );
    let def = format!("{}/seed2/def.yaml", examples());
    let machine = format!("{}/seed2/state_machine.json", examples());
    let applied = fake.kubectl(&["apply", &def, &machine]).success();
    assert!(out(&applied).ends_with("statemachine/test_state_machine1 created\n"));
    let machine = fake
        .object("/api/v1/namespaces/default/statemachines/test_state_machine1")
        .unwrap();
    let states: Vec<&String> = machine["spec"]["definition"]["States"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(states[0], "Check Stock Price");
    assert_eq!(
        fake.object("/api/v1/namespaces/default/functions/buy_stock")
            .unwrap()["spec"]["base"],
        "full"
    );
    for folder in ["hello", "lambda", "async"] {
        fake.kubectl(&["apply", &format!("{}/{folder}", examples())])
            .success();
    }
}

#[test]
fn one_bad_document_and_nothing_is_written() {
    let fake = with_func1();
    fake.file(
        "bad.yaml",
        "apiVersion: v1\nkind: Workflow\nmetadata: {name: w}\nspec: {entryNode: a}\n",
    );
    let failed = fake
        .kubectl(&["apply", "function.yaml", "bad.yaml"])
        .failure()
        .code(1);
    assert!(
        err(&failed).contains("bad.yaml line 4: spec.entryNode: unknown field"),
        "{}",
        err(&failed)
    );
    assert!(err(&failed).contains("did you mean \"entryNodeName\"?"));
    assert!(fake.asked().is_empty());
}

#[test]
fn a_dangling_node_is_refused_before_anything_is_sent() {
    let fake = Fake::new();
    fake.file(
        "w.yaml",
        "apiVersion: v1\nkind: Workflow\nmetadata: {name: w}\nspec:\n  entryNodeName: a\n  workflowNodes:\n  - name: a\n    type: func\n    \
         funcData:\n      funcName: f\n      nextNodeName: nowhere\n",
    );
    let failed = fake.kubectl(&["apply", "w.yaml"]).failure();
    assert!(
        err(&failed).contains("w.yaml line 11") && err(&failed).contains("nowhere"),
        "{}",
        err(&failed)
    );
    assert!(fake.asked().is_empty());
}

#[test]
fn what_the_server_would_refuse_leaves_the_rest_unwritten() {
    let fake = Fake::scripted(|asked, _| {
        let refused = asked.method == "POST" && asked.body.contains("\"name\":\"b\"");
        refused.then(|| Answer::status(422, "Invalid", "no such base"))
    });
    fake.file("two.yaml", "apiVersion: v1\nkind: Function\nmetadata: {name: a}\nspec: {image: x}\n---\napiVersion: v1\nkind: Function\nmetadata: {name: b}\nspec: {image: x}\n");
    let failed = fake.kubectl(&["apply", "two.yaml"]).failure();
    assert!(
        err(&failed).contains("no such base") && err(&failed).contains("Nothing was changed."),
        "{}",
        err(&failed)
    );
    assert!(fake.writes().is_empty());
}

#[test]
fn somebody_elses_kubernetes_is_not_written_to() {
    let fake = Fake::scripted(|asked, _| {
        (asked.path == "/version").then(|| Answer::json(200, json!({"gitVersion": "v1.32.4"})))
    });
    fake.file(
        "f.yaml",
        "apiVersion: v1\nkind: Function\nmetadata: {name: f}\nspec: {image: x}\n",
    );
    let failed = fake.kubectl(&["apply", "f.yaml"]).failure();
    assert!(
        err(&failed).contains("is not a Troupe master"),
        "{}",
        err(&failed)
    );
    assert!(fake.writes().is_empty());
}

#[test]
fn waiting_ends_with_the_builds_verdict() {
    let built = |status: &str, reason: &str, message: &str| {
        json!({"metadata": {"name": "func1", "generation": 1}, "status": {"observedGeneration": 1, "conditions": [
            {"type": "Built", "status": status, "reason": reason, "message": message}]}})
    };
    let answers = move |fail: bool| {
        move |asked: &crate::fake::Asked, before: usize| {
            let looks = asked.method == "GET" && asked.path == FUNC_1;
            let value: Value = match (looks, before) {
                (false, _) | (true, 0) => return None,
                (true, 1) => built("False", "Building", "installing"),
                _ if fail => built("False", "RequirementsFailed", "no package nosuch"),
                _ => built("True", "Built", ""),
            };
            Some(Answer::json(200, value))
        }
    };
    for fail in [false, true] {
        let fake = Fake::scripted(answers(fail));
        fake.file("code/func.py", "def main(params): pass\n");
        fake.file("f.yaml", "apiVersion: v1\nkind: Function\nmetadata: {name: func1}\nspec: {userUploadFilePath: code}\n");
        let done = fake.kubectl(&["apply", "f.yaml", "--wait"]);
        if fail {
            let done = done.failure();
            assert_eq!(
                err(&done),
                "error: function/func1: RequirementsFailed: no package nosuch\n"
            );
        } else {
            done.success();
        }
    }
}

#[test]
fn create_makes_names_up_and_refuses_what_is_there() {
    let fake = Fake::new();
    fake.file("run.yaml", "apiVersion: v1\nkind: WorkflowRun\nmetadata: {generateName: w-}\nspec: {workflow: w, input: {x: null}}\n");
    assert_eq!(
        out(&fake.kubectl(&["create", "-f", "run.yaml"]).success()),
        "workflowrun/made-up-1 created\n"
    );
    assert_eq!(
        fake.object("/api/v1/namespaces/default/workflowruns/made-up-1")
            .unwrap()["spec"]["input"],
        json!({"x": null})
    );
    let failed = fake.kubectl(&["create", "-f", "run.yaml"]).failure();
    assert!(err(&failed).contains("(AlreadyExists)"), "{}", err(&failed));
    let failed = fake.kubectl(&["apply", "-f", "run.yaml"]).failure();
    assert!(
        err(&failed).contains("cannot use generate name with apply"),
        "{}",
        err(&failed)
    );
}

#[test]
fn dry_runs_change_nothing() {
    let fake = with_func1();
    assert_eq!(
        out(&fake
            .kubectl(&["apply", "function.yaml", "--dry-run=client"])
            .success()),
        "function/func1 created (dry run)\n"
    );
    assert_eq!(
        out(&fake
            .kubectl(&["apply", "function.yaml", "--dry-run=server"])
            .success()),
        "function/func1 created (server dry run)\n"
    );
    assert!(fake.writes().is_empty() && fake.blobs().is_empty() && fake.object(FUNC_1).is_none());
}

#[test]
fn update_hard_is_asked_of_the_server_until_the_next_soft_one() {
    let fake = with_func1();
    fake.put(
        FUNC_1,
        json!({"metadata": {"name": "func1", "resourceVersion": "1"}, "spec": {},
        "status": {"conditions": [{"type": "Built", "status": "True"}]}}),
    );
    let asked =
        || fake.object(FUNC_1).unwrap()["metadata"]["annotations"]["troupe.dev/update"].clone();
    fake.kubectl(&["update", "hard", "-f", "function.yaml"])
        .success();
    assert_eq!(asked(), "hard");
    fake.kubectl(&["update", "-f", "function.yaml"]).success();
    assert_eq!(asked(), json!(null));
}

#[test]
fn delete_by_name_and_by_file() {
    let fake = with_func1();
    fake.kubectl(&["apply", "function.yaml"]).success();
    assert_eq!(
        out(&fake.kubectl(&["delete", "-f", "function.yaml"]).success()),
        "function \"func1\" deleted\n"
    );
    let failed = fake.kubectl(&["delete", "function", "func1"]).failure();
    assert_eq!(
        err(&failed),
        "Error from server (NotFound): functions \"func1\" not found\n"
    );
    fake.kubectl(&["delete", "function/func1", "--ignore-not-found"])
        .success();
    fake.kubectl(&["delete", "functions"]).failure();
}

#[test]
fn warnings_of_the_server_are_shown_once() {
    let fake = Fake::scripted(|asked, _| {
        (asked.path == "/version").then(|| {
            Answer::json(200, json!({"gitVersion": "v1+troupe"}))
                .with("Warning", "299 - \"node n1 is not isolated\"")
        })
    });
    fake.file(
        "f.yaml",
        "apiVersion: v1\nkind: Function\nmetadata: {name: f}\nspec: {image: x}\n",
    );
    assert_eq!(
        err(&fake.kubectl(&["apply", "f.yaml"]).success()),
        "Warning: node n1 is not isolated\n"
    );
}
