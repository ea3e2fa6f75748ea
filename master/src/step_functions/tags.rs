//! Tags of state machines and activities: kept with the object, as one annotation.

use std::collections::BTreeMap;

use common::resources::{Activity, ObjectMeta, Resource, StateMachine};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Error;
use super::http::Asked;
use crate::arn::Arn;
use crate::store::Durability::Durable;

/// The annotation: a JSON object. (Keys of annotations and labels cannot be any text, those of tags can.)
const TAGS: &str = "troupe.dev/tags";
/// Most tags of one thing, as in Step Functions.
const MOST: usize = 50;

/// One tag as the protocol writes it.
#[derive(Clone, Deserialize)]
pub(super) struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

type Tags = BTreeMap<String, String>;

fn read(metadata: &ObjectMeta) -> Tags {
    let text = metadata.annotations.get(TAGS);
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

fn write(metadata: &mut ObjectMeta, tags: &Tags) {
    if tags.is_empty() {
        metadata.annotations.remove(TAGS);
    } else {
        metadata
            .annotations
            .insert(TAGS.to_owned(), json!(tags).to_string());
    }
}

/// Gives a new object its tags.
pub(super) fn put(metadata: &mut ObjectMeta, tags: &[Tag]) -> Result<(), Error> {
    let mut all = read(metadata);
    all.extend(tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())));
    if all.len() > MOST {
        let message = format!("tags: found {}, want at most {MOST}", all.len());
        return Err(Error::new("TooManyTags", message));
    }
    write(metadata, &all);
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Add {
    resource_arn: String,
    tags: Vec<Tag>,
}

/// `TagResource`.
pub(super) async fn add(asked: &Asked<'_>, input: Add) -> Result<Value, Error> {
    let mut refused = None;
    change(asked, &input.resource_arn, |metadata| {
        refused = put(metadata, &input.tags).err();
    })
    .await?;
    refused.map_or(Ok(json!({})), Err)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Remove {
    resource_arn: String,
    tag_keys: Vec<String>,
}

/// `UntagResource`.
pub(super) async fn remove(asked: &Asked<'_>, input: Remove) -> Result<Value, Error> {
    change(asked, &input.resource_arn, |metadata| {
        let mut all = read(metadata);
        all.retain(|key, _| !input.tag_keys.contains(key));
        write(metadata, &all);
    })
    .await?;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    resource_arn: String,
}

/// `ListTagsForResource`.
pub(super) async fn list(asked: &Asked<'_>, input: List) -> Result<Value, Error> {
    let mut found = Tags::new();
    change(asked, &input.resource_arn, |metadata| {
        found = read(metadata)
    })
    .await?;
    let tags: Vec<Value> = found
        .iter()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect();
    Ok(json!({ "tags": tags }))
}

/// Changes the metadata of what an ARN names; nothing is written where nothing changes.
async fn change(
    asked: &Asked<'_>,
    arn: &str,
    what: impl FnMut(&mut ObjectMeta) + Send,
) -> Result<(), Error> {
    let found = match Arn::parse(arn)? {
        Arn::StateMachine(name) => modify::<StateMachine>(asked, &name, what).await?,
        Arn::Activity(name) => modify::<Activity>(asked, &name, what).await?,
        Arn::Execution { .. } | Arn::Express { .. } => return Err(Error::invalid_arn(arn)),
    };
    if found {
        return Ok(());
    }
    let message = format!("Resource not found: '{arn}'");
    Err(Error::new("ResourceNotFound", message))
}

async fn modify<R: Resource>(
    asked: &Asked<'_>,
    name: &str,
    mut what: impl FnMut(&mut ObjectMeta) + Send,
) -> Result<bool, Error> {
    let change = |object: &mut R| {
        let before = object.metadata().annotations.clone();
        what(object.metadata_mut());
        object.metadata().annotations != before
    };
    let objects = &asked.service.objects;
    let found = objects
        .modify::<R>(asked.namespace, name, Durable, change)
        .await?;
    Ok(found.is_some())
}
