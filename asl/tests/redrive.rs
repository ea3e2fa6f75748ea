//! Redrive: an ended run goes on from where it failed, and repeats nothing that succeeded.

#![allow(clippy::unwrap_used)]

mod support;

use std::cell::RefCell;

use asl::{Command, Failure, Outcome, Program, StepView};
use serde_json::{Value, json};
use support::World;

fn task(next: Option<&str>) -> Value {
    match next {
        Some(next) => json!({"Type": "Task", "Resource": "f", "Next": next}),
        None => json!({"Type": "Task", "Resource": "f", "End": true}),
    }
}

/// Runs until it fails, then again with what failed mended; counts what was called.
fn redrive(definition: &Value, input: &Value, broken: &str) -> (World, Vec<String>) {
    let program = Program::parse(definition).unwrap();
    let called = RefCell::new(Vec::new());
    let mut world = World::new(program.clone());
    let key = |t: &asl::Invocation| {
        format!(
            "{}{}",
            t.state,
            t.input.as_u64().map_or(String::new(), |n| n.to_string())
        )
    };
    let outcome = world.run(input.clone(), |t| {
        if key(t) == broken {
            Err(Failure::new("Broken", "it is"))
        } else {
            called.borrow_mut().push(key(t));
            Ok(json!(key(t)))
        }
    });
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert!(world.run.is_redrivable());
    world.outcome = None;
    world.send(Command::Redrive);
    let outcome = world.finish(|t| {
        called.borrow_mut().push(key(t));
        Ok(json!(key(t)))
    });
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    // The journal, folded, is the same run; cut anywhere from the failure on it comes to the same end.
    let names = types(&world);
    let failed = names.iter().position(|t| t == "ExecutionRedriven").unwrap();
    let is_redrive = |r: &asl::Record| r.event.as_ref().is_some_and(|e| e.id == failed as u64 + 1);
    let failed = world.journal.iter().position(is_redrive).unwrap();
    for length in failed..world.journal.len() {
        let mut again = World::resume(&program, &world.journal[..length], world.now);
        if again.run.is_redrivable() {
            again.outcome = None;
            again.send(Command::Redrive);
        }
        assert_eq!(
            again.finish(|t| Ok(json!(key(t)))),
            outcome,
            "after record {length}"
        );
    }
    (world, called.into_inner())
}

fn types(world: &World) -> Vec<String> {
    world
        .journal
        .iter()
        .filter_map(|r| Some(r.event.as_ref()?.kind.type_name()))
        .collect()
}

#[test]
fn the_failed_task_is_scheduled_again_without_entering_its_state_again() {
    let definition = json!({"StartAt": "A", "States": {"A": task(Some("B")), "B": task(Some("C")), "C": task(None)}});
    let (world, called) = redrive(&definition, &json!({}), "B");
    assert_eq!(called, ["A", "B", "C"]);
    let types = types(&world);
    let at = types.iter().position(|t| t == "ExecutionRedriven").unwrap();
    assert_eq!(
        types[at - 1..at + 2],
        [
            "ExecutionFailed",
            "ExecutionRedriven",
            "LambdaFunctionScheduled"
        ]
    );
    let event = world
        .journal
        .iter()
        .filter_map(|r| r.event.as_ref())
        .find(|e| e.kind.type_name() == "ExecutionRedriven");
    assert_eq!(
        event.unwrap().to_api()["executionRedrivenEventDetails"]["redriveCount"],
        1
    );
    let steps: Vec<StepView> = asl::steps(&world.journal);
    assert_eq!(
        steps.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(),
        ["A", "B", "C"]
    );
    assert!(
        steps
            .iter()
            .all(|s| s.status == asl::run::StepStatus::Succeeded),
        "{steps:?}"
    );
}

#[test]
fn branches_that_succeeded_are_not_repeated() {
    let branch =
        |a: &str, b: &str| json!({"StartAt": a, "States": {a: task(Some(b)), b: task(None)}});
    let definition = json!({"StartAt": "P", "States": {
        "P": {"Type": "Parallel", "Branches": [branch("A", "B"), branch("C", "D")], "Next": "E"}, "E": task(None)}});
    let (_, mut called) = redrive(&definition, &json!({}), "D");
    called.sort();
    assert_eq!(called, ["A", "B", "C", "D", "E"]);
}

