//! `kubectl scale`: exactly so many replicas, whatever the scaling rule says.

use actix_web::HttpResponse;
use actix_web::web::Payload;
use serde_json::{Value, json};

use super::patch::Patch;
use super::{Call, write};
use crate::api::error::cause;
use crate::api::request::Verb;
use crate::api::{ApiError, request};

/// Makes the wanted scale from a function.
type Change = Box<dyn Fn(&Value) -> Result<Value, ApiError>>;

fn scale(function: &Value) -> Value {
    let metadata = &function["metadata"];
    let pinned = &function["spec"]["scaling"]["pinned"];
    let desired = &function["status"]["desiredReplicas"];
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": { "replicas": if pinned.is_null() { desired } else { pinned } },
        "status": {
            "replicas": function["status"]["replicas"],
            "selector": function["status"]["selector"].as_str().unwrap_or(""),
        },
    })
}

pub(super) async fn answer(
    verb: Verb,
    call: &Call,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let kind = call.target.kind;
    let change: Change = match verb {
        Verb::Get => {
            let found = call.object().await?;
            return Ok(HttpResponse::Ok().json(scale(&found)));
        }
        Verb::Patch => {
            let body = request::read(payload).await?;
            let patch = Patch::parse(call, &body)?;
            Box::new(move |old| patch.onto(&scale(old)))
        }
        Verb::Update => {
            let body = request::read(payload).await?;
            let new = request::parse(&call.content_type, &body)?;
            Box::new(move |_| Ok(new.clone()))
        }
        _ => {
            let message = format!("{} is not possible on scale", verb.as_str());
            return Err(ApiError::new(405, "MethodNotAllowed", message));
        }
    };
    let written = write::replace(call, false, |old| {
        let wanted = change(old)?;
        let replicas = wanted["spec"]["replicas"].as_u64().ok_or_else(|| {
            let found = &wanted["spec"]["replicas"];
            let message = format!("found {found}, want a whole number, 0 or more");
            ApiError::invalid(
                kind,
                call.name(),
                vec![cause("FieldValueInvalid", "spec.replicas", message)],
            )
        })?;
        let mut new = old.clone();
        new["spec"]["scaling"]["pinned"] = replicas.into();
        new["metadata"]["resourceVersion"] = wanted["metadata"]["resourceVersion"].clone();
        Ok(new)
    })
    .await?;
    Ok(HttpResponse::Ok().json(scale(&written.object)))
}
