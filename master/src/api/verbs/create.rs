use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Payload;
use serde_json::Value;

use super::{Call, reply, write};
use crate::api::{ApiError, request};

pub(super) async fn answer(call: &Call, payload: Payload) -> Result<HttpResponse, ApiError> {
    if call.target.kind.namespaced && call.target.namespace.is_none() {
        let message = "POST to /namespaces/NAMESPACE/…: an object of this kind needs a namespace";
        return Err(ApiError::new(405, "MethodNotAllowed", message));
    }
    let body = request::read(payload).await?;
    let mut raw = request::parse(&call.content_type, &body)?;
    strip_status(call, &mut raw);
    let mut new = write::fit(call, raw)?;
    write::note(call, None, &mut new.object);
    let written = write::create(call, new).await?;
    Ok(reply::object(
        call,
        StatusCode::CREATED,
        &written.object,
        &written.warnings,
    ))
}

/// The status of a new object is the platform's.
pub(super) fn strip_status(call: &Call, raw: &mut Value) {
    if call.target.kind.has_status
        && let Value::Object(map) = raw
    {
        map.shift_remove("status");
    }
}
