//! What the engine does with time, failures and limits.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use asl::{Command, Effect, Failure, Limits, Moment, Outcome, Program, Run, TaskId};
use serde_json::{Value, json};
use support::World;

fn world(definition: Value) -> World {
    World::new(Program::parse(&definition).unwrap())
}

fn task(extra: Value) -> Value {
    let mut state = json!({"Type": "Task", "Resource": "f", "End": true});
    state
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    json!({"StartAt": "T", "States": {"T": state}})
}

fn types(world: &World) -> Vec<String> {
    world
        .journal
        .iter()
        .filter_map(|r| r.event.as_ref())
        .map(|e| e.kind.type_name())
        .collect()
}

fn failed(outcome: Outcome) -> (String, String) {
    match outcome {
        Outcome::Failed { error, cause } | Outcome::TimedOut { error, cause } => {
            (error.unwrap_or_default(), cause.unwrap_or_default())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn retries_pause_longer_and_longer_and_show_in_the_context() {
    let retry = json!([{"ErrorEquals": ["E"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxAttempts": 3, "MaxDelaySeconds": 10}]);
    let mut world = world(task(
        json!({"Retry": retry, "Parameters": {"n.$": "$$.State.RetryCount"}}),
    ));
    let begin = world.now;
    let outcome = world.run(json!({}), |t| match t.attempt {
        3 => Ok((*t.input).clone()),
        _ => Err(Failure::new("E", "again")),
    });
    assert_eq!(
        outcome,
        Outcome::Succeeded {
            output: json!({"n": 3}).into()
        }
    );
    assert_eq!(world.now.duration_since(begin).as_secs(), 2 + 6 + 10);
    let steps = asl::steps(&world.journal);
    assert_eq!((steps.len(), steps[0].retries), (1, 3));
}

#[test]
fn each_attempt_has_an_id_of_its_own() {
    let mut world = world(task(json!({"Retry": [{"ErrorEquals": ["States.ALL"]}]})));
    let seen = std::cell::RefCell::new(Vec::new());
    let outcome = world.run(json!({}), |t| {
        seen.borrow_mut().push(t.task);
        Err(Failure::new("E", "always"))
    });
    assert_eq!(failed(outcome), ("E".into(), "always".into()));
    assert_eq!(
        *seen.borrow(),
        [TaskId(3), TaskId(6), TaskId(9), TaskId(12)]
    );
}

#[test]
fn timeouts_end_tasks_and_can_be_caught() {
    let never = |_: &asl::Invocation| {
        Err(Failure {
            error: Some("never".into()),
            ..Failure::default()
        })
    };
    let mut plain = world(task(json!({"TimeoutSeconds": 5})));
    assert_eq!(failed(plain.run(json!({}), never)).0, "States.Timeout");
    assert!(types(&plain).contains(&"LambdaFunctionTimedOut".into()));

    let caught = json!({"StartAt": "T", "States": {
        "T": {"Type": "Task", "Resource": "f", "TimeoutSecondsPath": "$.t", "Next": "After",
            "Catch": [{"ErrorEquals": ["States.Timeout"], "ResultPath": "$.error", "Next": "After"}]},
        "After": {"Type": "Succeed"}
    }});
    let outcome = world(caught).run(json!({"t": 3}), never);
    assert_eq!(
        outcome,
        Outcome::Succeeded {
            output: json!({"t": 3, "error": {"Error": "States.Timeout", "Cause": ""}}).into()
        }
    );

    let mut whole = task(json!({}));
    whole["TimeoutSeconds"] = json!(9);
    let mut world = world(whole);
    let outcome = world.run(json!({}), never);
    assert!(matches!(outcome, Outcome::TimedOut { .. }));
}

#[test]
fn heartbeats_keep_a_task_alive() {
    let mut world = world(task(json!({"HeartbeatSeconds": 10})));
    world.send(Command::Start {
        input: json!({}),
        context: support::context(),
    });
    let task = world.tasks[0].task;
    assert_eq!(world.tasks[0].heartbeat, Some(Duration::from_secs(10)));
    let timer = *world.timers.keys().next().unwrap();
    for _ in 0..5 {
        world.now = world.now.checked_add(Duration::from_secs(8)).unwrap();
        world.send(Command::TaskHeartbeat { task });
        // The old timer fires late: nothing happens but that it is set again.
        let decision = world.send(Command::TimerFired { timer });
        assert!(decision.records.is_empty());
    }
    world.now = world.now.checked_add(Duration::from_secs(10)).unwrap();
    world.send(Command::TimerFired { timer });
    assert_eq!(failed(world.outcome.unwrap()).0, "States.HeartbeatTimeout");
}

#[test]
fn a_waiting_task_has_a_token() {
    let definition = json!({"StartAt": "T", "States": {"T": {
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "End": true,
        "Parameters": {"FunctionName": "f", "Payload": {"token.$": "$$.Task.Token"}}
    }}});
    let mut world = world(definition);
    world.send(Command::Start {
        input: json!({}),
        context: support::context(),
    });
    let invocation = world.tasks[0].clone();
    let token = invocation.token.clone().unwrap();
    assert_eq!(
        invocation.function_call().unwrap().unwrap().payload,
        json!({"token": token})
    );
    let replayed = World::resume(&world.program, &world.journal, world.now);
    assert_eq!(replayed.tasks[0], invocation);
    let task = invocation.task;
    let submitted = Command::TaskSubmitted {
        task,
        output: json!({"StatusCode": 200}),
    };
    world.send(submitted.clone());
    // Asked again after a crash, it is told once.
    assert!(world.send(submitted).is_empty());
    let replayed = World::resume(&world.program, &world.journal, world.now);
    assert!(replayed.tasks[0].submitted);
    world.send(Command::TaskSucceeded {
        task: invocation.task,
        output: json!("approved"),
    });
    assert_eq!(
        world.outcome,
        Some(Outcome::Succeeded {
            output: json!("approved").into()
        })
    );
    assert_eq!(
        types(&world)[2..7],
        [
            "TaskScheduled",
            "TaskStarted",
            "TaskSubmitted",
            "TaskSucceeded",
            "TaskStateExited"
        ]
    );
}

#[test]
fn activities_start_when_a_worker_takes_them() {
    let arn = "arn:aws:states:us-east-1:111111111111:activity:approve";
    let mut world = world(
        json!({"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": arn, "End": true}}}),
    );
    world.send(Command::Start {
        input: json!({}),
        context: support::context(),
    });
    assert!(!types(&world).contains(&"ActivityStarted".into()));
    let task = world.tasks[0].task;
    world.send(Command::TaskStarted {
        task,
        worker: Some("me".into()),
    });
    assert!(
        world
            .send(Command::TaskStarted { task, worker: None })
            .is_empty()
    );
    world.send(Command::TaskSucceeded {
        task,
        output: json!(1),
    });
    assert_eq!(
        types(&world)[2..5],
        ["ActivityScheduled", "ActivityStarted", "ActivitySucceeded"]
    );
}

#[test]
fn one_failing_branch_ends_the_others() {
    let branch = |name: &str, resource: &str| json!({"StartAt": name, "States": {name: {"Type": "Task", "Resource": resource, "End": true}}});
    let definition = json!({"StartAt": "P", "States": {"P": {
        "Type": "Parallel", "End": true, "Branches": [branch("A", "slow"), branch("B", "bad")]
    }}});
    let mut world = world(definition);
    world.send(Command::Start {
        input: json!({}),
        context: support::context(),
    });
    assert_eq!(world.tasks.len(), 2);
    let (slow, bad) = (world.tasks[0].task, world.tasks[1].task);
    let decision = world.send(Command::TaskFailed {
        task: bad,
        error: "E".into(),
        cause: Some("why".into()),
    });
    assert!(
        decision
            .effects
            .contains(&Effect::CancelTask { task: slow })
    );
    assert_eq!(
        failed(world.outcome.clone().unwrap()),
        ("E".into(), "why".into())
    );
    assert!(
        world
            .send(Command::TaskSucceeded {
                task: slow,
                output: json!(1)
            })
            .is_empty()
    );
}

#[test]
fn variables_are_seen_inside_and_do_not_leave() {
    let definition = json!({"StartAt": "Set", "States": {
        "Set": {"Type": "Pass", "Assign": {"base.$": "$.base"}, "Next": "Each"},
        "Each": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": {"StartAt": "Add", "States": {
            "Add": {"Type": "Pass", "Parameters": {"sum.$": "States.MathAdd($base, $)"}, "Assign": {"inner": 1}, "End": true}
        }}, "Next": "Out"},
        "Out": {"Type": "Pass", "Parameters": {"sums.$": "$[*].sum", "base.$": "$base"}, "End": true}
    }});
    let outcome = world(definition).run(json!({"base": 10, "items": [1, 2]}), |_| Ok(json!(null)));
    assert_eq!(
        outcome,
        Outcome::Succeeded {
            output: json!({"sums": [11, 12], "base": 10}).into()
        }
    );
}

#[test]
fn limits_hold() {
    let endless = json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Next": "B"},
        "B": {"Type": "Choice", "Choices": [{"Variable": "$.never", "IsPresent": true, "Next": "C"}], "Default": "A"},
        "C": {"Type": "Succeed"}
    }});
    let program = Program::parse(&endless).unwrap();
    let mut run = Run::with_limits(Limits {
        events: 100,
        ..Limits::default()
    });
    let moment = Moment {
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
        entropy: [0; 32],
    };
    let start = Command::Start {
        input: json!({}),
        context: support::context(),
    };
    let decision = run.decide(&program, start, &moment).unwrap();
    assert_eq!(run.last_event(), 100);
    assert!(
        decision
            .effects
            .iter()
            .any(|e| matches!(e, Effect::Finish(Outcome::Failed { .. })))
    );

    let large = task(
        json!({"Catch": [{"ErrorEquals": ["States.DataLimitExceeded"], "Next": "Big"}], "Next": "Big"}),
    );
    let mut large = large;
    large["States"]["T"].as_object_mut().unwrap().remove("End");
    large["States"]["Big"] = json!({"Type": "Pass", "Parameters": {"e.$": "$.Error"}, "End": true});
    let outcome = world(large).run(json!({}), |_| Ok(json!("x".repeat(300_000))));
    assert_eq!(
        outcome,
        Outcome::Succeeded {
            output: json!({"e": "States.DataLimitExceeded"}).into()
        }
    );
}

