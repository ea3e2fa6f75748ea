//! A task that somebody answers later stands as a Task object. Answers are written there first, so that
//! none is lost when the master is killed; the run takes them from there.

use std::time::Duration;

use asl::{Command, Invocation, Resource, TaskId};
use common::digest::Digest;
use common::resources::{
    Activity, ObjectMeta, Resource as _, Task, TaskAnswer, TaskSpec, WorkflowRun, timestamp,
};

use super::{TaskResult, failed};
use crate::objects::{ObjectError, Objects, insist};
use crate::store::Durability::{Durable, Eventual};
use crate::workflows::WorkflowsTools;
use crate::workflows::start::owner;

/// Wait before the store is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// The name of the Task object that a token belongs to.
#[must_use]
pub fn name_of_token(token: &str) -> String {
    Digest::of(token.as_bytes()).hex()[..32].to_owned()
}

/// Makes the task's object, unless it is there from before a crash. Tries until the store answers; one that it will never
/// take has failed.
pub(super) async fn ensure(
    tools: &WorkflowsTools,
    run: &WorkflowRun,
    invocation: &Invocation,
) -> Result<(), TaskResult> {
    let Some(token) = &invocation.token else {
        return Ok(());
    };
    let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs());
    let mut task = Task::with_metadata(ObjectMeta {
        owner_references: vec![owner(run)],
        ..ObjectMeta::named(&*run.metadata.namespace, name_of_token(token))
    });
    task.spec = TaskSpec {
        run: run.metadata.name.clone(),
        run_uid: run.metadata.uid.clone(),
        state: invocation.state.clone(),
        attempt: invocation.task.0,
        activity: match &invocation.resource {
            Resource::Activity { name, .. } => Some(name.clone()),
            _ => None,
        },
        input: (*invocation.input).clone(),
        token: token.clone(),
        timeout_seconds: seconds(invocation.timeout),
        heartbeat_seconds: seconds(invocation.heartbeat),
    };
    loop {
        match tools.objects.create(task.clone(), Durable).await {
            Ok(_) | Err(ObjectError::AlreadyExists { .. }) => return Ok(()),
            Err(error) if error.is_lasting() => {
                let name = match error {
                    ObjectError::Store(_) => "States.DataLimitExceeded",
                    _ => "States.Runtime",
                };
                return Err(failed(name, crate::explain(&error)));
            }
            Err(error) => {
                tracing::warn!(run = run.metadata.name, %error, "could not write a task");
            }
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// Fails the task of an activity that is not there.
pub(super) async fn check_activity(
    tools: &WorkflowsTools,
    run: &WorkflowRun,
    name: &str,
) -> Option<TaskResult> {
    let found = tools
        .objects
        .get::<Activity>(&run.metadata.namespace, name)
        .await;
    match found {
        Ok(None) => Some(failed(
            "States.Runtime",
            format!("The activity {name} does not exist."),
        )),
        // If the store does not answer now, the task waits all the same.
        Ok(Some(_)) | Err(_) => None,
    }
}

/// What a task's object says to its run, given how it stood before. Pure.
pub(in crate::workflows) fn commands(before: Option<&Task>, task: &Task) -> Vec<Command> {
    let id = TaskId(task.spec.attempt);
    let mut commands = Vec::new();
    let (now, before) = (&task.status, before.map(|task| &task.status));
    if now.taken_time.is_some() && before.is_none_or(|before| before.taken_time.is_none()) {
        commands.push(Command::TaskStarted {
            task: id,
            worker: now.worker.clone(),
        });
    }
    let beat = before.and_then(|before| before.heartbeat_time.as_ref());
    if now.heartbeat_time.is_some() && now.heartbeat_time.as_ref() != beat {
        commands.push(Command::TaskHeartbeat { task: id });
    }
    if let Some(answer) = &now.answer
        && before.is_none_or(|before| before.answer.is_none())
    {
        commands.push(if answer.failed {
            Command::TaskFailed {
                task: id,
                error: answer.error.clone().unwrap_or_default(),
                cause: answer.cause.clone(),
            }
        } else {
            Command::TaskSucceeded {
                task: id,
                output: answer.output.clone().unwrap_or_default(),
            }
        });
    }
    commands
}

/// Takes away the object of a task that nobody waits for any more.
pub(in crate::workflows) async fn forget(objects: &Objects, namespace: &str, name: &str) {
    let delete = || objects.delete::<Task>(namespace, name, None);
    if let Err(error) = insist("remove a task", delete).await {
        tracing::error!(task = name, %error, "could not remove a task");
    }
}

/// A task cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// It is over: answered, timed out, or its run ended.
    #[error("the task is not there any more: it was answered, it timed out, or its run ended")]
    Over,
    /// The store failed.
    #[error("write the answer")]
    Objects(#[from] ObjectError),
}

/// Answers a task; on disk when this returns. The first answer counts.
///
/// # Errors
/// When the task is over, or the store fails.
pub async fn answer(
    objects: &Objects,
    namespace: &str,
    name: &str,
    answer: TaskAnswer,
) -> Result<(), AnswerError> {
    let mut first = false;
    let change = |task: &mut Task| {
        first = task.status.answer.is_none();
        if first {
            task.status.answer = Some(answer.clone());
        }
        first
    };
    let found = objects
        .modify::<Task>(namespace, name, Durable, change)
        .await?;
    match found {
        Some(_) if first => Ok(()),
        _ => Err(AnswerError::Over),
    }
}

/// Notes that who does a task is alive.
///
/// # Errors
/// When the task is over, or the store fails.
pub async fn heartbeat(objects: &Objects, namespace: &str, name: &str) -> Result<(), AnswerError> {
    let now = timestamp(objects.clock().now());
    let mut waits = false;
    let change = |task: &mut Task| {
        waits = task.status.answer.is_none();
        let before = task.status.heartbeat_time.replace(now.clone());
        waits && before.as_ref() != Some(&now)
    };
    let found = objects
        .modify::<Task>(namespace, name, Eventual, change)
        .await?;
    match found {
        Some(_) if waits => Ok(()),
        _ => Err(AnswerError::Over),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_change_of_a_task_is_told_once() {
        let mut task = Task::default();
        task.spec.attempt = 7;
        assert_eq!(commands(None, &task), []);
        let before = task.clone();
        task.status.taken_time = Some("t".to_owned());
        task.status.worker = Some("w".to_owned());
        let taken = Command::TaskStarted {
            task: TaskId(7),
            worker: Some("w".to_owned()),
        };
        assert_eq!(commands(Some(&before), &task), std::slice::from_ref(&taken));
        let before = task.clone();
        task.status.answer = Some(TaskAnswer {
            output: Some(json!(null)),
            ..TaskAnswer::default()
        });
        let done = Command::TaskSucceeded {
            task: TaskId(7),
            output: json!(null),
        };
        assert_eq!(commands(Some(&before), &task), std::slice::from_ref(&done));
        assert_eq!(commands(Some(&task), &task), []);
        // A run that was started anew hears all of it.
        assert_eq!(commands(None, &task), [taken, done]);
    }
}
