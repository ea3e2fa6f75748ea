//! Definitions, good and bad.

use serde_json::json;

use super::*;

fn problems(definition: Value) -> Vec<(String, Code, String)> {
    let problems = Program::parse(&definition).expect_err("a problem");
    problems
        .into_iter()
        .map(|p| (p.path, p.code, p.message))
        .collect()
}

#[test]
fn a_definition_is_given_back_as_it_was() {
    let definition = json!({
        "Comment": "c", "Name": "n", "StartAt": "A", "TimeoutSeconds": 5, "Version": "1.0",
        "States": {"A": {"Type": "Pass", "Result": {"n": 1.50}, "Next": "B"}, "B": {"Type": "Succeed"}}
    });
    let program = Program::parse(&definition).unwrap();
    assert_eq!(serde_json::to_value(&program).unwrap(), definition);
    assert_eq!(Program::parse(program.definition()).unwrap(), program);
    assert_eq!(program.timeout_seconds(), Some(5));
}

#[test]
fn targets_that_do_not_exist_and_states_that_nothing_leads_to() {
    let found = problems(json!({"StartAt": "pass1", "States": {
        "pass1": {"Type": "Pass", "Next": "pass3"}, "pass2": {"Type": "Pass", "End": true}
    }}));
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0].0, "States.pass1.Next");
    assert!(found[0].2.starts_with("Missing 'Next' target: pass3"));
    assert_eq!(found[1].0, "States.pass2");
    assert_eq!(found[1].2, "State \"pass2\" is not reachable.");
    assert!(found.iter().all(|p| p.1 == Code::MissingTransitionTarget));
}

#[test]
fn all_problems_at_once_each_with_its_place() {
    let found = problems(json!({"StartAt": "A", "Strats": 1, "States": {
        "A": {"Type": "Task", "Next": "B", "End": true, "TimeoutSeconds": 0, "Retry": [{"ErrorEquals": []}]},
        "B": {"Type": "Choice", "Choices": [{"Variable": "$.x", "NumericEquals": "1", "Next": "C"}, {"Next": "C"}]},
        "C": {"Type": "Wait", "Seconds": 1, "Timestamp": "x", "End": true},
        "D": {"Type": "Pas", "End": true}
    }}));
    let at = |path: &str| found.iter().any(|(p, ..)| p == path);
    for path in [
        "Strats",
        "States.A",
        "States.A.TimeoutSeconds",
        "States.A.Retry[0].ErrorEquals",
        "States.B.Choices[0].NumericEquals",
        "States.B.Choices[1]",
        "States.C",
        "States.C.Timestamp",
        "States.D.Type",
        "States.D",
    ] {
        assert!(at(path), "{path} in {found:#?}");
    }
    assert!(
        found
            .iter()
            .any(|(_, _, m)| m.contains("did you mean 'Pass'"))
    );
}

#[test]
fn loops_need_a_way_out() {
    let found = problems(json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}
    }}));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1, Code::LoopWithoutExit);
    assert!(Program::parse(&json!({"StartAt": "A", "States": {
        "A": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": true, "Next": "B"}], "Default": "A"},
        "B": {"Type": "Succeed"}
    }})).is_ok());
}

#[test]
fn what_is_not_there_yet_is_said() {
    let found = problems(
        json!({"StartAt": "A", "QueryLanguage": "JSONata", "States": {
            "A": {"Type": "Pass", "Output": "{% 1 %}", "End": true}
        }}),
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].1, Code::NotSupported);
    let found = problems(json!({"StartAt": "A", "States": {
        "A": {"Type": "Map", "ItemReader": {}, "End": true, "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "B", "States": {"B": {"Type": "Succeed"}}
        }}
    }}));
    assert!(
        found
            .iter()
            .all(|(_, code, m)| *code == Code::NotSupported && m.starts_with("not supported yet")),
        "{found:?}"
    );
}

#[test]
fn names_are_unique_over_branches() {
    let branch = json!({"StartAt": "X", "States": {"X": {"Type": "Succeed"}}});
    let found = problems(
        json!({"StartAt": "P", "States": {"P": {"Type": "Parallel", "Branches": [branch, branch], "End": true}}}),
    );
    assert_eq!(found[0].1, Code::DuplicateStateName);
}

#[test]
fn text_has_lines_and_columns() {
    let text = "{\n \"StartAt\": \"A\",\n \"States\": {\n  \"A\": {\"Type\": \"Pass\", \"Next\": \"B\"},\n  \"A\": {\"Type\": \"Pass\", \"End\": true, \"Nxet\": 1}\n }\n}";
    let problems = Program::parse_str(text).unwrap_err();
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(
        shown
            .iter()
            .any(|s| s.starts_with("line 4 ") || s.starts_with("line 5 ")),
        "{shown:?}"
    );
    assert!(problems.iter().any(|p| p.code == Code::DuplicateStateName));
    let broken = Program::parse_str("{\n \"StartAt\": }").unwrap_err();
    assert_eq!(broken[0].code, Code::InvalidJsonDescription);
    assert_eq!(broken[0].position.map(|p| p.0), Some(2));
    assert!(Program::parse_str("[]").is_err());
}
