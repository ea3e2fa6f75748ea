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
fn loops_without_a_way_out_are_warned_of() {
    let endless = json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}
    }});
    let program = Program::parse(&endless).unwrap();
    let codes: Vec<Code> = program.warnings().iter().map(|p| p.code).collect();
    assert_eq!(codes, [Code::LoopWithoutExit]);
    let way_out = Program::parse(&json!({"StartAt": "A", "States": {
        "A": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": true, "Next": "B"}], "Default": "A"},
        "B": {"Type": "Succeed"}
    }}));
    assert!(way_out.unwrap().warnings().is_empty());
}

#[test]
fn jsonata_is_read_when_the_definition_is() {
    let found = problems(
        json!({"StartAt": "A", "QueryLanguage": "JSONata", "States": {
            "A": {"Type": "Pass", "Output": {"x": ["{% 1 + %}", "{% name %}", "{% $$.x %}"]}, "InputPath": "$", "Next": "B"},
            "B": {"Type": "Choice", "Choices": [{"Condition": "yes", "Next": "C"}], "Default": "C"},
            "C": {"Type": "Wait", "Seconds": "{% 5", "QueryLanguage": "JSONPath", "End": true}
        }}),
    );
    let has =
        |place: &str, text: &str| found.iter().any(|(p, _, m)| p == place && m.contains(text));
    assert!(
        has("States.A.Output.x[0]", "Unexpected end of expression"),
        "{found:?}"
    );
    assert!(
        has("States.A.Output.x[1]", "'name' means nothing here"),
        "{found:?}"
    );
    assert!(
        has("States.A.Output.x[2]", "use $states or a variable"),
        "{found:?}"
    );
    assert!(
        has("States.A.InputPath", "it belongs to JSONPath"),
        "{found:?}"
    );
    assert!(
        has(
            "States.B.Choices[0].Condition",
            "true, false or an expression"
        ),
        "{found:?}"
    );
    assert!(
        has("States.C.QueryLanguage", "can not be 'JSONPath'"),
        "{found:?}"
    );
    assert!(has("States.C.Seconds", "does not end so"), "{found:?}");
}

#[test]
fn a_distributed_map_has_its_own_fields() {
    let map = |mode: &str, fields: serde_json::Value| {
        let mut map = json!({"Type": "Map", "End": true, "ItemProcessor": {
            "ProcessorConfig": {"Mode": mode, "ExecutionType": "STANDARD"},
            "StartAt": "B", "States": {"B": {"Type": "Succeed"}}
        }});
        for (key, value) in fields.as_object().unwrap() {
            map[key] = value.clone();
        }
        json!({"StartAt": "A", "States": {"A": map}})
    };
    let reader = json!({"ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "XML"}},
        "ItemBatcher": {}, "ResultWriter": {}, "ToleratedFailurePercentage": 101});
    let found = problems(map("DISTRIBUTED", reader));
    assert_eq!(found.len(), 4, "{found:?}");
    let found = problems(map(
        "INLINE",
        json!({"ItemBatcher": {"MaxItemsPerBatch": 5}}),
    ));
    assert!(
        found[0].2.contains("belongs to a distributed Map"),
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
