use common::resources::{Resource as _, WorkflowRun};
use serde_json::Value;

use super::sheet::{Sheet, field, plain};
use crate::client::{Client, Request, ResourceType};
use crate::commands::error::Error;
use crate::commands::target::Target;
use crate::print::age;

/// Steps that are told at most.
const MOST_STEPS: usize = 1000;
/// Characters of a step's input and output that are told.
const MOST_TEXT: usize = 1000;

/// A workflow or state machine: its nodes, and the steps of its last run.
pub(super) async fn write_definition(
    client: &Client,
    target: &Target,
    object: &Value,
    sheet: &mut Sheet,
) -> Result<(), Error> {
    sheet.metadata(object);
    let get = |pointer: &str| object.pointer(pointer);
    sheet.maybe("Access", get("/spec/access"));
    sheet.maybe("Type", get("/spec/type"));
    sheet.maybe("Phase", get("/status/phase"));
    sheet.maybe("Result", get("/status/result"));
    sheet.maybe("Entry Params", get("/spec/entryParams"));
    sheet.maybe("Entry Node", get("/spec/entryNodeName"));
    let nodes = get("/spec/workflowNodes").and_then(Value::as_array);
    if let Some(nodes) = nodes {
        sheet.block("Nodes", &nodes.iter().map(node).collect::<Vec<_>>());
    }
    let definition = get("/spec/definition");
    sheet.maybe(
        "Starts At",
        definition.and_then(|definition| definition.get("StartAt")),
    );
    if let Some(states) = definition.and_then(|definition| definition.get("States")?.as_object()) {
        let lines: Vec<_> = states
            .iter()
            .map(|(name, state)| state_line(name, state))
            .collect();
        sheet.block("States", &lines);
    }
    sheet.conditions(object);
    let last = get("/status/lastRun")
        .map(plain)
        .filter(|name| !name.is_empty());
    if let Some(name) = last {
        let namespace = get("/metadata/namespace").map_or_else(|| target.namespace.clone(), plain);
        sheet.line("Last Run", name.clone());
        let path = ResourceType::from(WorkflowRun::KIND).object(&namespace, &name);
        if let Some(mut run) = client.find(&path).await? {
            complete(client, &mut run).await;
            summary(&run, sheet);
        }
    }
    Ok(())
}

/// A run, with its steps from the journal where the server has it.
pub(super) async fn write_run(client: &Client, run: &Value, sheet: &mut Sheet) {
    let mut run = run.clone();
    complete(client, &mut run).await;
    write(&run, sheet);
}

/// Puts all steps of a run in the place of the last ones that its object keeps, up to a readable number.
async fn complete(client: &Client, run: &mut Value) {
    let (namespace, name) = (
        field(&run["metadata"], "namespace"),
        field(&run["metadata"], "name"),
    );
    let path = ResourceType::from(WorkflowRun::KIND).object(&namespace, &name);
    let path = format!("{path}/steps");
    let limit = MOST_STEPS.to_string();
    let Ok(list) = client.json(Request::get(&path).query("limit", limit)).await else {
        return;
    };
    // What ran in EXPRESS mode has no journal.
    let Some(steps) = list["items"].as_array().filter(|steps| !steps.is_empty()) else {
        return;
    };
    run["status"]["steps"] = steps.clone().into();
    run["status"]["moreSteps"] = list["metadata"]["remainingItemCount"].clone();
}

fn write(run: &Value, sheet: &mut Sheet) {
    sheet.metadata(run);
    sheet.maybe("Workflow", run.pointer("/spec/workflow"));
    sheet.maybe("State Machine", run.pointer("/spec/stateMachine"));
    sheet.maybe("Phase", run.pointer("/status/phase"));
    summary(run, sheet);
    sheet.conditions(run);
}

fn summary(run: &Value, sheet: &mut Sheet) {
    let get = |pointer: &str| run.pointer(pointer);
    sheet.maybe("Started", get("/status/startTime"));
    sheet.maybe("Ended", get("/status/completionTime"));
    sheet.maybe("Input", get("/spec/input"));
    sheet.maybe("Output", get("/status/output"));
    sheet.maybe("Error", get("/status/error"));
    sheet.maybe("Cause", get("/status/cause"));
    let steps = get("/status/steps").and_then(Value::as_array);
    let Some(steps) = steps.filter(|steps| !steps.is_empty()) else {
        return;
    };
    sheet.line("Steps", "");
    for (index, step) in steps.iter().enumerate() {
        // What runs inside a Map or Parallel stands further in.
        let depth = step.get("depth").and_then(Value::as_u64).unwrap_or(0);
        let depth = usize::try_from(depth).unwrap_or(0);
        let place = match step.get("index").and_then(Value::as_u64) {
            Some(place) => format!("[{place}] "),
            None => String::new(),
        };
        let name = format!("{}. {place}{}", index + 1, field(step, "name"));
        sheet.at(1 + 2 * depth, &name, headline(step));
        sheet.at(3 + 2 * depth, "Input", short(field(step, "input")));
        for (name, key) in [("Output", "output"), ("Error", "error")] {
            if let Some(value) = step.get(key).filter(|value| !value.is_null()) {
                sheet.at(3 + 2 * depth, name, short(plain(value)));
            }
        }
    }
    if let Some(more) = get("/status/moreSteps").and_then(Value::as_u64) {
        sheet.at(1, "…", format!("{more} more steps"));
    }
}

