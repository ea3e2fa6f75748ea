use std::time::Duration;

use asl::resource::FunctionRef;
use asl::{Failure, Invocation, Resource};
use common::resources::{Function, ObjectMeta, Resource as _, WorkflowRun};
use serde_json::Value;

use super::request;
use super::{TaskResult, carry_out, failed};
use crate::workflows::WorkflowsTools;

/// Longest trial, as in Step Functions.
const LONGEST: Duration = Duration::from_secs(300);

/// What came of a trial.
pub struct Trial {
    /// The task's result or failure.
    pub result: Result<Value, Failure>,
    /// The request of a task that makes one.
    pub request: Option<Traced>,
}

/// An HTTP request as it was sent.
pub struct Traced {
    /// Like `POST`.
    pub method: String,
    /// With its query.
    pub url: String,
    /// By name; several values of one name are joined with commas.
    pub headers: serde_json::Map<String, Value>,
    /// As text.
    pub body: Option<String>,
}

/// Carries out a task on its own, in the name of no run: nothing is stored. Tasks that wait for a token or
/// for another run are not for this.
pub async fn try_task(tools: &WorkflowsTools, namespace: &str, invocation: &Invocation) -> Trial {
    let mut run = WorkflowRun::with_metadata(ObjectMeta::named(namespace, "test-state"));
    // Ids of calls follow from it.
    run.metadata.uid = format!("{:032x}", rand::random::<u128>());
    if let Some(Ok(call)) = invocation.function_call()
        && let Some(missing) = missing(tools, namespace, &call.function).await
    {
        return Trial {
            result: Err(missing),
            request: None,
        };
    }
    let limit = invocation
        .timeout
        .map_or(LONGEST, |limit| limit.min(LONGEST));
    let work = carry_out(tools, &run, invocation, &|_| ());
    let result = match tokio::time::timeout(limit, work).await {
        Ok(Some(result)) => result,
        Ok(None) => failed("States.Runtime", "the task waits for somebody's answer"),
        Err(_) => failed("States.Timeout", ""),
    };
    let result = match result {
        TaskResult::Succeeded(output) => Ok(output),
        TaskResult::Failed { error, cause } => Err(Failure::new(error, cause)),
    };
    let request = match invocation.resource {
        Resource::HttpInvoke => request::trace(&tools.allowed, &invocation.input),
        _ => None,
    };
    Trial { result, request }
}

/// The failure of a call of a function that is not there. (A run waits for it; who tests wants to know.)
async fn missing(
    tools: &WorkflowsTools,
    namespace: &str,
    function: &FunctionRef,
) -> Option<Failure> {
    let namespace = function.namespace.as_deref().unwrap_or(namespace);
    let found = tools
        .objects
        .get::<Function>(namespace, &function.name)
        .await;
    matches!(found, Ok(None)).then(|| {
        let cause = format!("Function not found: {namespace}/{}", function.name);
        Failure::new("Lambda.ResourceNotFoundException", cause)
    })
}
