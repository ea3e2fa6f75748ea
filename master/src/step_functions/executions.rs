//! Executions: start, describe, list, stop.

use std::time::Duration;

use common::resources::{RunPhase, StateMachineType, WorkflowRun};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{Error, check_name};
use super::http::Asked;
use super::machines;
use super::page::Page;
use super::shapes::{definition_text, machine_arn, seconds, without_nulls};
use crate::arn::Arn;
use crate::key::ObjectKey;
use crate::store::Durability::Durable;
use crate::workflows::{
    Execution, ExecutionError, StartError, execution_arn, execution_name,
    execution_status as status, find_execution, start_execution,
};

/// Longest synchronous execution.
const LONGEST_SYNC: Duration = Duration::from_secs(300);
/// Largest input, in bytes.
const MOST_INPUT: usize = 262_144;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Start {
    state_machine_arn: String,
    name: Option<String>,
    input: Option<String>,
}

/// `StartExecution`. The same name and input again gives the execution that is there.
pub(super) async fn start(asked: &Asked<'_>, input: Start) -> Result<Value, Error> {
    let run = begin(asked, input).await?;
    Ok(json!({
        "executionArn": execution_arn(&run).within(asked.realm()),
        "startDate": seconds(run.metadata.creation_timestamp.as_deref()),
    }))
}

async fn begin(asked: &Asked<'_>, input: Start) -> Result<WorkflowRun, Error> {
    let machine = machines::machine_name(&input.state_machine_arn)?;
    let name = match input.name {
        Some(name) => {
            check_name(&name)?;
            name
        }
        None => uuid(rand::random()),
    };
    let value = parse_input(input.input.as_deref().unwrap_or("{}"))?;
    let key = ObjectKey::new(asked.namespace, &machine);
    let execution = Execution {
        name,
        input: value,
        started_by: None,
    };
    match start_execution(&asked.service.objects, &key, execution).await {
        Ok(run) => Ok(run),
        Err(ExecutionError::Taken(there)) => {
            let arn = execution_arn(&there).within(asked.realm());
            let message = format!("Execution Already Exists: '{arn}'");
            Err(Error::new("ExecutionAlreadyExists", message))
        }
        Err(ExecutionError::Start(StartError::NotFound { .. })) => {
            Err(Error::no_machine(&input.state_machine_arn))
        }
        Err(ExecutionError::Start(error)) => Err(error.into()),
    }
}

fn parse_input(text: &str) -> Result<Value, Error> {
    if text.len() > MOST_INPUT {
        let message = format!(
            "input: found {} bytes, want at most {MOST_INPUT}",
            text.len()
        );
        return Err(Error::validation(message));
    }
    serde_json::from_str(text).map_err(|error| {
        let message = format!("Invalid State Machine Execution Input: '{error}'");
        Error::new("InvalidExecutionInput", message)
    })
}

/// 128 bits as a UUID of version 4.
fn uuid(bits: u128) -> String {
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let cuts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    cuts.map(|(from, to)| &hex[from..to]).join("-")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    execution_arn: String,
}

pub(super) async fn describe(asked: &Asked<'_>, input: Named) -> Result<Value, Error> {
    let run = find(asked, &input.execution_arn).await?;
    let (spec, state) = (&run.spec, &run.status);
    let machine = spec.state_machine.as_deref().unwrap_or_default();
    let included = json!({ "included": true });
    let why_not = why_not_redrivable(&run);
    Ok(without_nulls(json!({
        "executionArn": input.execution_arn,
        "stateMachineArn": machine_arn(machine, asked.realm()),
        "name": execution_name(&run),
        "status": status(&run),
        "startDate": seconds(run.metadata.creation_timestamp.as_deref()),
        "stopDate": seconds(state.completion_time.as_deref()),
        "input": spec.input.clone().unwrap_or_else(|| json!({})).to_string(),
        "inputDetails": included,
        "output": state.output.as_ref().map(Value::to_string),
        "outputDetails": state.output.as_ref().map(|_| included.clone()),
        "error": state.error,
        "cause": state.cause,
        "redriveCount": state.redrives,
        "redriveStatus": if why_not.is_none() { "REDRIVABLE" } else { "NOT_REDRIVABLE" },
        "redriveStatusReason": why_not,
    })))
}

