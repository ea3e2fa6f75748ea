//! From what came of a call to an HTTP answer.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use common::pod_protocol as pod;
use common::resources::Status;

use crate::calls::{CallError, InvocationId, Timing};
use crate::upstream::Answer;

/// Headers that belong to one connection.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
];

/// Whether a header passes between client and function.
pub(super) fn passes(name: &str) -> bool {
    !HOP_BY_HOP.contains(&name) && !name.starts_with(pod::RESERVED_HEADER_PREFIX)
}

/// The function's own answer.
pub(super) fn of_function(answer: Answer, id: &InvocationId, timing: &Timing) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status.as_u16());
    let mut response = HttpResponse::build(status.unwrap_or(StatusCode::BAD_GATEWAY));
    for (name, value) in &answer.headers {
        if !passes(name.as_str()) || name == pod::INVOCATION_ID {
            continue;
        }
        // Two versions of the `http` crate: the same bytes, checked again.
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            response.append_header((name, value));
        }
    }
    stamp(&mut response, id, timing);
    response.body(answer.body)
}

/// A call that the platform could not make.
pub(super) fn of_error(error: &CallError, id: &InvocationId, timing: &Timing) -> HttpResponse {
    let (code, reason) = error.status();
    let mut response = begin_status(code);
    if matches!(code, 429 | 503) {
        response.insert_header(("Retry-After", "1"));
    }
    stamp(&mut response, id, timing);
    response.json(Status::failure(code, reason, error.explain()))
}

/// A call that was refused before it was one.
pub(super) fn of_refusal(
    (code, reason): (u16, &str),
    message: impl Into<String>,
    id: &InvocationId,
    timing: &Timing,
) -> HttpResponse {
    let mut response = begin_status(code);
    stamp(&mut response, id, timing);
    response.json(Status::failure(code, reason, message))
}

/// Any other trouble of the platform.
pub(super) fn of_trouble(code: u16, reason: &str, message: impl Into<String>) -> HttpResponse {
    begin_status(code).json(Status::failure(code, reason, message))
}

/// What every answer carries, on one that is not a function's: how long it was worked on, and the id it
/// has or, when it has none, a new one.
pub(super) fn stamped(mut response: HttpResponse, took: Duration) -> HttpResponse {
    let timing = Timing {
        run: took,
        ..Timing::default()
    };
    let id = InvocationId::new(rand::random());
    let headers = response.headers_mut();
    // Both are plain ASCII.
    if let Ok(timing) = HeaderValue::from_str(&timing.header()) {
        headers.insert(HeaderName::from_static("server-timing"), timing);
    }
    if let Ok(id) = HeaderValue::from_str(id.as_str())
        && !headers.contains_key("x-invocation-id")
    {
        headers.insert(HeaderName::from_static("x-invocation-id"), id);
    }
    response
}

fn begin_status(code: u16) -> actix_web::HttpResponseBuilder {
    HttpResponse::build(StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
}

fn stamp(response: &mut actix_web::HttpResponseBuilder, id: &InvocationId, timing: &Timing) {
    response.insert_header(("X-Invocation-Id", id.as_str()));
    response.insert_header(("Server-Timing", timing.header()));
}
