//! One state tested on its own, and what is wrong with a definition as the API says it.

#![allow(clippy::unwrap_used)]

use asl::test_state::Status;
use asl::{Failure, Inspection, Moment, Program, Test, test_state};
use serde_json::{Value, json};

fn test(definition: &Value, test: Test<'_>) -> asl::Tested {
    let moment = Moment {
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
        entropy: 1,
    };
    test_state(definition, &test, &moment).unwrap_or_else(|problems| panic!("{problems:?}"))
}

#[test]
fn a_task_shows_its_data_after_each_field() {
    let task = json!({"Type": "Task", "Resource": "f", "InputPath": "$.in", "Parameters": {"p.$": "$.a"}, "Next": "Next one",
        "ResultSelector": {"s.$": "$.x"}, "ResultPath": "$.r", "OutputPath": "$.r"});
    let input = json!({"in": {"a": 1}});
    let asked = test(
        &task,
        Test {
            input: input.clone(),
            ..Test::default()
        },
    );
    assert_eq!(asked.wanted, Some(json!({"p": 1})));
    let tested = test(
        &task,
        Test {
            input,
            mock: Some(Ok(json!({"x": 5}))),
            inspection: Inspection::Debug,
            ..Test::default()
        },
    );
    assert_eq!(
        (tested.status, tested.output, tested.next.as_deref()),
        (Status::Succeeded, Some(json!({"s": 5})), Some("Next one"))
    );
    for (field, value) in [
        ("afterInputPath", json!({"a": 1})),
        ("afterParameters", json!({"p": 1})),
        ("result", json!({"x": 5})),
        ("afterResultSelector", json!({"s": 5})),
    ] {
        assert_eq!(tested.inspection[field], value, "{field}");
    }
}

#[test]
fn a_failure_meets_retriers_and_catchers() {
    let task = json!({"Type": "Task", "Resource": "f", "QueryLanguage": "JSONata", "End": true,
        "Retry": [{"ErrorEquals": ["Once"], "MaxAttempts": 1}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Sorry", "Output": "{% $states.errorOutput.Error %}", "Assign": {"e": "{% $x %}"}}]});
    let with = |error: &str, retries: u32| {
        let variables = json!({"x": 7}).as_object().unwrap().clone();
        test(
            &task,
            Test {
                mock: Some(Err(Failure::new(error, "why"))),
                retries,
                variables,
                ..Test::default()
            },
        )
    };
    assert_eq!(with("Once", 0).status, Status::Retriable);
    let caught = with("Once", 1);
    assert_eq!(
        (caught.status, caught.output, caught.next.as_deref()),
        (Status::CaughtError, Some(json!("Once")), Some("Sorry"))
    );
    assert_eq!(**caught.assigned.get("e").unwrap(), json!(7));
    assert_eq!(with("States.Runtime", 0).status, Status::Failed);
}

#[test]
fn a_state_is_found_in_its_machine_and_its_context_may_be_given() {
    let machine = json!({"StartAt": "M", "States": {"M": {"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "In", "States": {
        "In": {"Type": "Pass", "Parameters": {"i.$": "$$.Map.Item.Index"}, "End": true}}}}}});
    let tested = test(
        &machine,
        Test {
            state: Some("In"),
            context: Some(json!({"Map": {"Item": {"Index": 3}}})),
            ..Test::default()
        },
    );
    assert_eq!(tested.output, Some(json!({"i": 3})));
    let missing = test_state(
        &machine,
        &Test {
            state: Some("Out"),
            ..Test::default()
        },
        &Moment {
            now: jiff::Timestamp::UNIX_EPOCH,
            entropy: 0,
        },
    );
    assert!(missing.is_err());
}

#[test]
fn problems_are_diagnostics() {
    let text = "{\"StartAt\": \"A\",\n \"States\": {\n  \"A\": {\"Type\": \"Pass\", \"Next\": \"B/C\", \"Foo\": 1}}}";
    let problems = Program::parse_str(text).unwrap_err();
    let shown: Vec<Value> = problems.iter().map(asl::Problem::to_api).collect();
    assert!(
        shown
            .iter()
            .any(|p| p["code"] == "MISSING_TRANSITION_TARGET"
                && p["location"] == "/States/A/Next"
                && p["severity"] == "ERROR"),
        "{shown:?}"
    );
    assert!(
        shown
            .iter()
            .any(|p| p["code"] == "SCHEMA_VALIDATION_FAILED" && p["location"] == "/States/A/Foo"),
        "{shown:?}"
    );
    assert!(
        shown
            .iter()
            .all(|p| p["message"].as_str().unwrap().contains("line 3")),
        "{shown:?}"
    );
}

#[test]
fn an_inner_scope_sets_no_outer_variable() {
    let machine = |mode: &str| {
        json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Assign": {"x": 1}, "Next": "M"},
        "M": {"Type": "Map", "End": true, "ItemProcessor": {"ProcessorConfig": {"Mode": mode, "ExecutionType": "STANDARD"}, "StartAt": "B", "States": {
            "B": {"Type": "Pass", "Assign": {"x.$": "$", "y": 2}, "End": true}}}}}})
    };
    let problems = Program::parse(&machine("INLINE")).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].path.ends_with("Assign['x.$']"), "{problems:?}");
    assert!(Program::parse(&machine("DISTRIBUTED")).is_ok());
}
