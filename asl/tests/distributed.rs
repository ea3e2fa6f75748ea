//! Distributed Maps: items read, children run, results written.

#![allow(clippy::unwrap_used)]

mod support;

use asl::{Command, Effect, Failure, Limits, Moment, Outcome, Program, Run};
use serde_json::{Value, json};
use support::{World, context};

fn map(fields: Value, state: Value) -> Program {
    let mut map = json!({"Type": "Map", "End": true, "ItemProcessor": {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Work", "States": {"Work": state}
    }});
    for (key, value) in fields.as_object().unwrap() {
        map[key] = value.clone();
    }
    Program::parse(&json!({"StartAt": "All", "States": {"All": map}})).unwrap()
}

fn task() -> Value {
    json!({"Type": "Task", "Resource": "f", "End": true})
}

/// Fails for odd numbers.
fn odd_fails(t: &asl::Invocation) -> Result<Value, Failure> {
    let number = t.input["n"].as_u64().or(t.input.as_u64()).unwrap();
    if number % 2 == 1 {
        Err(Failure::new("Odd", "it is odd"))
    } else {
        Ok(json!(number))
    }
}

fn types(world: &World) -> Vec<String> {
    world
        .journal
        .iter()
        .filter_map(|r| Some(r.event.as_ref()?.kind.type_name()))
        .collect()
}

#[test]
fn children_run_apart_and_their_outputs_come_in_order() {
    let program = map(
        json!({"ItemSelector": {"n.$": "$$.Map.Item.Value", "i.$": "$$.Map.Item.Index"}}),
        json!({"Type": "Pass", "End": true}),
    );
    let mut world = World::new(program);
    let outcome = world.run(json!([10, 20]), |_| Ok(json!(null)));
    let output = json!([{"n": 10, "i": 0}, {"n": 20, "i": 1}]).into();
    assert_eq!(outcome, Outcome::Succeeded { output });
    let wanted = [
        "ExecutionStarted",
        "MapStateEntered",
        "MapStateStarted",
        "MapRunStarted",
        "MapRunSucceeded",
        "MapStateSucceeded",
        "MapStateExited",
        "ExecutionSucceeded",
    ];
    assert_eq!(types(&world), wanted);
}

#[test]
fn items_are_read_page_by_page_and_batched() {
    let program = map(
        json!({
            "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON", "MaxItems": 2500},
                "Parameters": {"Bucket.$": "$.bucket", "Key": "k"}},
            "ItemBatcher": {"MaxItemsPerBatch": 400, "BatchInput": {"of.$": "$.bucket"}},
            "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "out"}},
            "MaxConcurrency": 3
        }),
        task(),
    );
    let mut world = World::new(program);
    world.items = (0..10_000).map(|n| json!(n)).collect();
    let outcome = world.run(json!({"bucket": "b"}), |t| {
        assert_eq!(t.input["BatchInput"], json!({"of": "b"}));
        Ok(json!(t.input["Items"].as_array().unwrap().len()))
    });
    let Outcome::Succeeded { output } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        output["ResultWriterDetails"],
        json!({"Bucket": "b", "Key": "k"})
    );
    assert!(
        output["MapRunArn"]
            .as_str()
            .unwrap()
            .contains(":mapRun:machine/All:")
    );
    let views = asl::map_runs(&world.journal);
    let (items, executions) = (views[0].items, views[0].executions);
    assert_eq!(
        (
            items.total,
            items.pending,
            items.succeeded,
            executions.succeeded
        ),
        (2500, 0, 2500, 7)
    );
    assert_eq!(
        (views[0].status, executions.results_written),
        ("SUCCEEDED", 7)
    );
    // 2,500 of 10,000 items, 400 at a time.
    let sizes: Vec<u64> = world
        .written
        .iter()
        .map(|r| match &r.outcome {
            Outcome::Succeeded { output } => output.as_u64().unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((sizes.len(), sizes.iter().sum::<u64>()), (7, 2500));
}

#[test]
fn failures_are_tolerated_up_to_a_share() {
    let items = json!([1, 2, 3, 4, 6, 8, 10, 12, 14, 16]);
    let tolerant = map(json!({"ToleratedFailurePercentage": 20}), task());
    let outcome = World::new(tolerant).run(items.clone(), odd_fails);
    assert!(
        matches!(&outcome, Outcome::Succeeded { output } if output.as_array().unwrap().len() == 8),
        "{outcome:?}"
    );
    let strict = map(
        json!({"ToleratedFailureCount": 1, "MaxConcurrency": 1}),
        task(),
    );
    let mut world = World::new(strict);
    let outcome = world.run(items, odd_fails);
    assert!(
        matches!(&outcome, Outcome::Failed { error: Some(e), .. } if e == "States.ExceedToleratedFailureThreshold"),
        "{outcome:?}"
    );
    assert!(types(&world).ends_with(&[
        "MapRunFailed".into(),
        "MapStateFailed".into(),
        "ExecutionFailed".into()
    ]));
}

#[test]
fn a_reader_that_fails_can_be_caught() {
    let program = Program::parse(&json!({"StartAt": "All", "States": {
        "All": {"Type": "Map", "End": true, "ItemReader": {"Resource": "arn:aws:states:::s3:getObject"},
            "Catch": [{"ErrorEquals": ["States.ItemReaderFailed"], "Next": "Caught"}],
            "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
                "StartAt": "Work", "States": {"Work": {"Type": "Pass", "End": true}}}},
        "Caught": {"Type": "Pass", "End": true}
    }})).unwrap();
    let mut world = World::new(program);
    let decision = world.send(Command::Start {
        input: json!({}),
        context: context(),
    });
    let refused = decision
        .effects
        .iter()
        .find_map(|e| e.refused("no such file"))
        .unwrap();
    world.send(refused);
    assert!(
        matches!(world.outcome, Some(Outcome::Succeeded { .. })),
        "{:?}",
        world.outcome
    );
}

