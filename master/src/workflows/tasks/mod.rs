//! What the tasks of runs do outside.
//!
//! - `function`: calls a function
//! - `nested`: starts another state machine, and may wait for it
//! - `waiting`: a Task object for a task that somebody answers later
//! - `request`: an HTTPS request to an allowed endpoint
//! - `trial`: a task of no run, for TestState

mod function;
mod nested;
mod request;
mod trial;
mod waiting;

use asl::resource::Pattern;
use asl::{Invocation, Resource};
use common::resources::WorkflowRun;
use serde_json::Value;

use super::WorkflowsTools;

pub(super) use nested::stop as stop_nested;
pub use request::Allowed;
pub use trial::{Traced, Trial, try_task};
pub use waiting::{AnswerError, answer, heartbeat, name_of_token};
pub(super) use waiting::{commands, forget};

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

/// Hears of the answer to a task's request, while the task goes on.
pub(super) type Submitted<'a> = &'a (dyn Fn(Value) + Send + Sync);

/// Carries out a task, or as much of it as the run does itself: `None` when somebody answers it later.
/// Dropping the future cancels it. May be done again after a crash.
pub(super) async fn carry_out(
    tools: &WorkflowsTools,
    run: &WorkflowRun,
    invocation: &Invocation,
    submitted: Submitted<'_>,
) -> Option<TaskResult> {
    // A master that was silent for too long may have a successor, which carries the task out as well.
    tools.tenure.sure().await;
    if invocation.resource.waits_for_token() {
        // Before anybody can hear of the token.
        if let Err(failure) = waiting::ensure(tools, run, invocation).await {
            return Some(failure);
        }
    }
    let asked = invocation.resource.pattern() == Some(Pattern::WaitForTaskToken);
    if asked && invocation.submitted {
        // Before a crash the token was handed out: only its answer is missing.
        return None;
    }
    let result = match &invocation.resource {
        Resource::Activity { name, .. } => {
            return waiting::check_activity(tools, run, name).await;
        }
        Resource::Function { .. } | Resource::LambdaInvoke(_) => match invocation.function_call() {
            Some(Ok(call)) => function::call(tools, run, invocation, call).await,
            Some(Err(failure)) => failed(
                failure.error.as_deref().unwrap_or("States.Runtime"),
                failure.cause.unwrap_or_default(),
            ),
            None => failed("States.Runtime", "the task names no function"),
        },
        Resource::StartExecution(pattern) => {
            nested::start(tools, run, invocation, *pattern, submitted).await
        }
        Resource::HttpInvoke => request::send(&tools.allowed, invocation).await,
        Resource::Service {
            service, action, ..
        } => failed(
            "States.Runtime",
            format!(
                "the service integration {service}:{action} is not offered here; want a function, \
                 lambda:invoke, states:startExecution, an activity or http:invoke"
            ),
        ),
    };
    match result {
        // The request was made; the answer comes by the token.
        TaskResult::Succeeded(output) if asked => {
            submitted(output);
            None
        }
        result => Some(result),
    }
}
