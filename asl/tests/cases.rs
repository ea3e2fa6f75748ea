//! Executions recorded on AWS, stepped here with the functions simulated.
//!
//! `ASL_CASES` names the directory (default: `shared/asl-cases` beside the workspace); without it the test says so and
//! passes. `ASL_FAILURES=1` prints what falls short.

#![allow(clippy::unwrap_used)]

#[path = "support/score.rs"]
mod score;
mod support;

use std::path::PathBuf;

use asl::{Answer, Failure, Invocation, Outcome, Program};
use serde_json::{Value, json};
use support::World;

fn cases(name: &str) -> Option<Vec<Value>> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/asl-cases");
    let directory =
        std::env::var_os("ASL_CASES").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let path = directory.join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(error) => {
            println!("skipped: no recorded cases ({}: {error})", path.display());
            None
        }
    }
}

/// The functions of the cases.
fn function(name: &str, payload: &Value) -> Result<(Value, usize), Failure> {
    let raised = |kind: &str, message: &str| {
        let cause = json!({"errorMessage": message, "errorType": kind, "requestId": "<uuid:1>",
            "stackTrace": [format!("  File \"/var/task/handler.py\", line 2, in handler\n    raise {kind}(\"{message}\")\n")]});
        Err(Failure {
            error: Some(kind.into()),
            cause: Some(cause.to_string()),
            location: None,
        })
    };
    let sized = |value: Value| {
        // Lambda's Python runtime writes ", " and ": ".
        let spaces = value.to_string().matches([',', ':']).count();
        let length = value.to_string().len() + spaces;
        Ok((value, length))
    };
    match name {
        "asl-identity" => sized(payload.clone()),
        "asl-hello" => sized(json!({"Return": "HelloWorld"})),
        "asl-raise" => raised("Exception", "Some exception was raised."),
        "asl-raise-custom" => raised("CustomException", ""),
        "asl-bytes" => Ok((json!("HelloWorld!"), 13)),
        "asl-large" => sized(json!("a".repeat(257 * 1024))),
        "asl-sleep60" => Err(Failure {
            error: Some("never".into()),
            cause: None,
            location: None,
        }),
        other => Err(Failure::new(
            "Lambda.ResourceNotFoundException",
            format!("Function not found: {other}"),
        )),
    }
}

/// Steps a case. The history, or why there is none.
fn play(case: &Value) -> Result<(Vec<Value>, Outcome), String> {
    let text = case["definition"].as_str().unwrap();
    let program = Program::parse_str(text).map_err(|problems| {
        problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    })?;
    let input = case["input"]
        .as_str()
        .map_or_else(|| json!({}), |text| serde_json::from_str(text).unwrap());
    let mut world = World::new(program);
    let at = world.now;
    let call = |invocation: &Invocation| {
        let call = invocation.function_call();
        let call = call
            .unwrap_or_else(|| Err(Failure::new("Unsupported", invocation.resource.to_string())))?;
        let (payload, length) = function(&call.function.name, &call.payload)?;
        let answer = Answer {
            payload,
            content_length: Some(length),
            request_id: "6f1c2d3e-0000-4000-8000-000000000001".into(),
            at,
        };
        Ok(invocation.function_result(answer))
    };
    let outcome = world.run(input, call);
    let events = world
        .journal
        .iter()
        .filter_map(|r| r.event.as_ref())
        .map(asl::HistoryEvent::to_api)
        .collect();
    Ok((events, outcome))
}

#[test]
fn choices() {
    let Some(cases) = cases("choice.json") else {
        return;
    };
    let mut wrong = 0;
    for case in &cases {
        let found = play(case);
        let good = matches!(&found, Ok((_, Outcome::Succeeded { output })) if score::same(&score::parsed(&case["output"]), &score::parsed(output)));
        if !good {
            wrong += 1;
            println!("{}: {:?}", case["name"], found.map(|(_, outcome)| outcome));
        }
    }
    println!("choice.json: {} of {}", cases.len() - wrong, cases.len());
    assert_eq!(wrong, 0);
}

#[test]
fn histories() {
    let Some(cases) = cases("history.json") else {
        return;
    };
    let (mut reached, mut count) = ([0_usize; 7], 0);
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        if !["nothing", "functions"].contains(&case["needs"].as_str().unwrap()) {
            continue;
        }
        count += 1;
        let (level, why) = match play(case) {
            Ok((events, _)) => score::level(case["events"].as_array().unwrap(), &events),
            Err(problem) => (0, problem),
        };
        for slot in reached.iter_mut().take(level + 1).skip(1) {
            *slot += 1;
        }
        if level < 6 && std::env::var_os("ASL_FAILURES").is_some() {
            println!(
                "[{}] {name}\n      {}",
                ["-", "A", "B", "C", "D", "E"][level],
                why.chars().take(1500).collect::<String>()
            );
        }
    }
    println!(
        "history.json: {count} cases: A {} B {} C {} D {} E {} F {}",
        reached[1], reached[2], reached[3], reached[4], reached[5], reached[6],
    );
    // What this crate has reached once it keeps. README.md explains the rest.
    let floor = [0, count, count - 6, count - 6, count - 9, count - 10];
    for (level, floor) in floor.into_iter().enumerate().skip(1) {
        assert!(
            reached[level] >= floor,
            "level {} fell to {} of {floor}",
            ["", "A", "B", "C", "D", "E"][level],
            reached[level]
        );
    }
}
