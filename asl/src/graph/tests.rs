//! What pictures show. How they look is judged by eye; that they stay so, by what is kept here.

use serde_json::{Value, json};

use crate::Program;
use crate::run::{StepStatus, StepView};
use crate::states::StateType;

fn stock() -> Value {
    let task = |next: &str| json!({"Type": "Task", "Resource": "$activityName$", "Next": next});
    json!({"StartAt": "Check Stock Price", "States": {
        "Check Stock Price": task("Generate Buy/Sell recommendation"),
        "Generate Buy/Sell recommendation": task("Request Human Approval"),
        "Request Human Approval": task("Buy or Sell?"),
        "Buy or Sell?": {"Type": "Choice", "Choices": [
            {"Variable": "$.recommended_type", "StringEquals": "buy", "Next": "Buy Stock"},
            {"Variable": "$.recommended_type", "StringEquals": "sell", "Next": "Sell Stock"}]},
        "Buy Stock": task("Report Result"),
        "Sell Stock": task("Report Result"),
        "Report Result": {"Type": "Task", "Resource": "$activityName$", "End": true}
    }})
}

/// A machine with everything: loops, errors, branches, items.
fn rich() -> Value {
    let task =
        |resource: &str, next: &str| json!({"Type": "Task", "Resource": resource, "Next": next});
    json!({"StartAt": "Validate order", "States": {
        "Validate order": {"Type": "Task", "Resource": "validate", "Next": "In stock?", "Retry": [{"ErrorEquals": ["States.ALL"]}],
            "Catch": [{"ErrorEquals": ["BadOrder"], "Next": "Reject"}, {"ErrorEquals": ["States.ALL"], "Next": "Tell support"}]},
        "In stock?": {"Type": "Choice", "Default": "Reject", "Choices": [
            {"And": [{"Variable": "$.count", "NumericGreaterThan": 0}, {"Variable": "$.paid", "BooleanEquals": true}], "Next": "Prepare"},
            {"Variable": "$.backorder", "IsPresent": true, "Next": "Wait for goods"}]},
        "Wait for goods": {"Type": "Wait", "Seconds": 3600, "Next": "Validate order"},
        "Prepare": {"Type": "Parallel", "Next": "Ship", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Tell support"}], "Branches": [
            {"StartAt": "Charge card", "States": {"Charge card": task("charge", "Print invoice"), "Print invoice": {"Type": "Task", "Resource": "invoice", "End": true}}},
            {"StartAt": "Pack", "States": {"Pack": {"Type": "Map", "ItemsPath": "$.items", "End": true, "ItemProcessor": {
                "StartAt": "Pick", "States": {"Pick": task("pick", "Fragile?"), "Fragile?": {"Type": "Choice", "Default": "Box", "Choices": [
                    {"Variable": "$.fragile", "BooleanEquals": true, "Next": "Wrap"}]}, "Wrap": task("wrap", "Box"), "Box": {"Type": "Pass", "End": true}}}}}}]},
        "Ship": task("ship", "Done"),
        "Done": {"Type": "Succeed"},
        "Tell support": task("support", "Reject"),
        "Reject": {"Type": "Fail", "Error": "Rejected"}
    }})
}

fn visited() -> Vec<StepView> {
    let at = |millis: i64| jiff::Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap();
    let step = |name: &str,
                state: StateType,
                from: i64,
                to: Option<i64>,
                retries: u32,
                status: StepStatus| StepView {
        name: name.into(),
        state,
        depth: 0,
        index: None,
        entered: at(from),
        exited: to.map(at),
        input: json!({}).into(),
        output: None,
        retries,
        failure: (status == StepStatus::Failed || status == StepStatus::Caught)
            .then(|| crate::Failure::new("CardDeclined", "no")),
        status,
    };
    vec![
        step(
            "Validate order",
            StateType::Task,
            0,
            Some(1_240),
            2,
            StepStatus::Succeeded,
        ),
        step(
            "In stock?",
            StateType::Choice,
            1_240,
            Some(1_240),
            0,
            StepStatus::Succeeded,
        ),
        step(
            "Prepare",
            StateType::Parallel,
            1_240,
            Some(9_000),
            0,
            StepStatus::Caught,
        ),
        step(
            "Charge card",
            StateType::Task,
            1_240,
            Some(9_000),
            3,
            StepStatus::Failed,
        ),
        step(
            "Pack",
            StateType::Map,
            1_240,
            Some(9_000),
            0,
            StepStatus::Aborted,
        ),
        step(
            "Pick",
            StateType::Task,
            1_250,
            Some(1_900),
            0,
            StepStatus::Succeeded,
        ),
        step(
            "Pick",
            StateType::Task,
            1_250,
            Some(2_400),
            0,
            StepStatus::Succeeded,
        ),
        step(
            "Tell support",
            StateType::Task,
            9_000,
            None,
            0,
            StepStatus::Running,
        ),
    ]
}

#[test]
fn the_seeds_machine_looks_as_one_would_draw_it() {
    let program = Program::parse(&stock()).unwrap();
    let svg = super::of_definition(&program);
    insta::assert_snapshot!(svg);
}

#[test]
fn a_run_shows_outcomes_retries_and_durations() {
    let program = Program::parse(&rich()).unwrap();
    let svg = super::of_run(&program, &visited());
    for text in [
        "1.2 s · 2 retries",
        "CardDeclined",
        "2 times",
        "stroke-dasharray",
        "any error",
        "count &gt; 0 and paid = true",
    ] {
        assert!(svg.contains(text), "{text}");
    }
    insta::assert_snapshot!(svg);
}

#[test]
fn boxes_of_one_row_do_not_overlap() {
    let program = Program::parse(&rich()).unwrap();
    let graph = super::model::Graph::of(program.machine(), true);
    let placed = super::place::layout(&graph, &super::outcome::Outcomes::none());
    for (i, a) in placed.nodes.iter().enumerate() {
        assert!(a.x >= -0.01 && a.x + a.width <= placed.width + 0.01, "{i}");
        for b in placed.nodes.iter().skip(i + 1) {
            let apart = a.x + a.width <= b.x
                || b.x + b.width <= a.x
                || a.y + a.height <= b.y
                || b.y + b.height <= a.y;
            assert!(apart, "{a:?} {b:?}");
        }
    }
}

#[test]
fn a_large_machine_is_drawn_with_bounded_work() {
    let mut states = serde_json::Map::new();
    for n in 0..2_000 {
        let next = format!("S{}", n + 1);
        states.insert(
            format!("S{n}"),
            json!({"Type": "Task", "Resource": "f", "Next": next,
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "S2000"}]}),
        );
    }
    states.insert("S2000".into(), json!({"Type": "Succeed"}));
    let program = Program::parse(&json!({"StartAt": "S0", "States": states})).unwrap();
    let svg = super::of_definition(&program);
    assert!(svg.len() < 10_000_000, "{}", svg.len());
    assert_eq!(svg.matches("class=\"state\"").count(), 2_001);
}

#[test]
fn hostile_names_stay_text() {
    let program = Program::parse(
        &json!({"StartAt": "<script>", "States": {"<script>": {"Type": "Pass", "End": true}}}),
    )
    .unwrap();
    assert!(!super::of_definition(&program).contains("<script>"));
}
