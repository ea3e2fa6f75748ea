//! What must hold for any program: a replay is the live run, a crash anywhere changes nothing, nothing panics.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use asl::data::path::Path;
use asl::{Command, Failure, Invocation, Outcome, Program, Run, TaskId, workflow};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use support::World;

/// A state in the making.
#[derive(Debug, Clone)]
enum Node {
    Pass(u8),
    Task {
        function: u8,
        retry: bool,
        catch: bool,
    },
    Wait(u8),
    Choice(u8),
    Parallel {
        branches: Vec<Vec<Node>>,
        retry: bool,
        catch: bool,
    },
    Map {
        items: Vec<u8>,
        body: Vec<Node>,
        concurrency: u8,
        retry: bool,
        catch: bool,
    },
    Fail,
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        4 => any::<u8>().prop_map(Node::Pass),
        6 => (any::<u8>(), any::<bool>(), any::<bool>()).prop_map(|(function, retry, catch)| Node::Task { function, retry, catch }),
        2 => (0..4_u8).prop_map(Node::Wait),
        3 => any::<u8>().prop_map(Node::Choice),
        1 => Just(Node::Fail),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let chain = prop::collection::vec(inner, 1..4);
        prop_oneof![
            (
                prop::collection::vec(chain.clone(), 1..4),
                any::<bool>(),
                any::<bool>()
            )
                .prop_map(|(branches, retry, catch)| Node::Parallel {
                    branches,
                    retry,
                    catch
                }),
            (
                prop::collection::vec(any::<u8>(), 0..4),
                chain,
                0..3_u8,
                any::<bool>(),
                any::<bool>()
            )
                .prop_map(|(items, body, concurrency, retry, catch)| Node::Map {
                    items,
                    body,
                    concurrency,
                    retry,
                    catch
                }),
        ]
    })
}

fn machine(nodes: &[Node], counter: &mut u32) -> Value {
    let names: Vec<String> = nodes
        .iter()
        .map(|_| {
            *counter += 1;
            format!("S{counter}")
        })
        .collect();
    *counter += 1;
    let end = format!("End{counter}");
    let mut states = Map::new();
    let mut reachable_end = false;
    for (index, node) in nodes.iter().enumerate() {
        let next = names.get(index + 1).cloned().unwrap_or_else(|| end.clone());
        let handlers = |state: &mut Value, retry: bool, catch: bool| {
            if retry {
                state["Retry"] =
                    json!([{"ErrorEquals": ["E"], "MaxAttempts": 2, "JitterStrategy": "FULL"}]);
            }
            if catch {
                state["Catch"] = json!([{"ErrorEquals": ["States.ALL"], "Next": next, "ResultPath": "$.caught"}]);
            }
        };
        let mut state = match node {
            Node::Pass(n) => {
                json!({"Type": "Pass", "Result": n, "ResultPath": format!("$.p{}", n % 4), "Next": next})
            }
            Node::Task {
                function,
                retry,
                catch,
            } => {
                let mut state = json!({"Type": "Task", "Resource": format!("f{function}"), "TimeoutSeconds": 60,
                    "Parameters": {"in.$": "$", "run.$": "$$.Execution.Name"}, "ResultPath": format!("$.t{}", function % 4), "Next": next});
                handlers(&mut state, *retry, *catch);
                state
            }
            Node::Wait(n) => json!({"Type": "Wait", "Seconds": n, "Next": next}),
            Node::Choice(n) => json!({"Type": "Choice", "Default": next,
                "Choices": [{"And": [{"Variable": "$.p1", "IsPresent": true}, {"Variable": "$.p1", "NumericLessThan": n}], "Next": end}]}),
            Node::Parallel {
                branches,
                retry,
                catch,
            } => {
                let branches: Vec<Value> = branches.iter().map(|b| machine(b, counter)).collect();
                let mut state = json!({"Type": "Parallel", "Branches": branches, "ResultPath": "$.parallel", "Next": next});
                handlers(&mut state, *retry, *catch);
                state
            }
            Node::Map {
                items,
                body,
                concurrency,
                retry,
                catch,
            } => {
                let mut state = json!({"Type": "Map", "ItemsPath": "$$.Execution.Input.items", "MaxConcurrency": concurrency,
                    "ItemSelector": {"value.$": "$$.Map.Item.Value", "few": items}, "ItemProcessor": machine(body, counter),
                    "ResultPath": "$.map", "Next": next});
                handlers(&mut state, *retry, *catch);
                state
            }
            Node::Fail => json!({"Type": "Fail", "Error": "E", "Cause": "always"}),
        };
        if index + 1 == nodes.len() || matches!(node, Node::Choice(_)) {
            reachable_end |= !matches!(node, Node::Fail);
        }
        if matches!(node, Node::Fail) {
            state.as_object_mut().unwrap().remove("Next");
            states.insert(names[index].clone(), state);
            break;
        }
        states.insert(names[index].clone(), state);
    }
    if reachable_end {
        states.insert(end, json!({"Type": "Succeed"}));
    }
    json!({"StartAt": names[0], "States": states})
}