/// Why an execution cannot go on from where it failed.
fn why_not_redrivable(run: &WorkflowRun) -> Option<String> {
    let word = status(run);
    if run.spec.r#type == Some(StateMachineType::Express) {
        return Some("Execution is of an EXPRESS state machine and cannot be redriven".to_owned());
    }
    matches!(word, "RUNNING" | "SUCCEEDED")
        .then(|| format!("Execution is {word} and cannot be redriven"))
}

/// `RedriveExecution`: goes on from where the execution failed; what succeeded is not repeated.
pub(super) async fn redrive(asked: &Asked<'_>, input: Named) -> Result<Value, Error> {
    let run = find(asked, &input.execution_arn).await?;
    let objects = &asked.service.objects;
    let mut why_not = None;
    let change = |run: &mut WorkflowRun| {
        why_not = why_not_redrivable(run);
        if why_not.is_some() || run.is_redriven() {
            return false;
        }
        run.spec.redrives = run.status.redrives + 1;
        run.spec.stop = false;
        (run.spec.stop_error, run.spec.stop_cause) = (None, None);
        true
    };
    objects
        .modify::<WorkflowRun>(asked.namespace, &run.metadata.name, Durable, change)
        .await?;
    if let Some(why) = why_not {
        return Err(Error::new("ExecutionNotRedrivable", why));
    }
    let now = objects.clock().now().to_string();
    Ok(json!({ "redriveDate": seconds(Some(&now)) }))
}

