//! `states:startExecution`: a run that starts another one.

use std::time::Duration;

use asl::Invocation;
use asl::resource::Pattern;
use common::digest::Digest;
use common::resources::{RunPhase, WorkflowRun};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Submitted, TaskResult, failed};
use crate::arn::Arn;
use crate::key::ObjectKey;
use crate::objects::{ObjectError, Objects, insist};
use crate::workflows::{
    Execution, ExecutionError, StartError, WorkflowsTools, execution_arn, execution_name,
    execution_status, find_execution, start_execution, stop_run,
};

/// Wait before the store is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Starts the run that a task asks for and, with `.sync`, waits for its end. Done again after a crash it
/// finds the run that it has started.
pub(super) async fn start(
    tools: &WorkflowsTools,
    run: &WorkflowRun,
    invocation: &Invocation,
    pattern: Pattern,
    submitted: Submitted<'_>,
) -> TaskResult {
    let input = &*invocation.input;
    let arn = input["StateMachineArn"].as_str().unwrap_or_default();
    let Some(machine) = machine_of(invocation) else {
        return failed(
            "StepFunctions.InvalidArnException",
            format!("Invalid Arn: '{arn}'"),
        );
    };
    let nested_input = match &input["Input"] {
        // A definition may give the input as JSON text.
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Value::Null => json!({}),
        other => other.clone(),
    };
    let key = ObjectKey::new(&run.metadata.namespace, &machine);
    let execution = Execution {
        name: nested_name(run, invocation),
        input: nested_input,
        started_by: Some(started_by(run, invocation)),
    };
    let started = loop {
        match start_execution(&tools.objects, &key, execution.clone()).await {
            Ok(started) => break started,
            Err(ExecutionError::Taken(there)) => {
                let arn = execution_arn(&there).within(&tools.realm);
                return failed(
                    "StepFunctions.ExecutionAlreadyExistsException",
                    format!("Execution Already Exists: '{arn}'"),
                );
            }
            Err(ExecutionError::Start(StartError::NotFound { .. })) => {
                return failed(
                    "StepFunctions.StateMachineDoesNotExistException",
                    format!("State Machine Does Not Exist: '{arn}'"),
                );
            }
            Err(ExecutionError::Start(error @ StartError::Definition { .. })) => {
                return failed(
                    "StepFunctions.InvalidDefinitionException",
                    error.to_string(),
                );
            }
            Err(ExecutionError::Start(StartError::Objects(error))) if error.is_lasting() => {
                return refused(&error);
            }
            Err(ExecutionError::Start(StartError::Objects(error))) => {
                let name = &run.metadata.name;
                tracing::warn!(run = name, %error, "could not start a run for another one");
            }
        }
        tokio::time::sleep(RETRY_AFTER).await;
    };
    let shown = |run: &WorkflowRun| execution_arn(run).within(&tools.realm);
    let answer = answered(&started, shown(&started), tools.clock.now());
    match pattern {
        Pattern::RequestResponse | Pattern::WaitForTaskToken => TaskResult::Succeeded(answer),
        Pattern::Sync | Pattern::Sync2 => {
            submitted(answer);
            let Some(ended) = tools.waiters.end_of(&tools.objects, &started).await else {
                let cause = format!("run {} was deleted before it ended", started.metadata.name);
                return failed("States.TaskFailed", cause);
            };
            let arn = Arn::StateMachine(machine).within(&tools.realm);
            let result = report(&ended, shown(&ended), arn, pattern == Pattern::Sync2);
            if ended.status.phase == Some(RunPhase::Succeeded) {
                TaskResult::Succeeded(result)
            } else {
                failed("States.TaskFailed", result.to_string())
            }
        }
    }
}

/// A run that cannot be started, however often that is tried.
fn refused(error: &ObjectError) -> TaskResult {
    let name = match error {
        ObjectError::Invalid { .. } => "StepFunctions.InvalidNameException",
        ObjectError::AlreadyExists { .. } => "StepFunctions.ExecutionAlreadyExistsException",
        ObjectError::Store(_) => "States.DataLimitExceeded",
        _ => "States.Runtime",
    };
    failed(name, crate::explain(error))
}