/// All failures are the same: which of two branches fails first may differ after a crash.
///
/// Functions by number: most answer, some never do well, some only at the second try.
fn call(task: &Invocation) -> Result<Value, Failure> {
    let number: u32 = task.resource.to_string()[1..].parse().unwrap();
    match number % 5 {
        0 => Err(Failure::new("E", "always")),
        1 if task.attempt == 0 => Err(Failure::new("E", "always")),
        _ => Ok(json!({"n": number, "attempt": task.attempt.min(1)})),
    }
}

fn kind(outcome: &Outcome) -> (bool, Option<Value>) {
    match outcome {
        Outcome::Succeeded { output } => (true, Some((**output).clone())),
        _ => (false, None),
    }
}

/// So many cases, times what `make fuzz` says.
fn cases(usual: u32) -> ProptestConfig {
    let times = std::env::var("TROUPE_FUZZ_TIMES").ok();
    let times = times.and_then(|times| times.parse().ok()).unwrap_or(1);
    ProptestConfig {
        cases: usual.saturating_mul(times),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_crash_after_any_record_changes_nothing(nodes in prop::collection::vec(node(), 1..6)) {
        let definition = machine(&nodes, &mut 0);
        let Ok(program) = Program::parse(&definition) else {
            // Unreachable states behind a Fail or a Choice; the generator does not avoid them all.
            return Ok(());
        };
        let mut live = World::new(program.clone());
        let mut whole = vec![(0, Run::new())];
        let input = json!({"items": [1, 2, 3]});
        live.send(Command::Start { input, context: support::context() });
        whole.push((live.journal.len(), live.run.clone()));
        while live.outcome.is_none() {
            let command = live.next_command(&call).expect("the run waits for nothing");
            live.send(command);
            whole.push((live.journal.len(), live.run.clone()));
        }
        let wanted = kind(live.outcome.as_ref().unwrap());
        let journal = live.journal.clone();
        let mut folded = Run::new();
        let stride = (journal.len() / 16).max(1);
        for length in 0..=journal.len() {
            if length > 0 {
                folded.apply(&journal[length - 1]).unwrap();
            }
            // After a whole decision, the fold is the live run.
            if let Some((_, run)) = whole.iter().find(|(n, _)| *n == length) {
                prop_assert_eq!(run, &folded);
            }
            if length == 0 || length % stride != 0 {
                continue;
            }
            let at = journal[..length].iter().rev().find_map(|r| r.event.as_ref()).unwrap().at;
            let mut again = World::resume(&program, &journal[..length], at);
            prop_assert_eq!(&kind(&again.finish(call)), &wanted, "after record {}", length);
        }
        let steps = asl::steps(&journal);
        prop_assert!(steps.iter().all(|s| s.exited.is_some()), "{:?}", steps);
    }

    #[test]
    fn late_and_foreign_commands_are_nothing(nodes in prop::collection::vec(node(), 1..5), ids in prop::collection::vec(0..60_u64, 0..30)) {
        let Ok(program) = Program::parse(&machine(&nodes, &mut 0)) else { return Ok(()) };
        let mut world = World::new(program);
        world.send(Command::Stop { error: None, cause: None });
        prop_assert!(world.journal.is_empty());
        world.send(Command::Start { input: json!({"items": [1]}), context: support::context() });
        for (n, id) in ids.into_iter().enumerate() {
            let task = TaskId(id);
            let kinds = ["wait", "retry", "timeout", "heartbeat", "execution"];
            world.now = world.now.checked_add(std::time::Duration::from_secs(7)).unwrap();
            let command = match n % 7 {
                0 => Command::TaskSucceeded { task, output: json!(id) },
                1 => Command::TaskFailed { task, error: "E".into(), cause: None },
                2 => Command::TaskHeartbeat { task },
                3 => Command::TimerFired { timer: format!("{}-{id}", kinds[n % 5]).parse().unwrap() },
                4 => Command::Resume,
                5 => Command::TaskStarted { task, worker: None },
                _ => Command::Start { input: json!(1), context: support::context() },
            };
            let known = world.run.pending().iter().any(|e| matches!(e, asl::Effect::InvokeTask(i) if i.task == task));
            let is_task = matches!(command, Command::TaskSucceeded { .. } | Command::TaskFailed { .. } | Command::TaskHeartbeat { .. });
            let decision = world.send(command);
            prop_assert!(known || !is_task || decision.is_empty());
        }
        world.send(Command::Stop { error: Some("Stopped".into()), cause: None });
        prop_assert!(world.outcome.is_some());
        let twice = world.send(Command::Stop { error: None, cause: None });
        prop_assert!(twice.is_empty());
    }

    #[test]
    fn paths_never_panic(text in "\\$[a-z.$\\[\\]'\"*?()@!=<>&|0-9:, -]{0,40}", document in json()) {
        if let Ok(path) = Path::parse(&text) {
            let _ = path.find(&document);
        }
    }

    #[test]
    fn texts_never_panic(text in ".{0,60}", call in "States\\.(Format|Array|ArrayRange|StringSplit|MathAdd)\\([a-z'{}\\\\$., 0-9()]{0,30}\\)?") {
        let _ = Path::parse(&text);
        let _ = Program::parse_str(&text);
        let _ = text.parse::<asl::Resource>();
        let _ = asl::data::intrinsics::Call::parse(&call);
        let definition = json!({"StartAt": "A", "States": {"A": {"Type": "Pass", "Parameters": {"x.$": call}, "End": true}}});
        if let Ok(program) = Program::parse(&definition) {
            World::new(program).run(json!({}), |_| Ok(json!(1)));
        }
    }

    #[test]
    fn definitions_never_panic(document in json()) {
        let _ = Program::parse(&document);
        let _ = workflow::compile(&document, "default");
        let _ = Program::parse(&json!({"StartAt": "A", "States": {"A": document}}));
        for kind in ["Task", "Choice", "Pass", "Wait", "Succeed", "Fail", "Parallel", "Map"] {
            let mut state = document.clone();
            if let Some(map) = state.as_object_mut() {
                map.insert("Type".into(), json!(kind));
                map.insert("End".into(), json!(true));
            }
            let _ = Program::parse_str(&json!({"StartAt": "A", "States": {"A": state}}).to_string());
        }
    }
}

/// Documents with keys that definitions have.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z$.\\[\\]{}%]{0,8}".prop_map(Value::from),
        Just(json!("A")),
        Just(json!("$.a")),
    ];
    let keys = prop::sample::select(vec![
        "a",
        "b",
        "x.$",
        "States",
        "StartAt",
        "Type",
        "Next",
        "End",
        "Choices",
        "Default",
        "Branches",
        "ItemProcessor",
        "Iterator",
        "Retry",
        "Catch",
        "ErrorEquals",
        "Variable",
        "NumericEquals",
        "StringEqualsPath",
        "And",
        "Not",
        "Seconds",
        "Timestamp",
        "Resource",
        "Parameters",
        "ResultPath",
        "InputPath",
        "Assign",
        "workflowNodes",
        "entryNodeName",
        "name",
        "type",
        "funcData",
        "choiceData",
        "checkType",
        "compareValue",
        "entryParams",
    ]);
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((keys.clone(), inner), 0..6)
                .prop_map(|pairs| pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

/// Expressions, most of them sensible, some of them not.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("$states.input".to_owned()),
        Just("$states.input.items".to_owned()),
        Just("$v".to_owned()),
        Just("$states.context.State.Name".to_owned()),
        Just("%".to_owned()),
        Just("**".to_owned()),
        "[a-z$@#'\"{}()\\[\\]|/.,:;?!~<>=*+%&^0-9 -]{0,12}",
        (-5..50_i32).prop_map(|n| n.to_string()),
        "'[a-z]{0,4}'",
    ];
    leaf.prop_recursive(5, 40, 3, |inner| {
        let function = prop::sample::select(vec![
            "sum",
            "map",
            "filter",
            "reduce",
            "string",
            "number",
            "split",
            "join",
            "sort",
            "zip",
            "keys",
            "merge",
            "range",
            "partition",
            "hash",
            "pad",
            "replace",
            "match",
            "formatNumber",
            "formatInteger",
            "parseInteger",
            "fromMillis",
            "toMillis",
            "substring",
            "lookup",
            "spread",
            "each",
            "sift",
            "distinct",
            "reverse",
            "append",
            "uuid",
            "random",
        ]);
        let operator = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "&", "=", "<", "in", "and", "..", "~>", ".", ":=", "??",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
            (function, prop::collection::vec(inner.clone(), 0..4))
                .prop_map(|(f, a)| format!("${f}({})", a.join(", "))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}^({b})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("{a}{{{b}: {c}}}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}; {b})")),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!("($f := function($x, $y){{ {a} }}; $f({b}, $f))")),
            inner.clone().prop_map(|a| format!("[{a}]")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{a} ~> |{b}|{{'k': 1}}|")),
        ]
    })
}

