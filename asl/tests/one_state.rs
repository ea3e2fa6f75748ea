//! One state tested on its own, and what is wrong with a definition as the API says it.

#![allow(clippy::unwrap_used)]

use asl::test_state::Status;
use asl::{Failure, Inspection, Moment, Program, Test, test_state};
use serde_json::{Value, json};

fn test(definition: &Value, test: Test<'_>) -> asl::Tested {
    let moment = Moment {
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
        entropy: [1; 32],
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
    assert_eq!(*asked.wanted.unwrap().input, json!({"p": 1}));
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
    let again = with("Once", 0);
    assert_eq!(
        (again.status, again.retry),
        (Status::Retriable, Some((0, 1.0)))
    );
    let caught = with("Once", 1);
    assert_eq!(caught.catch, Some(0));
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
            entropy: [0; 32],
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

#[test]
fn a_map_shows_its_items_and_what_it_tolerates() {
    let map = json!({"Type": "Map", "ItemsPath": "$.list", "MaxConcurrency": 2, "ToleratedFailureCount": 1, "End": true,
        "ItemSelector": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value"},
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "P",
            "States": {"P": {"Type": "Pass", "End": true}}}});
    let with = |failed_iterations| Test {
        input: json!({"list": ["a", "b"]}),
        mock: Some(Ok(json!([1, 2]))),
        failed_iterations,
        inspection: Inspection::Debug,
        ..Test::default()
    };
    let good = test(&map, with(1));
    assert_eq!(
        (good.status, good.output),
        (Status::Succeeded, Some(json!([1, 2])))
    );
    for (field, value) in [
        ("afterItemsPath", json!(["a", "b"])),
        (
            "afterItemSelector",
            json!([{"i": 0, "v": "a"}, {"i": 1, "v": "b"}]),
        ),
        ("maxConcurrency", json!(2)),
        ("toleratedFailureCount", json!(1)),
    ] {
        assert_eq!(good.inspection[field], value, "{field}");
    }
    let bad = test(&map, with(2));
    let failure = bad.failure.unwrap();
    assert_eq!(
        failure.error.as_deref(),
        Some("States.ExceedToleratedFailureThreshold")
    );
}

#[test]
fn a_mock_must_be_one_for_its_state() {
    let moment = Moment {
        now: jiff::Timestamp::UNIX_EPOCH,
        entropy: [0; 32],
    };
    let with = |state: Value, mock: Option<Value>| {
        let test = Test {
            mock: mock.map(Ok),
            ..Test::default()
        };
        test_state(&state, &test, &moment).unwrap_err().to_string()
    };
    let branch = json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}});
    let parallel = json!({"Type": "Parallel", "Branches": [branch, {"StartAt": "Q", "States": {"Q": {"Type": "Pass", "End": true}}}], "End": true});
    let map = json!({"Type": "Map", "ItemProcessor": branch, "End": true});
    let pass = json!({"Type": "Pass", "End": true});
    let approval = json!({"Type": "Task", "Resource": "arn:aws:states:us-east-1:1:activity:approve", "End": true});
    for (state, mock, wanted) in [
        (
            &pass,
            Some(json!(1)),
            "State type 'Pass' is not supported when a mock is specified",
        ),
        (&map, Some(json!({})), "Mocked result must be an array."),
        (
            &parallel,
            Some(json!([1])),
            "Mocked result must contain the same number of items as number of Parallel branches.",
        ),
        (
            &map,
            None,
            "TestState API does not support Map or Parallel states. Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]",
        ),
        (
            &approval,
            None,
            "TestState API does not wait for arn:aws:states:us-east-1:1:activity:approve: give a mock",
        ),
    ] {
        assert_eq!(with(state.clone(), mock), wanted);
    }
}
