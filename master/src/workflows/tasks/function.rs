//! The function call of a task, and what the engine learns of the answer.

use std::time::Duration;

use asl::{Answer, FunctionCall, Invocation};
use bytes::Bytes;
use common::pod_protocol as pod;
use common::resources::WorkflowRun;
use serde_json::Value;

use super::{TaskResult, failed};
use crate::calls::{Call, CallError, CallKind, Calls, InvocationId, Timing};
use crate::key::ObjectKey;
use crate::router::Refusal;
use crate::upstream::Answer as HttpAnswer;
use crate::workflows::WorkflowsTools;

/// Pause between two looks for it, and before an attempt that the platform lost is repeated.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a task waits for what it needs: a node, room, the end of a build, somebody who unpauses the
/// function.
const WAIT_OUT: Duration = Duration::from_secs(3600);
/// Attempts that may end with the pod before the task fails.
const MOST_LOST: u32 = 3;

/// Calls the function of a task. Dropping the future cancels the call.
pub(super) async fn call(
    tools: &WorkflowsTools,
    run: &WorkflowRun,
    invocation: &Invocation,
    wanted: FunctionCall,
) -> TaskResult {
    let named = wanted.function.namespace.as_deref();
    let namespace = named.unwrap_or(&run.metadata.namespace);
    let id = InvocationId::of_task(&run.metadata.uid, &invocation.task.to_string());
    let call = Call {
        function: ObjectKey::new(namespace, &wanted.function.name),
        id,
        kind: CallKind::Event,
        body: Bytes::from(wanted.payload.to_string()),
        patience: invocation.timeout,
        repeatable: false,
        recorded: true,
    };
    match call_through(&tools.calls, &call, tools.wait_for_function).await {
        Ok((payload, length)) => TaskResult::Succeeded(invocation.function_result(Answer {
            payload,
            content_length: Some(length),
            request_id: call.id.to_string(),
            at: tools.clock.now(),
        })),
        Err(failure) => failure,
    }
}

/// The function's result and how many bytes it was, or the failure.
async fn call_through(
    calls: &Calls,
    call: &Call,
    wait_for_function: Duration,
) -> Result<(Value, usize), TaskResult> {
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
                return Err(failed("Lambda.ResourceNotFoundException", cause));
            }
            CallError::Deadline { .. } => return Err(failed("States.Timeout", error.explain())),
            // A pod that broke off may have been ended by the call itself.
            CallError::Lost { source, .. } if !source.is_unsent() => {
                lost += 1;
                if lost == MOST_LOST {
                    return Err(failed("Lambda.Unknown", error.explain()));
                }
            }
            CallError::Refused { refusal, .. } if lies_in_function(refusal) => {
                return Err(failed("Lambda.ServiceException", error.explain()));
            }
            // No node, a build under way, a room being restarted: none of it is the function's fault.
            CallError::Directory(..) | CallError::Lost { .. } | CallError::Refused { .. } => {
                if begun.elapsed() > WAIT_OUT {
                    return Err(failed("Lambda.ServiceException", error.explain()));
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
fn read(answer: &HttpAnswer) -> Result<(Value, usize), TaskResult> {
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
        return Ok((parsed.unwrap_or_else(text), answer.body.len()));
    }
    let cause = String::from_utf8_lossy(&answer.body).into_owned();
    if answer.header(pod::OUTCOME) == Some(pod::OUTCOME_TIMEOUT) {
        return Err(failed("States.Timeout", cause));
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let name = body
        .get("errorType")
        .and_then(Value::as_str)
        .unwrap_or("Lambda.Unknown");
    Err(failed(name, cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, kind: &'static str, body: &str) -> HttpAnswer {
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", http::HeaderValue::from_static(kind));
        HttpAnswer {
            status: http::StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn json_is_decoded_and_other_text_is_a_string() {
        let big = "12345678901234567890123";
        let read_ok = |kind, body: &str| match read(&answer(200, kind, body)) {
            Ok((value, _)) => value.to_string(),
            Err(failure) => panic!("{failure:?}"),
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
        let Err(TaskResult::Failed { error, cause }) = read(&answer(500, "application/json", body))
        else {
            panic!()
        };
        assert_eq!(error, "ValueError");
        assert_eq!(cause, body);
    }
}
