//! The seed's workflow, and broken ones.

use serde_json::json;

use super::*;
use crate::program::Code;

fn seed() -> Value {
    json!({
        "entryParams": "{\"x\": 1, \"y\": 2}",
        "entryNodeName": "node1",
        "workflowNodes": [
            {"name": "node1", "type": "func", "funcData": {"funcName": "func2", "funcNamespace": "default", "nextNodeName": "node2"}},
            {"name": "node2", "type": "choice", "choiceData": {
                "trueNextNodeName": "node3", "falseNextNodeName": "node4",
                "checkType": "numGreaterThan", "checkVarName": "y", "compareValue": 0
            }},
            {"name": "node3", "type": "func", "funcData": {"funcName": "func3", "funcNamespace": "default"}},
            {"name": "node4", "type": "func", "funcData": {"funcName": "func1"}}
        ]
    })
}

fn problems(change: impl Fn(&mut Value)) -> Vec<(String, Code, String)> {
    let mut spec = seed();
    change(&mut spec);
    let problems = compile(&spec, "default").expect_err("a problem");
    problems
        .into_iter()
        .map(|p| (p.path, p.code, p.message))
        .collect()
}

#[test]
fn the_seed_compiles() {
    let workflow = compile(&seed(), "team").unwrap();
    assert_eq!(workflow.entry, Some(json!({"x": 1, "y": 2})));
    let states = &workflow.program.definition()["States"];
    assert_eq!(states["node1"]["Resource"], "default/func2");
    assert_eq!(states["node4"]["Resource"], "team/func1");
    assert_eq!(states["node2"]["Choices"][0]["NumericGreaterThan"], 0);
    assert_eq!(
        Program::parse(workflow.program.definition()).unwrap(),
        workflow.program
    );
}

#[test]
fn compare_values_are_coerced() {
    let with = |check: &str, value: Value| {
        let mut spec = seed();
        spec["workflowNodes"][1]["choiceData"]["checkType"] = json!(check);
        spec["workflowNodes"][1]["choiceData"]["compareValue"] = value;
        compile(&spec, "default").map(|w| w.program.definition()["States"]["node2"].clone())
    };
    assert_eq!(
        with("numEqual", json!("1.50")).unwrap()["Choices"][0]["NumericEquals"].to_string(),
        "1.50"
    );
    assert_eq!(
        with("strEqual", json!(7)).unwrap()["Choices"][0]["StringEquals"],
        "7"
    );
    let negated = with("strNotEqual", json!("a")).unwrap();
    assert_eq!(
        (
            negated["Choices"][0]["Next"].clone(),
            negated["Default"].clone()
        ),
        (json!("node4"), json!("node3"))
    );
    assert_eq!(
        with("numEqual", json!("two")).unwrap_err()[0].path,
        "spec.workflowNodes[1].choiceData.compareValue"
    );
    assert!(with("strEqual", json!(true)).is_err());
}

#[test]
fn problems_name_their_place() {
    let found =
        problems(|s| s["workflowNodes"][1]["choiceData"]["trueNextNodeName"] = json!("node33"));
    assert_eq!(
        found[0].0,
        "spec.workflowNodes[1].choiceData.trueNextNodeName"
    );
    assert_eq!(found[0].1, Code::MissingTransitionTarget);
    assert!(found[0].2.contains("did you mean 'node3'?"), "{found:?}");
    let found = problems(|s| s["entryParams"] = json!("{x: 1}"));
    assert_eq!(found[0].0, "spec.entryParams");
    let found = problems(|s| s["entryNodeName"] = json!("nope"));
    assert_eq!(found[0].0, "spec.entryNodeName");
    let found =
        problems(|s| s["workflowNodes"][1]["choiceData"]["checkType"] = json!("numGreatThan"));
    assert!(
        found[0].2.contains("did you mean 'numGreaterThan'"),
        "{found:?}"
    );
    let found = problems(|s| s["workflowNodes"][2]["type"] = json!("function"));
    assert_eq!(found[0].0, "spec.workflowNodes[2].type");
    let found = problems(|s| s["workflowNodes"][3]["name"] = json!("node3"));
    assert!(
        found.iter().any(|p| p.1 == Code::DuplicateStateName),
        "{found:?}"
    );
    let found = problems(|s| s["workflowNodes"][0]["funcData"]["funcNaem"] = json!("x"));
    assert_eq!(found[0].0, "spec.workflowNodes[0].funcData.funcNaem");
    let found = problems(|s| s["workflowNodes"][0]["funcData"]["nextNodeName"] = json!("node4"));
    assert!(
        found
            .iter()
            .any(|p| p.0 == "spec.workflowNodes[1]" && p.2.contains("node2")),
        "{found:?}"
    );
    let found = problems(|s| {
        s["workflowNodes"][2]["funcData"]["nextNodeName"] = json!("node1");
        s["workflowNodes"][3]["funcData"]["nextNodeName"] = json!("node1");
    });
    assert!(
        found.iter().any(|p| p.1 == Code::LoopWithoutExit),
        "{found:?}"
    );
    for junk in [
        json!(null),
        json!([]),
        json!({}),
        json!({"entryNodeName": 1, "workflowNodes": [1, {}]}),
    ] {
        assert!(compile(&junk, "default").is_err());
    }
}
