use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::{Call, reply};
use crate::api::ApiError;

pub(super) async fn answer(call: &Call) -> Result<HttpResponse, ApiError> {
    let object = call.object().await?;
    Ok(reply::object(call, StatusCode::OK, &object, &[]))
}