/// The state machine that a task asks for: by its ARN, or by its name.
fn machine_of(invocation: &Invocation) -> Option<String> {
    let arn = invocation.input["StateMachineArn"].as_str()?;
    match Arn::parse(arn) {
        Ok(Arn::StateMachine(machine)) => Some(machine),
        _ if !arn.contains(':') && !arn.is_empty() => Some(arn.to_owned()),
        _ => None,
    }
}

/// The execution's name: the one that is asked for, else one that is the same after a crash and another
/// for another attempt.
fn nested_name(run: &WorkflowRun, invocation: &Invocation) -> String {
    if let Some(name) = invocation.input["Name"].as_str() {
        return name.to_owned();
    }
    Digest::of(started_by(run, invocation).as_bytes()).hex()[..32].to_owned()
}

fn started_by(run: &WorkflowRun, invocation: &Invocation) -> String {
    format!("{}/{}", run.metadata.uid, invocation.task)
}

/// What the one that starts a run is answered at once.
fn answered(run: &WorkflowRun, arn: String, now: Timestamp) -> Value {
    let mut answer = json!({
        "ExecutionArn": arn,
        "StartDate": run.metadata.creation_timestamp,
    });
    let headers = [
        ("x-amzn-RequestId", run.metadata.uid.clone()),
        ("connection", "keep-alive".to_owned()),
        ("Content-Length", answer.to_string().len().to_string()),
        (
            "Date",
            now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        ),
        ("Content-Type", "application/x-amz-json-1.0".to_owned()),
    ];
    let all: Map<String, Value> = headers
        .iter()
        .map(|(k, v)| ((*k).to_owned(), json!([v])))
        .collect();
    let first: Map<String, Value> = headers
        .iter()
        .map(|(k, v)| ((*k).to_owned(), json!(v)))
        .collect();
    answer["SdkHttpMetadata"] =
        json!({ "AllHttpHeaders": all, "HttpHeaders": first, "HttpStatusCode": 200 });
    answer["SdkResponseMetadata"] = json!({ "RequestId": run.metadata.uid });
    answer
}

/// What a finished run looks like to the one that has waited for it.
fn report(run: &WorkflowRun, arn: String, machine_arn: String, decoded: bool) -> Value {
    let state = &run.status;
    let data = |value: &Value| {
        if decoded {
            value.clone()
        } else {
            Value::String(value.to_string())
        }
    };
    let mut report = json!({
        "ExecutionArn": arn,
        "Input": data(run.spec.input.as_ref().unwrap_or(&json!({}))),
        "InputDetails": { "Included": true },
        "Name": execution_name(run),
        "StartDate": run.metadata.creation_timestamp,
        "StateMachineArn": machine_arn,
        "Status": execution_status(run),
        "StopDate": state.completion_time,
    });
    if let Some(output) = &state.output {
        report["Output"] = data(output);
        report["OutputDetails"] = json!({ "Included": true });
    }
    if let Some(error) = &state.error {
        report["Error"] = error.clone().into();
    }
    if let Some(cause) = &state.cause {
        report["Cause"] = cause.clone().into();
    }
    report
}

/// Stops the run that a cancelled task has started and waits for.
pub(in crate::workflows) async fn stop(
    objects: &Objects,
    run: &WorkflowRun,
    invocation: &Invocation,
) {
    let Some(machine) = machine_of(invocation) else {
        return;
    };
    let key = ObjectKey::new(&run.metadata.namespace, &machine);
    let (own, name) = (started_by(run, invocation), nested_name(run, invocation));
    let find = || find_execution(objects, &key, &name);
    let nested = match insist("find a run to stop", find).await {
        Ok(Some(nested)) if nested.spec.started_by.as_ref() == Some(&own) => nested,
        Ok(_) => return,
        Err(error) => {
            tracing::error!(run = run.metadata.name, %error, "could not find a run to stop");
            return;
        }
    };
    stop_run(objects, &key.namespace, &nested.metadata.name).await;
}
