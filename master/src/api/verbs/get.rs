use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::{Call, reply};
use crate::api::ApiError;

pub(super) async fn answer(call: &Call) -> Result<HttpResponse, ApiError> {
    let target = &call.target;
    let object = call
        .state
        .objects()
        .get_raw(target.kind, target.namespace(), call.name())
        .await?;
    let object = object.ok_or_else(|| ApiError::not_found(target.kind, call.name()))?;
    Ok(reply::object(call, StatusCode::OK, &object, &[]))
}
