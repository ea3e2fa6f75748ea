use actix_web::web::{Bytes, Payload};
use serde_json::Value;

use super::protobuf;
use crate::api::ApiError;

/// Largest body of an API request; uploads go elsewhere.
const MAX_BODY_BYTES: usize = 3 << 20;

/// Reads a body up to the limit.
pub(crate) async fn read(payload: Payload) -> Result<Bytes, ApiError> {
    match payload.to_bytes_limited(MAX_BODY_BYTES).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(ApiError::bad_request(format!("read the body: {error}"))),
        Err(_) => Err(ApiError::new(
            413,
            "RequestEntityTooLarge",
            format!("the body has more than {MAX_BODY_BYTES} bytes, which is the limit"),
        )),
    }
}

/// Parses a body by its media type: JSON, YAML, or protobuf of a few kinds.
pub(crate) fn parse(content_type: &str, body: &[u8]) -> Result<Value, ApiError> {
    let media = content_type
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    match media.as_str() {
        "application/yaml" | "application/apply-patch+yaml" | "text/yaml" => {
            // JSON is YAML, and JSON's parser keeps numbers as they are.
            if let Ok(value) = serde_json::from_slice(body) {
                return Ok(value);
            }
            let text = std::str::from_utf8(body)
                .map_err(|e| ApiError::bad_request(format!("read the body as YAML: {e}")))?;
            serde_saphyr::from_str(text)
                .map_err(|e| ApiError::bad_request(format!("read the body as YAML: {e}")))
        }
        "application/vnd.kubernetes.protobuf" => protobuf::decode(body).map_err(|error| {
            let message = format!("read the body as protobuf: {error}");
            ApiError::new(415, "UnsupportedMediaType", message)
        }),
        "" | "application/json" => parse_json(body),
        other if other.ends_with("+json") => parse_json(body),
        other => Err(ApiError::new(
            415,
            "UnsupportedMediaType",
            format!("found a body of type {other}, want application/json or application/yaml"),
        )),
    }
}

fn parse_json(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body)
        .map_err(|e| ApiError::bad_request(format!("read the body as JSON: {e}")))
}
