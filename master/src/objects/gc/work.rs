//! Carries out what the graph decided, if it still holds.

use serde_json::Value;

use super::graph::{Ident, Task};
use crate::objects::lifecycle::{finalizers, meta_text, metadata_mut};
use crate::objects::{DeleteRequest, Durability, ObjectError, Objects};

pub(super) async fn carry_out(objects: &Objects, task: &Task) -> Result<(), ObjectError> {
    match task {
        Task::Delete { object, owners } => {
            let Some(found) = current(objects, object).await? else {
                return Ok(());
            };
            if owners
                .as_ref()
                .is_some_and(|wanted| *wanted != owner_uids(&found))
            {
                return Ok(());
            }
            let request = DeleteRequest {
                uid: Some(object.uid.clone()),
                resource_version: Some(meta_text(&found, "resourceVersion").to_owned()),
                ..DeleteRequest::default()
            };
            objects
                .delete_raw(object.kind, &object.namespace, &object.name, &request)
                .await?;
        }
        Task::Forget { object, owner } => {
            let Some(mut found) = current(objects, object).await? else {
                return Ok(());
            };
            if let Some(owners) = metadata_mut(&mut found)
                .get_mut("ownerReferences")
                .and_then(Value::as_array_mut)
            {
                owners.retain(|reference| reference["uid"] != owner.as_str());
            }
            objects
                .update_raw(object.kind, found, Durability::Durable)
                .await?;
        }
        Task::Release { object, finalizer } => {
            let Some(mut found) = current(objects, object).await? else {
                return Ok(());
            };
            let mut held = finalizers(&found);
            held.retain(|f| f != finalizer);
            metadata_mut(&mut found).insert("finalizers".to_owned(), held.into());
            objects
                .update_raw(object.kind, found, Durability::Durable)
                .await?;
        }
        Task::ReleaseNamespace { object } => {
            let Some(mut found) = current(objects, object).await? else {
                return Ok(());
            };
            found["spec"]["finalizers"] = Value::Array(Vec::new());
            objects
                .update_raw(object.kind, found, Durability::Durable)
                .await?;
        }
    }
    Ok(())
}

/// The object as it is now, if it is still the one that was judged.
async fn current(objects: &Objects, ident: &Ident) -> Result<Option<Value>, ObjectError> {
    let found = objects
        .get_raw(ident.kind, &ident.namespace, &ident.name)
        .await?;
    Ok(found.filter(|found| meta_text(found, "uid") == ident.uid))
}

fn owner_uids(object: &Value) -> Vec<String> {
    let owners = object["metadata"]["ownerReferences"].as_array();
    let owners = owners.map(Vec::as_slice).unwrap_or_default();
    owners
        .iter()
        .filter_map(|owner| owner["uid"].as_str().map(str::to_owned))
        .collect()
}