#[test]
fn a_long_way_is_decided_in_pieces_and_can_be_stopped_between_them() {
    let endless = json!({"StartAt": "Both", "States": {"Both": {"Type": "Parallel", "End": true, "Branches": [
        {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "A"}}},
        {"StartAt": "B", "States": {"B": {"Type": "Pass", "Next": "B"}}},
    ]}}});
    let mut world = world(endless);
    let start = Command::Start {
        input: json!({}),
        context: support::context(),
    };
    let mut decision = world.decide(start);
    for _ in 0..20 {
        assert!(decision.more);
        assert!((100..200).contains(&decision.records.len()));
        decision = world.decide(Command::Resume);
    }
    let entered = |name: &str| {
        let events = world.journal.iter().filter_map(|r| r.event.as_ref());
        let entered = events.filter(|event| {
            matches!(&event.kind, asl::EventKind::StateEntered { name: of, .. } if of == name)
        });
        entered.count()
    };
    assert!(entered("A") > 500 && entered("A").abs_diff(entered("B")) <= 1);
    // What comes between is heard; a crash between is no matter.
    let mut world = World::resume_once(&world.program, &world.journal, world.now);
    let decision = world.decide(Command::Stop {
        error: None,
        cause: None,
    });
    assert!(!decision.more);
    assert!(matches!(world.outcome, Some(Outcome::Aborted { .. })));
}

