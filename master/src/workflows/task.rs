//! A task of a run: the call it makes, and what the engine learns of the answer.

use std::time::Duration;

use asl::{Invocation, Resource};
use bytes::Bytes;
use common::pod_protocol as pod;
use serde_json::{Value, json};

use crate::calls::{Call, CallError, CallKind, Calls, InvocationId, Timing};
use crate::key::ObjectKey;
use crate::router::Refusal;
use crate::upstream::Answer;

/// Pause between two looks for it, and before an attempt that the platform lost is repeated.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a task waits for what it needs: a node, room, the end of a build, somebody who unpauses the
/// function.
const WAIT_OUT: Duration = Duration::from_secs(3600);
/// Attempts that may end with the pod before the task fails.
const MOST_LOST: u32 = 3;

/// How a task ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TaskResult {
    /// With an output.
    Succeeded(Value),
    /// With an error, as Retry and Catch name it.
    Failed { error: String, cause: String },
}

fn failed(error: &str, cause: impl Into<String>) -> TaskResult {
    TaskResult::Failed {
        error: error.to_owned(),
        cause: cause.into(),
    }
}

/// Carries out a task. Dropping the future cancels its call.
pub(super) async fn carry_out(
    calls: &Calls,
    namespace: &str,
    run_uid: &str,
    invocation: Invocation,
    wait_for_function: Duration,
) -> TaskResult {
    let (function, input, wrapped) = match target(&invocation, namespace) {
        Ok(target) => target,
        Err(result) => return result,
    };
    let call = Call {
        function,
        id: InvocationId::of_task(run_uid, &invocation.task.to_string()),
        kind: CallKind::Event,
        body: Bytes::from(input.to_string()),
        patience: invocation.timeout,
        repeatable: false,
    };
    let result = call_through(calls, &call, wait_for_function).await;
    match result {
        TaskResult::Succeeded(output) if wrapped => TaskResult::Succeeded(json!({
            "ExecutedVersion": "$LATEST",
            "Payload": output,
            "StatusCode": 200,
        })),
        result => result,
    }
}

/// The function a task calls, with what input, and whether the result is wrapped as
/// `lambda:invoke` does.
fn target(
    invocation: &Invocation,
    namespace: &str,
) -> Result<(ObjectKey, Value, bool), TaskResult> {
    let input = &*invocation.input;
    match &invocation.resource {
        Resource::Function { function, .. } => {
            let namespace = function.namespace.as_deref().unwrap_or(namespace);
            Ok((
                ObjectKey::new(namespace, &function.name),
                input.clone(),
                false,
            ))
        }
        Resource::LambdaInvoke(asl::resource::Pattern::RequestResponse) => {
            let name = input
                .get("FunctionName")
                .and_then(Value::as_str)
                .unwrap_or_default();
            match name.parse::<Resource>() {
                Ok(Resource::Function { function, .. }) => {
                    let payload = input.get("Payload").cloned().unwrap_or_else(|| json!({}));
                    let namespace = function.namespace.as_deref().unwrap_or(namespace);
                    Ok((ObjectKey::new(namespace, &function.name), payload, true))
                }
                _ => Err(failed(
                    "States.Runtime",
                    format!("Parameters.FunctionName is {name:?}; want a function's name or ARN"),
                )),
            }
        }
        _ => Err(failed(
            "States.Runtime",
            "this Resource is not supported here yet; want a function: NAME, NAMESPACE/NAME or a Lambda ARN",
        )),
    }
}

async fn call_through(calls: &Calls, call: &Call, wait_for_function: Duration) -> TaskResult {
    let mut lost = 0_u32;
    let begun = tokio::time::Instant::now();
    loop {
        let error = match calls.call(call, &mut Timing::default()).await {
            Ok(answer) => return read(&answer),
            Err(error) => error,
        };
        match &error {
            CallError::NoSuchFunction(_) if begun.elapsed() < wait_for_function => {}
            CallError::NoSuchFunction(function) => {
                let waited = wait_for_function.as_secs();
                let cause =
                    format!("function {function} does not exist (waited {waited} s for it)");
                return failed("Lambda.ResourceNotFoundException", cause);
            }
            CallError::Deadline { .. } => return failed("States.Timeout", error.explain()),
            // A pod that broke off may have been ended by the call itself.
            CallError::Lost { source, .. } if !source.is_unsent() => {
                lost += 1;
                if lost == MOST_LOST {
                    return failed("Lambda.Unknown", error.explain());
                }
            }
            CallError::Refused { refusal, .. } if lies_in_function(refusal) => {
                return failed("Lambda.ServiceException", error.explain());
            }
            // No node, a build under way, a room being restarted: none of it is the function's fault.
            CallError::Directory(..) | CallError::Lost { .. } | CallError::Refused { .. } => {
                if begun.elapsed() > WAIT_OUT {
                    return failed("Lambda.ServiceException", error.explain());
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a call was refused for a reason that waiting will not mend.
fn lies_in_function(refusal: &Refusal) -> bool {
    const PASSING: [&str; 12] = [
        "NoNodes",
        "NodesNotReady",
        "NoMatchingNode",
        "NoCapacity",
        "SchedulerDown",
        "WriteFailed",
        "StoreFailed",
        "LayerFailed",
        "NodeFailed",
        "NodeLost",
        "PodLost",
        "Lost",
    ];
    match refusal {
        Refusal::Unavailable { reason, .. } => !PASSING.contains(&reason.as_str()),
        Refusal::Deleted | Refusal::QueueFull(_) | Refusal::Paused | Refusal::HoldExpired(_) => {
            false
        }
    }
}

/// What a pod's answer means to a run.
fn read(answer: &Answer) -> TaskResult {
    if answer.status.is_success() {
        let json = answer
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/json"));
        let text = || Value::String(String::from_utf8_lossy(&answer.body).into_owned());
        let parsed = if json {
            serde_json::from_slice(&answer.body).ok()
        } else {
            None
        };
        return TaskResult::Succeeded(parsed.unwrap_or_else(text));
    }
    let cause = String::from_utf8_lossy(&answer.body).into_owned();
    if answer.header(pod::OUTCOME) == Some(pod::OUTCOME_TIMEOUT) {
        return failed("States.Timeout", cause);
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let name = body
        .get("errorType")
        .and_then(Value::as_str)
        .unwrap_or("Lambda.Unknown");
    failed(name, cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, kind: &'static str, body: &str) -> Answer {
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", http::HeaderValue::from_static(kind));
        Answer {
            status: http::StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn json_is_decoded_and_other_text_is_a_string() {
        let big = "12345678901234567890123";
        let read_ok = |kind, body: &str| match read(&answer(200, kind, body)) {
            TaskResult::Succeeded(value) => value.to_string(),
            TaskResult::Failed { .. } => panic!(),
        };
        assert_eq!(
            read_ok("application/json", big),
            big,
            "integers keep their precision"
        );
        assert_eq!(read_ok("text/plain", "hello"), "\"hello\"");
    }

    #[test]
    fn an_exception_is_an_error_by_its_own_name() {
        let body = r#"{"errorType":"ValueError","errorMessage":"no","stackTrace":[]}"#;
        let TaskResult::Failed { error, cause } = read(&answer(500, "application/json", body))
        else {
            panic!()
        };
        assert_eq!(error, "ValueError");
        assert_eq!(cause, body);
    }
}
