use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Payload;
use serde_json::{Value, json};

use super::{Call, list, reply};
use crate::api::selectors::Selector;
use crate::api::state::PERMANENT;
use crate::api::{ApiError, request};
use crate::objects::{DeleteRequest, Deleted, Propagation};

/// The options of a deletion: in the body, or in the query.
async fn options(call: &Call, payload: Payload) -> Result<DeleteRequest, ApiError> {
    let body = request::read(payload).await?;
    let body = if body.iter().all(u8::is_ascii_whitespace) {
        Value::Null
    } else {
        request::parse(&call.content_type, &body)?
    };
    let text = |value: &Value| {
        value
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let policy = match call.options.propagation_policy.as_str() {
        "" => text(&body["propagationPolicy"]).unwrap_or_default(),
        policy => policy.to_owned(),
    };
    let propagation = match policy.as_str() {
        "" if body["orphanDependents"] == true => Propagation::Orphan,
        "" | "Background" => Propagation::Background,
        "Foreground" => Propagation::Foreground,
        "Orphan" => Propagation::Orphan,
        other => {
            return Err(ApiError::bad_request(format!(
                "propagationPolicy: found {other:?}, want Background, Foreground or Orphan"
            )));
        }
    };
    let dry_run = match &body["dryRun"] {
        Value::Null => false,
        Value::Array(list) if list.iter().all(|stage| stage == "All") => !list.is_empty(),
        other => {
            return Err(ApiError::bad_request(format!(
                "dryRun: found {other}, want [\"All\"]"
            )));
        }
    };
    Ok(DeleteRequest {
        uid: text(&body["preconditions"]["uid"]),
        resource_version: text(&body["preconditions"]["resourceVersion"]),
        propagation,
        dry_run: dry_run || call.options.dry_run,
    })
}

fn check_permanent(call: &Call, name: &str) -> Result<(), ApiError> {
    let kind = call.target.kind;
    if kind.plural == "namespaces" && PERMANENT.contains(&name) {
        let message =
            format!("namespaces {name:?} is forbidden: this namespace may not be deleted");
        return Err(ApiError::forbidden(message).about(kind, name));
    }
    Ok(())
}

pub(super) async fn one(call: &Call, payload: Payload) -> Result<HttpResponse, ApiError> {
    let kind = call.target.kind;
    let request = options(call, payload).await?;
    check_permanent(call, call.name())?;
    let deleted = call
        .state
        .objects()
        .delete_raw(kind, call.target.namespace(), call.name(), &request)
        .await?
        .ok_or_else(|| ApiError::not_found(kind, call.name()))?;
    match deleted {
        Deleted::Held(object) => Ok(reply::object(call, StatusCode::OK, &object, &[])),
        Deleted::Gone(object) => Ok(HttpResponse::Ok().json(json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {
                "name": call.name(),
                "group": kind.group,
                "kind": kind.plural,
                "uid": object["metadata"]["uid"],
            },
        }))),
    }
}

pub(super) async fn many(call: &Call, payload: Payload) -> Result<HttpResponse, ApiError> {
    let kind = call.target.kind;
    if kind.namespaced && call.target.namespace.is_none() {
        let message = "DELETE at /namespaces/NAMESPACE/…: not in all namespaces at once";
        return Err(ApiError::new(405, "MethodNotAllowed", message));
    }
    let request = options(call, payload).await?;
    let selector = Selector::parse(kind, &call.options)?;
    let (found, _, _) = list::from_store(call, &selector).await?;
    for object in &found {
        let name = object["metadata"]["name"].as_str().unwrap_or("");
        if check_permanent(call, name).is_err() {
            continue;
        }
        let uid = object["metadata"]["uid"].as_str().map(str::to_owned);
        let request = DeleteRequest {
            uid,
            ..request.clone()
        };
        call.state
            .objects()
            .delete_raw(kind, call.target.namespace(), name, &request)
            .await?;
    }
    Ok(HttpResponse::Ok().json(json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": { "group": kind.group, "kind": kind.plural },
    })))
}