proptest! {
    #![proptest_config(cases(300))]

    /// Whatever an expression says: reading it or running it ends, and nothing panics.
    #[test]
    fn jsonata_neither_panics_nor_hangs(expressions in prop::collection::vec(expression(), 4)) {
        let query = |index: usize| format!("{{% {} %}}", expressions[index]);
        let definition = json!({"StartAt": "A", "QueryLanguage": "JSONata", "States": {
            "A": {"Type": "Pass", "Assign": {"v": query(0)}, "Output": {"items": [1, {"a": "b"}], "x": query(1)}, "Next": "B"},
            "B": {"Type": "Choice", "Choices": [{"Condition": query(2), "Next": "C"}], "Default": "C"},
            "C": {"Type": "Map", "Items": query(3), "End": true,
                "ItemProcessor": {"StartAt": "D", "States": {"D": {"Type": "Pass", "End": true}}}}
        }});
        if let Ok(program) = Program::parse(&definition) {
            let query = asl::jsonata::Budget { steps: 20_000, bytes: 1 << 20, ..asl::jsonata::Budget::default() };
            let mut world = World::new(program);
            world.run = Run::with_limits(asl::Limits { query, ..asl::Limits::default() });
            world.run(json!({"items": [3, 1, 2], "o": {"p": [true, null]}}), |_| Ok(json!(null)));
        }
    }

    /// Reading any text as an expression ends.
    #[test]
    fn any_text_is_an_expression_or_an_error(text in "\\PC{0,60}") {
        let _ = asl::jsonata::Expression::parse(&text);
    }
}
