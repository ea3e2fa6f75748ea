use std::time::Duration;

use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use super::Limits;

/// A body cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// Too many bytes.
    #[error("the request body is larger than {0} bytes")]
    TooLarge(usize),
    /// Too slow.
    #[error("the request body did not arrive within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// The connection broke.
    #[error("read the request body: {0}")]
    Broken(String),
}

impl BodyError {
    /// HTTP status and the reason for a `Status` answer.
    pub(super) fn status(&self) -> (u16, &'static str) {
        match self {
            Self::TooLarge(_) => (413, "RequestEntityTooLarge"),
            Self::TooSlow(_) => (408, "RequestTimeout"),
            Self::Broken(_) => (400, "BadRequest"),
        }
    }
}

/// Reads a whole body within the limits.
pub(super) async fn read(
    request: &HttpRequest,
    payload: web::Payload,
    limits: &Limits,
) -> Result<Bytes, BodyError> {
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok());
    let announced = announced.and_then(|text| text.parse::<usize>().ok());
    if announced == Some(0) {
        return Ok(Bytes::new());
    }
    if announced.is_some_and(|length| length > limits.body_bytes) {
        return Err(BodyError::TooLarge(limits.body_bytes));
    }
    tokio::time::timeout(limits.body_time, collect(payload, limits.body_bytes))
        .await
        .unwrap_or(Err(BodyError::TooSlow(limits.body_time)))
}

async fn collect(mut payload: web::Payload, limit: usize) -> Result<Bytes, BodyError> {
    let mut whole = BytesMut::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|error| BodyError::Broken(error.to_string()))?;
        if whole.len() + piece.len() > limit {
            return Err(BodyError::TooLarge(limit));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}
