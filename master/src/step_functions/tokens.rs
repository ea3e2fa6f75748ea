//! `SendTaskSuccess`, `SendTaskFailure`, `SendTaskHeartbeat`: answers by token.

use common::resources::TaskAnswer;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Error;
use super::http::Asked;
use crate::workflows::{AnswerError, answer, heartbeat, name_of_token};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Success {
    task_token: String,
    output: String,
}

pub(super) async fn success(asked: &Asked<'_>, input: Success) -> Result<Value, Error> {
    let output = serde_json::from_str(&input.output)
        .map_err(|error| Error::new("InvalidOutput", format!("Invalid Output: '{error}'")))?;
    let said = TaskAnswer {
        output: Some(output),
        ..TaskAnswer::default()
    };
    send(asked, &input.task_token, said).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failure {
    task_token: String,
    error: Option<String>,
    cause: Option<String>,
}

pub(super) async fn failure(asked: &Asked<'_>, input: Failure) -> Result<Value, Error> {
    let said = TaskAnswer {
        error: input.error,
        cause: input.cause,
        failed: true,
        ..TaskAnswer::default()
    };
    send(asked, &input.task_token, said).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Heartbeat {
    task_token: String,
}

pub(super) async fn beat(asked: &Asked<'_>, input: Heartbeat) -> Result<Value, Error> {
    let name = named(&input.task_token)?;
    heartbeat(&asked.service.objects, asked.namespace, &name)
        .await
        .map_err(refused)?;
    Ok(json!({}))
}

async fn send(asked: &Asked<'_>, token: &str, said: TaskAnswer) -> Result<Value, Error> {
    let name = named(token)?;
    answer(&asked.service.objects, asked.namespace, &name, said)
        .await
        .map_err(refused)?;
    Ok(json!({}))
}

fn named(token: &str) -> Result<String, Error> {
    if token.is_empty() || token.len() > 2048 {
        return Err(Error::new("InvalidToken", "Invalid Token: 'Invalid token'"));
    }
    Ok(name_of_token(token))
}

fn refused(error: AnswerError) -> Error {
    match error {
        AnswerError::Over => Error::new(
            "TaskTimedOut",
            "Task Timed Out: 'Provided task does not exist anymore'",
        ),
        AnswerError::Objects(error) => error.into(),
    }
}