#[test]
fn large_numbers_pass_unchanged_and_records_are_text() {
    let text = r#"{"n":123456789012345678901234567890.10,"m":1e400}"#;
    let input: Value = serde_json::from_str(text).unwrap();
    let mut world = world(task(json!({"ResultPath": "$.r"})));
    let outcome = world.run(input, |t| Ok(t.input["n"].clone()));
    let Outcome::Succeeded { output } = outcome else {
        panic!()
    };
    assert!(
        output
            .to_string()
            .starts_with(r#"{"n":123456789012345678901234567890.10,"m":1e"#),
        "{output}"
    );
    let lines: Vec<String> = world
        .journal
        .iter()
        .map(|r| serde_json::to_string(r).unwrap())
        .collect();
    let again: Vec<asl::Record> = lines
        .iter()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(again, world.journal);
}

#[test]
fn another_program_is_an_error_and_no_panic() {
    let mut world = world(task(json!({})));
    world.send(Command::Start {
        input: json!({}),
        context: support::context(),
    });
    let other =
        Program::parse(&json!({"StartAt": "X", "States": {"X": {"Type": "Succeed"}}})).unwrap();
    let moment = world.moment();
    let command = Command::TaskSucceeded {
        task: world.tasks[0].task,
        output: json!(1),
    };
    assert!(world.run.decide(&other, command, &moment).is_err());
    let mut run = Run::new();
    assert!(run.apply(&world.journal[1]).is_err());
}

#[test]
fn variables_and_depth_have_limits() {
    let big = json!("x".repeat(200_000));
    let mut states = serde_json::Map::new();
    for n in 0..60 {
        let next = format!("S{}", n + 1);
        states.insert(
            format!("S{n}"),
            json!({"Type": "Pass", "Assign": {format!("v{n}"): big}, "Next": next}),
        );
    }
    states.insert("S60".into(), json!({"Type": "Succeed"}));
    let outcome =
        world(json!({"StartAt": "S0", "States": states})).run(json!({}), |_| Ok(json!(null)));
    assert_eq!(failed(outcome).0, "States.DataLimitExceeded");
    // Each round puts the data one level deeper: what could not be read back from the journal is refused.
    let outcome = world(json!({"StartAt": "Deeper", "States": {
        "Deeper": {"Type": "Pass", "Parameters": {"in.$": "$"}, "Next": "Again?"},
        "Again?": {"Type": "Choice", "Choices": [{"Variable": "$.stop", "IsPresent": true, "Next": "End"}], "Default": "Deeper"},
        "End": {"Type": "Succeed"}
    }}))
    .run(json!({}), |_| Ok(json!(null)));
    assert_eq!(failed(outcome).0, "States.DataLimitExceeded");
}

#[test]
fn tokens_have_128_bits_and_each_its_own() {
    let branch = json!({"StartAt": "T", "States": {"T": {
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "End": true,
        "Parameters": {"FunctionName": "f", "Payload": {"token.$": "$$.Task.Token"}}
    }}});
    let mut other = branch.clone();
    other["StartAt"] = json!("U");
    other["States"] = json!({"U": branch["States"]["T"]});
    let mut world = world(json!({"StartAt": "P", "States": {"P": {
        "Type": "Parallel", "End": true, "Branches": [branch, other]
    }}}));
    world.send(Command::Start {
        input: json!({}),
        context: support::context(),
    });
    let tokens: Vec<_> = world
        .tasks
        .iter()
        .map(|t| t.token.clone().unwrap())
        .collect();
    let random: Vec<_> = tokens
        .iter()
        .map(|t| t.split_once('-').unwrap().0)
        .collect();
    assert_eq!(random.len(), 2);
    assert_ne!(random[0], random[1], "of one decision");
    for bits in random {
        assert_eq!(bits.len(), 32);
        assert!(u128::from_str_radix(bits, 16).is_ok(), "{bits}");
    }
}
