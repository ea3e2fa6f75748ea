//! The seeds' workflow and state machine, with their functions simulated.

mod support;

use asl::{FunctionCall, Invocation, Outcome, Program, workflow};
use serde_json::json;
use support::World;

#[test]
fn seed_1_ends_with_4_and_minus_4() {
    let spec = json!({
        "entryParams": "{\"x\": 1, \"y\": 2}", "entryNodeName": "node1",
        "workflowNodes": [
            {"name": "node1", "type": "func", "funcData": {"funcName": "func2", "funcNamespace": "default", "nextNodeName": "node2"}},
            {"name": "node2", "type": "choice", "choiceData": {"trueNextNodeName": "node3", "falseNextNodeName": "node4",
                "checkType": "numGreaterThan", "checkVarName": "y", "compareValue": 0}},
            {"name": "node3", "type": "func", "funcData": {"funcName": "func3", "funcNamespace": "default"}},
            {"name": "node4", "type": "func", "funcData": {"funcName": "func1", "funcNamespace": "default"}}
        ]
    });
    let workflow = workflow::compile(&spec, "default").unwrap();
    let call = |task: &Invocation| {
        let FunctionCall {
            function,
            payload: input,
        } = task.function_call().unwrap().unwrap();
        let (x, y) = (input["x"].as_i64().unwrap(), input["y"].as_i64().unwrap());
        Ok(match function.name.as_str() {
            "func1" => json!({"x": x - y, "y": y - x}),
            "func2" => json!({"x": x + y, "y": x - y}),
            _ => json!({"x": x * x, "y": y * y}),
        })
    };
    let mut world = World::new(workflow.program.clone());
    let outcome = world.run(workflow.entry.unwrap(), call);
    assert_eq!(
        outcome,
        Outcome::Succeeded {
            output: json!({"x": 4, "y": -4}).into()
        }
    );
    let names: Vec<_> = asl::steps(&world.journal)
        .into_iter()
        .map(|s| s.name)
        .collect();
    assert_eq!(names, ["node1", "node2", "node4"]);

    // The variable is missing, or something else than a number.
    for (result, wanted) in [
        (
            json!({"x": 1}),
            "'node2' compares $['y'] as a number, but there is no $['y'] in its input '{\"x\":1}'",
        ),
        (
            json!({"y": "5"}),
            "'node2' compares $['y'] as a number, but found a string: \"5\"",
        ),
    ] {
        let outcome = World::new(workflow.program.clone()).run(json!({}), |_| Ok(result.clone()));
        let Outcome::Failed {
            cause: Some(cause), ..
        } = outcome
        else {
            panic!("{outcome:?}")
        };
        assert!(cause.ends_with(wanted), "{cause}");
    }
}

#[test]
fn seed_2_buys_or_sells() {
    let task = |next: &str| json!({"Type": "Task", "Resource": "$activityName$", "Next": next});
    let definition = json!({
        "Name": "test_state_machine1", "StartAt": "Check Stock Price",
        "States": {
            "Check Stock Price": task("Generate Buy/Sell recommendation"),
            "Generate Buy/Sell recommendation": task("Request Human Approval"),
            "Request Human Approval": task("Buy or Sell?"),
            "Buy or Sell?": {"Type": "Choice", "Choices": [
                {"Variable": "$.recommended_type", "StringEquals": "buy", "Next": "Buy Stock"},
                {"Variable": "$.recommended_type", "StringEquals": "sell", "Next": "Sell Stock"}
            ]},
            "Buy Stock": task("Report Result"),
            "Sell Stock": task("Report Result"),
            "Report Result": {"Type": "Task", "Resource": "$activityName$", "End": true}
        }
    });
    let program = Program::parse(&definition).unwrap();
    for (recommended, path) in [("buy", "Buy Stock"), ("sell", "Sell Stock")] {
        let mut world = World::new(program.clone());
        let outcome = world.run(json!({"recommended_type": recommended}), |task| {
            Ok((*task.input).clone())
        });
        assert!(matches!(outcome, Outcome::Succeeded { .. }));
        assert!(asl::steps(&world.journal).iter().any(|s| s.name == path));
    }
    let outcome = World::new(program).run(json!({"recommended_type": "hold"}), |task| {
        Ok((*task.input).clone())
    });
    let Outcome::Failed {
        cause: Some(cause), ..
    } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert!(cause.contains("'Buy or Sell?'"), "{cause}");
}
