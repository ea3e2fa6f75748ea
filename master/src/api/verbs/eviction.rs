//! `kubectl drain`: a pod leaves its node once another one is ready in its place.

use actix_web::HttpResponse;
use actix_web::web::Payload;
use common::resources::{
    Condition, DISRUPTION, Kind, Pod, PodPhase, Resource as _, set_condition, timestamp,
};
use serde_json::{Value, json};

use super::Call;
use crate::api::{ApiError, request};
use crate::objects::ObjectError;
use crate::store::Durability::Durable;

pub(super) fn has(kind: &Kind) -> bool {
    kind == Pod::KIND
}

/// What of an Eviction matters here. Pods end in order, whatever grace it names.
struct Eviction {
    uid: Option<String>,
    dry_run: bool,
}

impl Eviction {
    fn parse(call: &Call, body: &Value) -> Result<Self, ApiError> {
        let name = body["metadata"]["name"].as_str().unwrap_or("");
        if !name.is_empty() && name != call.name() {
            return Err(ApiError::bad_request(format!(
                "metadata.name: found {name:?}, the path names pod {:?}",
                call.name()
            )));
        }
        let options = &body["deleteOptions"];
        let dry_run = options["dryRun"]
            .as_array()
            .is_some_and(|all| !all.is_empty());
        Ok(Self {
            uid: options["preconditions"]["uid"].as_str().map(str::to_owned),
            dry_run: dry_run || call.options.dry_run,
        })
    }
}

pub(super) async fn answer(call: &Call, payload: Payload) -> Result<HttpResponse, ApiError> {
    let body = request::read(payload).await?;
    let body = if body.iter().all(u8::is_ascii_whitespace) {
        Value::Null
    } else {
        request::parse(&call.content_type, &body)?
    };
    let eviction = Eviction::parse(call, &body)?;
    let objects = call.state.objects();
    let (namespace, name) = (call.target.namespace(), call.name());
    let found = objects.get::<Pod>(namespace, name).await?;
    let pod = found.ok_or_else(|| ApiError::not_found(Pod::KIND, name))?;
    let uid = &pod.metadata.uid;
    if eviction.uid.as_ref().is_some_and(|wanted| wanted != uid) {
        let why = format!("the pod's uid is {uid}");
        return Err(ObjectError::conflict(Pod::KIND, name, why).into());
    }
    if !eviction.dry_run {
        let ended = pod.status.phase.is_some_and(PodPhase::is_final);
        if ended || pod.metadata.controller().is_none() {
            // Nobody replaces it.
            objects.delete::<Pod>(namespace, name, Some(uid)).await?;
        } else {
            let why = Condition::new(DISRUPTION, true, "EvictionByEvictionAPI", "it was evicted");
            let now = timestamp(objects.clock().now());
            let mark = |pod: &mut Pod| {
                pod.metadata.uid == *uid
                    && set_condition(&mut pod.status.conditions, why.clone(), &now)
            };
            objects
                .modify::<Pod>(namespace, name, Durable, mark)
                .await?;
        }
    }
    Ok(HttpResponse::Created().json(json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "code": 201,
    })))
}
