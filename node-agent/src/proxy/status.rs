use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use serde::Serialize;

pub(super) type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    kind: &'a str,
    status: &'a str,
    code: u16,
    reason: &'a str,
    message: &'a str,
}

pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// The agent's own refusal.
pub(super) fn refuse(code: StatusCode, reason: &str, message: &str) -> Response<Body> {
    let status = Status {
        kind: "Status",
        status: "Failure",
        code: code.as_u16(),
        reason,
        message,
    };
    let body = serde_json::to_vec(&status).unwrap_or_default();
    let mut response = Response::new(full(body));
    *response.status_mut() = code;
    let json = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    response
}

/// The header by which a master tells this agent's own 502 from a function's.
pub(super) const PROXY_ERROR: &str = "x-troupe-proxy-error";

/// A call that did not get through to its pod.
pub(super) fn undeliverable(reason: &'static str, message: &str) -> Response<Body> {
    let mut response = refuse(StatusCode::BAD_GATEWAY, reason, message);
    let reason = http::HeaderValue::from_static(reason);
    response.headers_mut().insert(PROXY_ERROR, reason);
    response
}