/// `DescribeStateMachineForExecution`: the definition that the execution was started with.
pub(super) async fn machine_of(asked: &Asked<'_>, input: Named) -> Result<Value, Error> {
    let run = find(asked, &input.execution_arn).await?;
    let machine = run.spec.state_machine.as_deref().unwrap_or_default();
    let definition = run.spec.definition.as_ref().map(definition_text);
    Ok(json!({
        "stateMachineArn": machine_arn(machine, asked.realm()),
        "name": machine,
        "definition": definition.unwrap_or_default(),
        "roleArn": run.spec.role_arn.clone().unwrap_or_default(),
        "updateDate": seconds(run.metadata.creation_timestamp.as_deref()),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    state_machine_arn: Option<String>,
    map_run_arn: Option<String>,
    status_filter: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

pub(super) async fn list(asked: &Asked<'_>, input: List) -> Result<Value, Error> {
    let page = Page::read(input.max_results, input.next_token.as_deref())?;
    let machine = match (&input.state_machine_arn, &input.map_run_arn) {
        (Some(arn), None) => Some(machines::find(asked, arn).await?.metadata.name),
        (None, Some(_)) => None,
        _ => {
            let message = "want exactly one of stateMachineArn and mapRunArn";
            return Err(Error::validation(message));
        }
    };
    let objects = &asked.service.objects;
    let is_asked_for = |run: &WorkflowRun| {
        let here = match &machine {
            Some(machine) => {
                run.spec.state_machine.as_ref() == Some(machine) && run.spec.map_run_arn.is_none()
            }
            None => run.spec.map_run_arn == input.map_run_arn,
        };
        let wanted = input.status_filter.as_deref();
        here && wanted.is_none_or(|wanted| status(run) == wanted)
    };
    let mut runs: Vec<WorkflowRun> = Vec::new();
    let look = |mut run: WorkflowRun| {
        if is_asked_for(&run) {
            // There may be very many, and these are not shown.
            (run.spec.input, run.spec.definition) = (None, None);
            (run.status.output, run.status.steps) = (None, Vec::new());
            runs.push(run);
        }
    };
    objects
        .for_each::<WorkflowRun>(Some(asked.namespace), look)
        .await?;
    // The newest first.
    runs.sort_by(|a, b| {
        let made = |run: &WorkflowRun| run.metadata.creation_timestamp.clone();
        made(b).cmp(&made(a))
    });
    let (runs, next) = page.of(runs.into_iter());
    let shown: Vec<Value> = runs
        .iter()
        .map(|run| {
            without_nulls(json!({
                "executionArn": execution_arn(run).within(asked.realm()),
                "stateMachineArn": machine_arn(
                    run.spec.state_machine.as_deref().unwrap_or_default(),
                    asked.realm(),
                ),
                "mapRunArn": run.spec.map_run_arn,
                "name": execution_name(run),
                "status": status(run),
                "startDate": seconds(run.metadata.creation_timestamp.as_deref()),
                "stopDate": seconds(run.status.completion_time.as_deref()),
            }))
        })
        .collect();
    Ok(without_nulls(
        json!({ "executions": shown, "nextToken": next }),
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stop {
    execution_arn: String,
    error: Option<String>,
    cause: Option<String>,
}

pub(super) async fn stop(asked: &Asked<'_>, input: Stop) -> Result<Value, Error> {
    let run = find(asked, &input.execution_arn).await?;
    let objects = &asked.service.objects;
    let change = |run: &mut WorkflowRun| {
        if run.spec.stop || run.status.phase.is_some_and(RunPhase::is_final) {
            return false;
        }
        run.spec.stop = true;
        run.spec.stop_error.clone_from(&input.error);
        run.spec.stop_cause.clone_from(&input.cause);
        true
    };
    objects
        .modify::<WorkflowRun>(asked.namespace, &run.metadata.name, Durable, change)
        .await?;
    let now = objects.clock().now().to_string();
    Ok(json!({ "stopDate": seconds(Some(&now)) }))
}

/// `StartSyncExecution`: runs an EXPRESS state machine to its end.
pub(super) async fn start_sync(asked: &Asked<'_>, input: Start) -> Result<Value, Error> {
    let arn = input.state_machine_arn.clone();
    let machine = machines::find(asked, &arn).await?;
    if machine.spec.r#type.unwrap_or_default() != StateMachineType::Express {
        let message = "This operation is not supported by this type of state machine";
        return Err(Error::new("StateMachineTypeNotSupported", message));
    }
    let run = begin(asked, input).await?;
    let over = |run: &WorkflowRun| run.status.phase.is_some_and(RunPhase::is_final);
    let service = &asked.service;
    let ended = service.waiters.end_of(&service.objects, &run);
    let ended = match tokio::time::timeout(LONGEST_SYNC, ended).await {
        Ok(Some(ended)) => ended,
        Ok(None) => {
            let arn = execution_arn(&run).within(asked.realm());
            return Err(Error::no_execution(&arn));
        }
        Err(_) => run,
    };
    let state = &ended.status;
    let word = if over(&ended) {
        status(&ended)
    } else {
        "TIMED_OUT"
    };
    let took = [&state.start_time, &state.completion_time].map(|at| {
        at.as_ref()
            .and_then(|text| text.parse::<jiff::Timestamp>().ok())
    });
    let took = match took {
        [Some(from), Some(to)] => to.duration_since(from).as_millis(),
        _ => 0,
    };
    let included = json!({ "included": true });
    Ok(without_nulls(json!({
        "executionArn": execution_arn(&ended).within(asked.realm()),
        "stateMachineArn": arn,
        "name": execution_name(&ended),
        "status": word,
        "startDate": seconds(ended.metadata.creation_timestamp.as_deref()),
        "stopDate": seconds(state.completion_time.as_deref()),
        "input": ended.spec.input.clone().unwrap_or_else(|| json!({})).to_string(),
        "inputDetails": included,
        "output": state.output.as_ref().map(Value::to_string),
        "outputDetails": state.output.as_ref().map(|_| included.clone()),
        "error": state.error,
        "cause": state.cause,
        // Whole hundreds, as they are billed elsewhere.
        "billingDetails": { "billedMemoryUsedInMB": 64, "billedDurationInMilliseconds": (took + 99) / 100 * 100 },
    })))
}

/// The run that an execution's ARN names.
pub(super) async fn find(asked: &Asked<'_>, arn: &str) -> Result<WorkflowRun, Error> {
    let (machine, name) = match Arn::parse(arn)? {
        Arn::Execution { machine, name } | Arn::Express { machine, name, .. } => (machine, name),
        _ => return Err(Error::invalid_arn(arn)),
    };
    let key = ObjectKey::new(asked.namespace, &machine);
    find_execution(&asked.service.objects, &key, &name)
        .await?
        .ok_or_else(|| Error::no_execution(arn))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_of_version_4() {
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