#[test]
fn any_prefix_of_the_journal_goes_on_to_the_same_end() {
    let program = map(
        json!({
            "ItemReader": {"Resource": "arn:aws:states:::s3:getObject"}, "ToleratedFailureCount": 2, "MaxConcurrency": 2,
            "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject"}
        }),
        task(),
    );
    let items: Vec<Value> = (0..5).map(|n| json!(n)).collect();
    let mut world = World::new(program.clone());
    world.items.clone_from(&items);
    assert!(matches!(
        world.run(json!({}), odd_fails),
        Outcome::Succeeded { .. }
    ));
    for length in 1..world.journal.len() {
        let mut again = World::resume(&program, &world.journal[..length], world.now);
        again.items.clone_from(&items);
        let outcome = again.finish(odd_fails);
        assert!(
            matches!(outcome, Outcome::Succeeded { .. }),
            "after record {length}: {outcome:?}"
        );
        if !again.written.is_empty() {
            let mut indices: Vec<u32> = again.written.iter().map(|r| r.index).collect();
            indices.sort_unstable();
            assert_eq!(indices, [0, 1, 2, 3, 4], "after record {length}");
        }
    }
}

#[test]
fn a_hundred_thousand_items_take_linear_time() {
    // A list that a wildcard makes, mapped inline: with quadratic cost this would take hours.
    let inline = Program::parse(&json!({"StartAt": "All", "States": {"All": {
        "Type": "Map", "ItemsPath": "$.rows[*].n", "MaxConcurrency": 40, "End": true,
        "ItemProcessor": {"StartAt": "Work", "States": {"Work": {"Type": "Pass", "Result": 1, "End": true}}}
    }}})).unwrap();
    let rows: Vec<Value> = (0..100_000).map(|n| json!({"n": n})).collect();
    let limits = Limits {
        events: 1_000_000,
        payload: 100_000_000,
        ..Limits::default()
    };
    let mut run = Run::with_limits(limits);
    let moment = Moment {
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
        entropy: [1; 32],
    };
    let start = Command::Start {
        input: json!({"rows": rows}),
        context: context(),
    };
    let mut decision = run.decide(&inline, start, &moment).unwrap();
    while decision.more {
        decision = run.decide(&inline, Command::Resume, &moment).unwrap();
    }
    assert!(
        matches!(run.outcome(), Some(Outcome::Succeeded { output }) if output.as_array().unwrap().len() == 100_000)
    );
}

#[test]
fn a_million_items_are_held_a_page_at_a_time() {
    let program = map(
        json!({"ItemReader": {"Resource": "arn:aws:states:::s3:getObject"}, "MaxConcurrency": 10}),
        task(),
    );
    let mut run = Run::with_limits(Limits {
        items: 3_000,
        ..Limits::default()
    });
    let moment = Moment {
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
        entropy: [1; 32],
    };
    let mut queue = vec![Command::Start {
        input: json!({}),
        context: context(),
    }];
    let (mut running, mut most, mut pages) = (0_i64, 0, 0);
    while let Some(command) = queue.pop() {
        for effect in run.decide(&program, command, &moment).unwrap().effects {
            match effect {
                Effect::ReadItems {
                    map, from, count, ..
                } => {
                    pages += 1;
                    let items = (from..from + count).map(|n| json!(n)).collect();
                    queue.push(Command::ItemsRead {
                        map,
                        from,
                        items,
                        more: true,
                    });
                }
                Effect::StartChild(child) => {
                    running += 1;
                    most = most.max(running);
                    let outcome = Outcome::Succeeded {
                        output: json!(1).into(),
                    };
                    queue.insert(
                        0,
                        Command::ChildEnded {
                            map: child.map,
                            index: child.index,
                            outcome,
                        },
                    );
                }
                Effect::StopChild { .. } => running -= 1,
                _ => {}
            }
        }
        running -= i64::from(!queue.is_empty());
    }
    // The file has no end: the limit ends it.
    assert!(
        matches!(run.outcome(), Some(Outcome::Failed { error: Some(e), .. }) if e == "States.ItemReaderFailed"),
        "{:?}",
        run.outcome()
    );
    assert_eq!(pages, 4);
    assert!(most <= 11, "{most}");
}
