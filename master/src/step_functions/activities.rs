//! Activities: create, describe, list, delete, and the workers' long poll.

use std::time::Duration;

use common::resources::{Activity, ObjectMeta, Resource as _, Task, timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{Error, check_name};
use super::http::Asked;
use super::page::List;
use super::shapes::{seconds, without_nulls};
use super::tags::{self, Tag};
use crate::arn::{Arn, Realm};
use crate::key::ObjectKey;
use crate::objects::ObjectError;
use crate::store::Durability::Durable;

/// How long a worker waits for a task, as in Step Functions.
const POLL: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Create {
    name: String,
    #[serde(default)]
    tags: Vec<Tag>,
}

/// `CreateActivity`. One of the name that is there is given again.
pub(super) async fn create(asked: &Asked<'_>, input: Create) -> Result<Value, Error> {
    check_name(&input.name)?;
    let objects = &asked.service.objects;
    let mut activity = Activity::with_metadata(ObjectMeta::named(asked.namespace, &input.name));
    tags::put(&mut activity.metadata, &input.tags)?;
    let made = match objects.create(activity, Durable).await {
        Ok(made) => made,
        Err(ObjectError::AlreadyExists { .. }) => {
            let found = objects
                .get::<Activity>(asked.namespace, &input.name)
                .await?;
            found.ok_or_else(|| Error::no_activity(&arn(&input.name, asked.realm())))?
        }
        Err(error) => return Err(error.into()),
    };
    Ok(json!({
        "activityArn": arn(&input.name, asked.realm()),
        "creationDate": seconds(made.metadata.creation_timestamp.as_deref()),
    }))
}

fn arn(name: &str, realm: &Realm) -> String {
    Arn::Activity(name.to_owned()).within(realm)
}

fn name_of(arn: &str) -> Result<String, Error> {
    match Arn::parse(arn)? {
        Arn::Activity(name) => Ok(name),
        _ => Err(Error::invalid_arn(arn)),
    }
}

async fn find(asked: &Asked<'_>, arn: &str) -> Result<Activity, Error> {
    let name = name_of(arn)?;
    let objects = &asked.service.objects;
    let found = objects.get::<Activity>(asked.namespace, &name).await?;
    found.ok_or_else(|| Error::no_activity(arn))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    activity_arn: String,
}

pub(super) async fn describe(asked: &Asked<'_>, input: Named) -> Result<Value, Error> {
    let activity = find(asked, &input.activity_arn).await?;
    Ok(json!({
        "activityArn": input.activity_arn,
        "name": activity.metadata.name,
        "creationDate": seconds(activity.metadata.creation_timestamp.as_deref()),
    }))
}

pub(super) async fn delete(asked: &Asked<'_>, input: Named) -> Result<Value, Error> {
    let name = name_of(&input.activity_arn)?;
    let objects = &asked.service.objects;
    objects
        .delete::<Activity>(asked.namespace, &name, None)
        .await?;
    Ok(json!({}))
}

pub(super) async fn list(asked: &Asked<'_>, input: List) -> Result<Value, Error> {
    let page = input.page()?;
    let objects = &asked.service.objects;
    let listed = objects.list::<Activity>(Some(asked.namespace)).await?;
    let (activities, next) = page.of(listed.items.into_iter());
    let shown: Vec<Value> = activities
        .iter()
        .map(|activity| {
            json!({
                "activityArn": arn(&activity.metadata.name, asked.realm()),
                "name": activity.metadata.name,
                "creationDate": seconds(activity.metadata.creation_timestamp.as_deref()),
            })
        })
        .collect();
    Ok(without_nulls(
        json!({ "activities": shown, "nextToken": next }),
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GetTask {
    activity_arn: String,
    worker_name: Option<String>,
}

/// `GetActivityTask`: the oldest task that waits, within a minute; else none.
pub(super) async fn get_task(asked: &Asked<'_>, input: GetTask) -> Result<Value, Error> {
    let activity = find(asked, &input.activity_arn).await?;
    let key = ObjectKey::of(&activity);
    let queue = &asked.service.task_queue;
    let deadline = tokio::time::Instant::now() + POLL;
    loop {
        let news = queue.news();
        tokio::pin!(news);
        news.as_mut().enable();
        if let Some(name) = queue.first(&key) {
            if let Some(task) = take(asked, &name, input.worker_name.as_deref()).await? {
                return Ok(json!({
                    "taskToken": task.spec.token,
                    "input": task.spec.input.to_string(),
                }));
            }
            // Another worker was faster; the queue hears of it in a moment.
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        }
        if tokio::time::timeout_at(deadline, news).await.is_err() {
            return Ok(json!({ "taskToken": null }));
        }
    }
}

/// Takes a task for a worker; `None` when another has it.
async fn take(asked: &Asked<'_>, name: &str, worker: Option<&str>) -> Result<Option<Task>, Error> {
    let objects = &asked.service.objects;
    let now = timestamp(objects.clock().now());
    let mut mine = false;
    let change = |task: &mut Task| {
        mine = task.status.taken_time.is_none() && task.status.answer.is_none();
        if mine {
            task.status.taken_time = Some(now.clone());
            task.status.worker = worker.map(str::to_owned);
        }
        mine
    };
    let task = objects
        .modify::<Task>(asked.namespace, name, Durable, change)
        .await?;
    Ok(task.filter(|_| mine))
}