#[test]
fn iterations_that_succeeded_are_not_repeated() {
    let definition = json!({"StartAt": "M", "States": {"M": {"Type": "Map", "MaxConcurrency": 2, "End": true,
        "ItemProcessor": {"StartAt": "W", "States": {"W": task(None)}}}}});
    let (_, mut called) = redrive(&definition, &json!([0, 1, 2, 3, 4, 5]), "W3");
    called.sort();
    assert_eq!(called, ["W0", "W1", "W2", "W3", "W4", "W5"]);
}

#[test]
fn children_that_succeeded_are_not_repeated() {
    let definition = json!({"StartAt": "M", "States": {"M": {"Type": "Map", "MaxConcurrency": 2, "End": true, "ItemProcessor": {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "W", "States": {"W": task(None)}}}}});
    let (world, mut called) = redrive(&definition, &json!([0, 1, 2, 3]), "W2");
    called.sort();
    assert_eq!(called, ["W0", "W1", "W2", "W3"]);
    assert!(
        matches!(&world.outcome, Some(Outcome::Succeeded { output }) if **output == json!(["W0", "W1", "W2", "W3"]))
    );
    let types: Vec<String> = world
        .journal
        .iter()
        .filter_map(|record| record.event.as_ref())
        .map(|event| event.kind.type_name())
        .collect();
    let at = types.iter().position(|t| t == "ExecutionRedriven").unwrap();
    assert_eq!(types[at + 1], "MapRunRedriven");
    let views = asl::map_runs(&world.journal);
    let counts = views[0].executions;
    assert_eq!((views[0].status, views[0].redrives), ("SUCCEEDED", 1));
    assert_eq!(
        (
            counts.total,
            counts.succeeded,
            counts.failed,
            counts.aborted,
            counts.running
        ),
        (4, 4, 0, 0, 0)
    );
}

#[test]
fn a_stopped_run_ends_its_map_runs() {
    let definition = json!({"StartAt": "M", "States": {"M": {"Type": "Map", "End": true, "ItemProcessor": {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "W", "States": {"W": task(None)}}}}});
    let mut world = World::new(Program::parse(&definition).unwrap());
    world.send(Command::Start {
        input: json!([1, 2]),
        context: support::context(),
    });
    world.send(Command::Stop {
        error: None,
        cause: None,
    });
    let types: Vec<String> = world
        .journal
        .iter()
        .filter_map(|record| record.event.as_ref())
        .map(|event| event.kind.type_name())
        .collect();
    assert_eq!(
        types[types.len() - 2..],
        ["MapRunAborted", "ExecutionAborted"]
    );
    let views = asl::map_runs(&world.journal);
    assert_eq!(
        (views[0].status, views[0].executions.aborted),
        ("ABORTED", 2)
    );
}

#[test]
fn a_stopped_run_goes_on_and_a_good_one_does_not() {
    let definition = json!({"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 60, "Next": "B"}, "B": task(None)}});
    let mut world = World::new(Program::parse(&definition).unwrap());
    world.send(Command::Start {
        input: json!({}),
        context: support::context(),
    });
    world.send(Command::Stop {
        error: None,
        cause: None,
    });
    world.send(Command::Redrive);
    world.outcome = None;
    assert!(matches!(
        world.finish(|_| Ok(json!(1))),
        Outcome::Succeeded { .. }
    ));
    assert!(!world.run.is_redrivable());
    assert!(world.send(Command::Redrive).is_empty());
}

#[test]
fn the_context_tells_of_it() {
    let definition = json!({"StartAt": "A", "States": {"A": task(Some("B")),
        "B": {"Type": "Pass", "Parameters": {"n.$": "$$.Execution.RedriveCount", "t.$": "$$.Execution.RedriveTime"}, "End": true}}});
    let (world, _) = redrive(&definition, &json!({}), "A");
    let Some(Outcome::Succeeded { output }) = world.outcome else {
        panic!()
    };
    assert_eq!(output["n"], 1);
    assert!(output["t"].as_str().unwrap().ends_with('Z'));
}
