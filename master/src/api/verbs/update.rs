use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Payload;

use super::{Call, reply, write};
use crate::api::{ApiError, request};

pub(super) async fn answer(call: &Call, payload: Payload) -> Result<HttpResponse, ApiError> {
    let body = request::read(payload).await?;
    let raw = request::parse(&call.content_type, &body)?;
    let written = write::replace(call, false, |_| Ok(raw.clone())).await?;
    Ok(reply::object(
        call,
        StatusCode::OK,
        &written.object,
        &written.warnings,
    ))
}
