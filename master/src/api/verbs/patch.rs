use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Payload;
use common::resources::timestamp;
use serde_json::Value;

use super::write::{self, Written};
use super::{Call, create, reply};
use crate::api::apply::{self, Writer};
use crate::api::{ApiError, kinds, patch, request};

/// Kinds that kubectl knows: it sends them strategic merge patches.
const STRATEGIC: [&str; 8] = [
    "pods",
    "replicasets",
    "services",
    "nodes",
    "namespaces",
    "secrets",
    "configmaps",
    "events",
];

/// A patch, read.
pub(super) enum Patch {
    Merge(Value),
    Strategic(Value),
    Json(Value),
    Apply(Value),
}

impl Patch {
    pub(super) fn parse(call: &Call, body: &[u8]) -> Result<Self, ApiError> {
        let media = call.content_type.split(';').next().unwrap_or("").trim();
        let value = || request::parse(media, body);
        match media {
            "application/merge-patch+json" => Ok(Self::Merge(value()?)),
            "application/json-patch+json" => Ok(Self::Json(value()?)),
            "application/apply-patch+yaml" => Ok(Self::Apply(value()?)),
            "application/strategic-merge-patch+json"
                if STRATEGIC.contains(&call.target.kind.plural) =>
            {
                Ok(Self::Strategic(value()?))
            }
            other => Err(ApiError::new(
                415,
                "UnsupportedMediaType",
                format!(
                    "found a patch of type {other:?}, want application/merge-patch+json \
                     (kubectl patch --type=merge), application/json-patch+json or \
                     application/apply-patch+yaml"
                ),
            )),
        }
    }

    /// The patched object. An apply is none of these.
    pub(super) fn onto(&self, old: &Value) -> Result<Value, ApiError> {
        let mut new = old.clone();
        match self {
            Self::Merge(patch) => patch::merge(&mut new, patch),
            Self::Strategic(patch) => patch::strategic(&mut new, patch),
            Self::Json(list) => patch::json_patch(&mut new, list.clone())
                .map_err(|why| ApiError::new(422, "Invalid", why))?,
            Self::Apply(_) => {
                return Err(ApiError::new(
                    415,
                    "UnsupportedMediaType",
                    "apply is not possible here",
                ));
            }
        }
        Ok(new)
    }
}

pub(super) async fn answer(call: &Call, payload: Payload) -> Result<HttpResponse, ApiError> {
    let body = request::read(payload).await?;
    let (status, written) = match Patch::parse(call, &body)? {
        Patch::Apply(wanted) => apply(call, wanted).await?,
        patch => (
            StatusCode::OK,
            write::replace(call, false, |old| patch.onto(old)).await?,
        ),
    };
    Ok(reply::object(
        call,
        status,
        &written.object,
        &written.warnings,
    ))
}

/// Server-side apply: changes the object, or makes it.
async fn apply(call: &Call, wanted: Value) -> Result<(StatusCode, Written), ApiError> {
    if call.options.field_manager.is_empty() {
        return Err(ApiError::bad_request(
            "query parameter fieldManager: apply needs one",
        ));
    }
    if wanted["metadata"]["managedFields"]
        .as_array()
        .is_some_and(|list| !list.is_empty())
    {
        return Err(ApiError::bad_request(
            "metadata.managedFields: apply wants none",
        ));
    }
    let kind = call.target.kind;
    let objects = call.state.objects();
    let found = objects
        .get_raw(kind, call.target.namespace(), call.name())
        .await?;
    let merged = |live: Option<&Value>| {
        let normal = kinds::decode(kind, wanted.clone()).map(|decoded| decoded.object);
        let normal = normal.unwrap_or_else(|_| wanted.clone());
        let time = timestamp(objects.clock().now());
        let version = kind.api_version();
        let writer = Writer {
            manager: call.manager(),
            api_version: &version,
            time: &time,
        };
        apply::apply(live, &wanted, &normal, writer, call.options.force).map_err(|causes| {
            let said: Vec<_> = causes
                .iter()
                .map(|cause| format!("{} on {}", cause.message, cause.field))
                .collect();
            let message = format!(
                "Apply failed with {} conflict{}: {}",
                causes.len(),
                if causes.len() == 1 { "" } else { "s" },
                said.join(", ")
            );
            ApiError::new(409, "Conflict", message)
                .about(kind, call.name())
                .with_causes(causes)
        })
    };
    if found.is_none() {
        if wanted["metadata"]["uid"]
            .as_str()
            .is_some_and(|uid| !uid.is_empty())
        {
            let why = "the object does not exist, the request names a uid";
            return Err(crate::objects::ObjectError::conflict(kind, call.name(), why).into());
        }
        let mut raw = merged(None)?;
        create::strip_status(call, &mut raw);
        let new = write::fit(call, raw)?;
        return Ok((StatusCode::CREATED, write::create(call, new).await?));
    }
    let pinned = wanted["metadata"]["resourceVersion"].as_str().unwrap_or("");
    let written = write::replace(call, true, |old| {
        let mut new = merged(Some(old))?;
        if !pinned.is_empty() {
            new["metadata"]["resourceVersion"] = pinned.into();
        }
        Ok(new)
    });
    Ok((StatusCode::OK, written.await?))
}
