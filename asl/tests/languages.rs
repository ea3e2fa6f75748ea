//! The same machine in JSONPath and in JSONata comes to the same end.

#![allow(clippy::unwrap_used)]

mod support;

use asl::{Failure, Outcome, Program};
use serde_json::{Value, json};
use support::World;

fn call(task: &asl::Invocation) -> Result<Value, Failure> {
    match task.resource.to_string().as_str() {
        "echo" => Ok((*task.input).clone()),
        "double" => Ok(json!({"twice": task.input["n"].as_i64().unwrap() * 2})),
        _ => Err(Failure::new("Broken", "it broke")),
    }
}

fn end(definition: &Value, input: &Value) -> (Option<Value>, Option<String>) {
    let program = Program::parse(definition).unwrap_or_else(|problems| panic!("{problems:?}"));
    match World::new(program).run(input.clone(), call) {
        Outcome::Succeeded { output } => (Some((*output).clone()), None),
        Outcome::Failed { error, .. } => (None, error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn pairs_agree() {
    let one = |state: Value| json!({"StartAt": "A", "States": {"A": state, "Z": {"Type": "Pass", "End": true}}});
    let query = |state: Value| {
        let mut state = state;
        state["QueryLanguage"] = json!("JSONata");
        one(state)
    };
    let input = json!({"n": 4, "name": "Ann", "list": [3, 1, 2], "deep": {"x": {"y": true}}, "when": "2026-12-01T00:00:00Z"});
    let pairs = [
        (
            json!({"Type": "Pass", "Parameters": {"a.$": "$.deep.x", "b": [1]}, "Next": "Z"}),
            json!({"Type": "Pass", "Output": {"a": "{% $states.input.deep.x %}", "b": [1]}, "Next": "Z"}),
        ),
        (
            json!({"Type": "Pass", "Parameters": {"s.$": "States.Format('{} is {}', $.name, $.n)", "m.$": "States.MathAdd($.n, 1)",
            "l.$": "States.ArrayLength($.list)", "r.$": "States.ArrayRange(0, 9, 3)", "p.$": "States.ArrayPartition($.list, 2)",
            "h.$": "States.Hash($.name, 'SHA-256')", "b.$": "States.Base64Encode($.name)", "w.$": "States.StringSplit($.when, '-T')",
            "j.$": "States.JsonToString($.deep)", "g.$": "States.ArrayGetItem($.list, 1)", "c.$": "States.ArrayContains($.list, 2)"}, "Next": "Z"}),
            json!({"Type": "Pass", "Output": {"s": "{% $states.input.name & ' is ' & $states.input.n %}", "m": "{% $states.input.n + 1 %}",
            "l": "{% $count($states.input.list) %}", "r": "{% $range(0, 9, 3) %}", "p": "{% $partition($states.input.list, 2) %}",
            "h": "{% $hash($states.input.name, 'SHA-256') %}", "b": "{% $base64encode($states.input.name) %}", "w": "{% $split($states.input.when, /[-T]/) %}",
            "j": "{% $string($states.input.deep) %}", "g": "{% $states.input.list[1] %}", "c": "{% 2 in $states.input.list %}"}, "Next": "Z"}),
        ),
        (
            json!({"Type": "Task", "Resource": "double", "Parameters": {"n.$": "$.n"}, "ResultSelector": {"t.$": "$.twice"}, "ResultPath": "$.r", "Next": "Z"}),
            json!({"Type": "Task", "Resource": "double", "Arguments": {"n": "{% $states.input.n %}"},
            "Output": "{% $merge([$states.input, {'r': {'t': $states.result.twice}}]) %}", "Next": "Z"}),
        ),
        (
            json!({"Type": "Task", "Resource": "broken", "Catch": [{"ErrorEquals": ["Broken"], "ResultPath": "$.e", "Next": "Z"}], "Next": "Z"}),
            json!({"Type": "Task", "Resource": "broken", "Catch": [{"ErrorEquals": ["Broken"], "Next": "Z",
            "Output": "{% $merge([$states.input, {'e': $states.errorOutput}]) %}"}], "Next": "Z"}),
        ),
        (
            json!({"Type": "Task", "Resource": "broken", "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}], "Next": "Z"}),
            json!({"Type": "Task", "Resource": "broken", "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}], "Next": "Z"}),
        ),
        (
            json!({"Type": "Map", "ItemsPath": "$.list", "ItemSelector": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "n.$": "$.n"}, "Next": "Z",
            "ItemProcessor": {"StartAt": "E", "States": {"E": {"Type": "Task", "Resource": "echo", "End": true}}}}),
            json!({"Type": "Map", "Items": "{% $states.input.list %}", "Next": "Z",
            "ItemSelector": {"i": "{% $states.context.Map.Item.Index %}", "v": "{% $states.context.Map.Item.Value %}", "n": "{% $states.input.n %}"},
            "ItemProcessor": {"StartAt": "E", "States": {"E": {"Type": "Task", "Resource": "echo", "End": true}}}}),
        ),
        (
            json!({"Type": "Parallel", "Parameters": {"n.$": "$.n"}, "ResultSelector": {"all.$": "$[*].twice"}, "Next": "Z", "Branches": [
            {"StartAt": "B", "States": {"B": {"Type": "Task", "Resource": "double", "End": true}}},
            {"StartAt": "C", "States": {"C": {"Type": "Task", "Resource": "double", "End": true}}}]}),
            json!({"Type": "Parallel", "Arguments": {"n": "{% $states.input.n %}"}, "Output": {"all": "{% $states.result.twice %}"}, "Next": "Z", "Branches": [
            {"StartAt": "B", "States": {"B": {"Type": "Task", "Resource": "double", "End": true}}},
            {"StartAt": "C", "States": {"C": {"Type": "Task", "Resource": "double", "End": true}}}]}),
        ),
        (
            json!({"Type": "Choice", "Choices": [{"And": [{"Variable": "$.n", "NumericGreaterThan": 3}, {"Variable": "$.name", "StringMatches": "A*"}], "Next": "Z"}]}),
            json!({"Type": "Choice", "Choices": [{"Condition": "{% $states.input.n > 3 and $contains($states.input.name, /^A/) %}", "Next": "Z"}]}),
        ),
        (
            json!({"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericLessThan": 3, "Next": "Z"}]}),
            json!({"Type": "Choice", "Choices": [{"Condition": "{% $states.input.n < 3 %}", "Next": "Z"}]}),
        ),
        (
            json!({"Type": "Wait", "SecondsPath": "$.n", "Next": "Z"}),
            json!({"Type": "Wait", "Seconds": "{% $states.input.n %}", "Next": "Z"}),
        ),
        (
            json!({"Type": "Wait", "TimestampPath": "$.when", "OutputPath": "$.deep", "Next": "Z"}),
            json!({"Type": "Wait", "Timestamp": "{% $states.input.when %}", "Output": "{% $states.input.deep %}", "Next": "Z"}),
        ),
        (
            json!({"Type": "Fail", "ErrorPath": "$.name", "CausePath": "$.when"}),
            json!({"Type": "Fail", "Error": "{% $states.input.name %}", "Cause": "{% $states.input.when %}"}),
        ),
    ];
    for (path, jsonata) in pairs {
        let has_next = path.to_string().contains("\"Z\"");
        let strip = |definition: Value| {
            let mut definition = definition;
            if !has_next {
                definition["States"]
                    .as_object_mut()
                    .unwrap()
                    .shift_remove("Z");
            }
            definition
        };
        let (a, b) = (
            end(&strip(one(path.clone())), &input),
            end(&strip(query(jsonata)), &input),
        );
        assert_eq!(a, b, "{path}");
    }
}

#[test]
fn variables_go_from_one_language_to_the_other() {
    let definition = json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Assign": {"x.$": "$.n", "l": [1, 2]}, "Next": "B"},
        "B": {"Type": "Pass", "QueryLanguage": "JSONata", "Assign": {"x": "{% $x + 1 %}", "sum": "{% $sum($l) + $x %}"}, "Output": "{% $x %}", "Next": "C"},
        "C": {"Type": "Pass", "Parameters": {"x.$": "$x", "sum.$": "$sum", "before.$": "$"}, "End": true}
    }});
    // Assign and Output are evaluated side by side, on the values at entry.
    assert_eq!(
        end(&definition, &json!({"n": 4})).0,
        Some(json!({"x": 5, "sum": 7, "before": 4}))
    );
}

#[test]
fn what_an_expression_gives_in_vain_names_its_field() {
    let fails = |state: Value| {
        let mut definition =
            json!({"StartAt": "A", "QueryLanguage": "JSONata", "States": {"A": state}});
        if definition["States"]["A"]["Type"] == "Choice" {
            definition["States"]["Z"] = json!({"Type": "Succeed"});
        }
        let mut world = World::new(Program::parse(&definition).unwrap());
        match world.run(json!({"t": "x"}), call) {
            Outcome::Failed { error, cause } => (error.unwrap(), cause.unwrap()),
            other => panic!("{other:?}"),
        }
    };
    for (state, cause) in [
        (
            json!({"Type": "Pass", "Output": {"a": [{"b": "{% $states.input.nothing %}"}]}, "End": true}),
            "The JSONata expression '$states.input.nothing' specified for the field 'Output/a[0]/b' returned nothing (undefined).",
        ),
        (
            json!({"Type": "Choice", "Choices": [{"Condition": "{% 'yes' %}", "Next": "Z"}, {"Condition": true, "Next": "Z"}], "Default": "Z"}),
            "The JSONata expression ''yes'' specified for the field 'Choices[0]/Condition' returned an unexpected result type. Expected 'boolean', but was 'string' for value: \"yes\"",
        ),
        (
            json!({"Type": "Wait", "Seconds": "{% $states.input.t %}", "End": true}),
            "The JSONata expression '$states.input.t' specified for the field 'Seconds' returned an unexpected result type. Expected 'number', but was 'string' for value: \"x\"",
        ),
        (
            json!({"Type": "Task", "Resource": "f", "Arguments": {"x": "{% 1 + 'a' %}"}, "End": true}),
            "The JSONata expression '1 + 'a'' specified for the field 'Arguments/x' threw an error during evaluation. T2002: The right side of the + operator must evaluate to a number",
        ),
    ] {
        let found = fails(state);
        assert_eq!(found.0, "States.QueryEvaluationError");
        assert_eq!(
            found.1,
            format!(
                "An error occurred while executing the state 'A' (entered at the event id #2). {cause}"
            )
        );
    }
}