/// Data on one line of bearable length.
fn short(text: String) -> String {
    match text.char_indices().nth(MOST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Type, duration and retries of a step.
fn headline(step: &Value) -> String {
    let duration = match step.get("durationMs").and_then(Value::as_u64) {
        Some(ms) => age::milliseconds(ms),
        None => format!(
            "under way for {}",
            age::since(
                step.get("entered").and_then(Value::as_str),
                jiff::Timestamp::now()
            )
        ),
    };
    let retries = match step.get("retries").and_then(Value::as_u64) {
        None | Some(0) => String::new(),
        Some(1) => ", 1 retry".to_owned(),
        Some(n) => format!(", {n} retries"),
    };
    let status = match field(step, "status").as_str() {
        // What goes without saying.
        "" | "Succeeded" | "Running" => String::new(),
        status => format!(", {}", status.to_lowercase()),
    };
    format!("{}, {duration}{retries}{status}", field(step, "type"))
}

fn node(node: &Value) -> Vec<String> {
    let text = |pointer: &str| node.pointer(pointer).map(plain).unwrap_or_default();
    let to = |next: String| {
        if next.is_empty() {
            "(end)".to_owned()
        } else {
            format!("-> {next}")
        }
    };
    if text("/type") == "choice" {
        let question = format!(
            "{} {} {}",
            text("/choiceData/checkVarName"),
            text("/choiceData/checkType"),
            text("/choiceData/compareValue")
        );
        let next = format!(
            "-> {}, else {}",
            text("/choiceData/trueNextNodeName"),
            text("/choiceData/falseNextNodeName")
        );
        return vec![text("/name"), "choice".to_owned(), question, next];
    }
    let namespace = text("/funcData/funcNamespace");
    let function = text("/funcData/funcName");
    let function = if namespace.is_empty() {
        function
    } else {
        format!("{namespace}/{function}")
    };
    vec![
        text("/name"),
        "func".to_owned(),
        function,
        to(text("/funcData/nextNodeName")),
    ]
}

fn state_line(name: &str, state: &Value) -> Vec<String> {
    let choices = state
        .get("Choices")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let mut next: Vec<String> = choices.map(|choice| field(choice, "Next")).collect();
    next.extend(
        ["Next", "Default"]
            .iter()
            .map(|key| field(state, key))
            .filter(|next| !next.is_empty()),
    );
    let next = if next.is_empty() {
        "(end)".to_owned()
    } else {
        format!("-> {}", next.join(", "))
    };
    vec![
        name.to_owned(),
        field(state, "Type"),
        field(state, "Resource"),
        next,
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_tells_its_steps() {
        let run = json!({
            "metadata": {"name": "r1", "namespace": "default"},
            "spec": {"workflow": "w", "input": {"x": 1}},
            "status": {"phase": "Failed", "error": "ValueError", "cause": "bad", "steps": [
                {"name": "node1", "type": "Task", "entered": "2026-01-01T00:00:00Z", "durationMs": 12, "input": "{\"x\":1}",
                 "output": "{\"x\":3}", "retries": 0},
                {"name": "node2", "type": "Choice", "entered": "", "durationMs": 0, "input": "{\"x\":3}", "output": "{\"x\":3}", "retries": 0},
                {"name": "node3", "type": "Task", "entered": "", "durationMs": 61000, "input": "{}", "retries": 2, "error": "ValueError",
                 "status": "Failed"},
                {"name": "inner", "type": "Pass", "entered": "", "durationMs": 1, "input": "1", "retries": 0, "depth": 1, "index": 4},
            ], "moreSteps": 7},
        });
        let mut sheet = Sheet::default();
        write(&run, &mut sheet);
        insta::assert_snapshot!(sheet.finish(), @r#"
        Name:         r1
        Namespace:    default
        Labels:       <none>
        Annotations:  <none>
        Workflow:     w
        Phase:        Failed
        Input:        {"x":1}
        Error:        ValueError
        Cause:        bad
        Steps:
          1. node1: Task, 12ms
              Input: {"x":1}
              Output: {"x":3}
          2. node2: Choice, 0ms
              Input: {"x":3}
              Output: {"x":3}
          3. node3: Task, 61s, 2 retries, failed
              Input: {}
              Error: ValueError
              4. [4] inner: Pass, 1ms
                  Input: 1
          …: 7 more steps
        "#);
    }

    #[test]
    fn nodes_and_states_tell_where_they_lead() {
        let choice = json!({"name": "node2", "type": "choice", "choiceData": {"checkVarName": "y", "checkType": "numGreaterThan",
            "compareValue": 0, "trueNextNodeName": "node3", "falseNextNodeName": "node4"}});
        assert_eq!(
            node(&choice),
            [
                "node2",
                "choice",
                "y numGreaterThan 0",
                "-> node3, else node4"
            ]
        );
        let last = json!({"name": "node3", "type": "func", "funcData": {"funcName": "f", "funcNamespace": "n"}});
        assert_eq!(node(&last), ["node3", "func", "n/f", "(end)"]);
        let state =
            json!({"Type": "Choice", "Choices": [{"Next": "A"}, {"Next": "B"}], "Default": "C"});
        assert_eq!(state_line("S", &state), ["S", "Choice", "", "-> A, B, C"]);
    }
}
