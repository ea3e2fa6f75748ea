//! From what came of a call to an HTTP answer.

use std::io;
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use common::pod_protocol as pod;
use common::resources::Status;
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::mpsc;

use super::departure::departure;
use crate::calls::{Arrival, CallError, InvocationId, Timing};
use crate::hop;
use crate::upstream::Answer;

/// Pieces of an answer that are read before its client takes them.
const PIECES_AHEAD: usize = 2;

/// A part of the answer; `None` at its end.
type Piece = io::Result<Option<Bytes>>;

/// Whether a header passes between client and function. The length is said anew on the way.
pub(super) fn passes(name: &str) -> bool {
    hop::passes(name) && name != "content-length" && !name.starts_with(pod::RESERVED_HEADER_PREFIX)
}

/// The function's own answer.
pub(super) fn of_function(answer: Answer, id: &InvocationId, timing: &Timing) -> HttpResponse {
    let mut response = begin(answer.status, &answer.headers);
    stamp(&mut response, id, timing);
    response.body(answer.body)
}

/// The function's own answer, of which the head is there. It ends early, which the client sees, when the pod breaks
/// off; the call is cancelled when the client goes away, or has not taken the answer when the call's time is over.
pub(super) fn as_it_comes(
    arrival: Arrival,
    request: HttpRequest,
    id: &InvocationId,
    timing: &Timing,
) -> HttpResponse {
    let mut response = begin(arrival.status(), arrival.headers());
    stamp(&mut response, id, timing);
    let length = arrival.length();
    let (taker, taken) = mpsc::channel(PIECES_AHEAD);
    // A task of its own: nobody asks for the next piece while a client reads none, and the call must end all the same.
    actix_web::rt::spawn(hand_on(arrival, request, taker));
    let pieces = stream::try_unfold(taken, |mut taken| async move {
        // One that ends without saying so was broken off.
        let piece = taken.recv().await;
        let piece: Piece = piece.unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into()));
        piece.map(|piece| Some((piece?, taken)))
    });
    match length {
        Some(length) => response.body(SizedStream::new(length, pieces.boxed_local())),
        None => response.streaming(pieces),
    }
}

/// Hands pieces on to the end of the answer, of the client, or of the call's time.
async fn hand_on(mut arrival: Arrival, request: HttpRequest, taker: mpsc::Sender<Piece>) {
    let until = arrival.until();
    let gone = departure(&request);
    tokio::pin!(gone);
    loop {
        let piece = tokio::select! {
            piece = arrival.piece() => piece,
            () = taker.closed() => return,
            () = &mut gone => return,
        };
        let is_last = !matches!(piece, Ok(Some(_)));
        let piece = piece.map_err(|error| {
            tracing::debug!(error = error.explain(), "an answer broke off");
            io::Error::other(error)
        });
        let handed_on = tokio::time::timeout_at(until, taker.send(piece)).await;
        if is_last || !matches!(handed_on, Ok(Ok(()))) {
            return;
        }
    }
}

fn begin(status: http::StatusCode, headers: &http::HeaderMap) -> HttpResponseBuilder {
    let status = StatusCode::from_u16(status.as_u16());
    let mut response = HttpResponse::build(status.unwrap_or(StatusCode::BAD_GATEWAY));
    for (name, value) in headers {
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
    response
}

/// A call that the platform could not make.
pub(super) fn of_error(error: &CallError, id: &InvocationId, timing: &Timing) -> HttpResponse {
    let (code, reason) = error.status();
    let mut response = begin_status(code);
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

fn begin_status(code: u16) -> HttpResponseBuilder {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    if matches!(code, 429 | 503) {
        response.insert_header(("Retry-After", "1"));
    }
    response
}

fn stamp(response: &mut HttpResponseBuilder, id: &InvocationId, timing: &Timing) {
    response.insert_header(("X-Invocation-Id", id.as_str()));
    response.insert_header(("Server-Timing", timing.header()));
}
