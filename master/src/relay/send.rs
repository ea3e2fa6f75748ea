//! One request's way to the leader and back.

use std::io;
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError as _};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::body::{Body, Received};
use super::line::{self, Sender};
use super::request::Head;
use super::state::Relay;
use crate::api::ApiError;
use crate::hop;
use crate::store::lead::Leader;

/// How long a request waits for somebody who leads: longer than a lease and a start.
pub(super) const HOLD: Duration = Duration::from_secs(15);
/// Pause before the same leader is tried again.
const AGAIN: Duration = Duration::from_millis(100);
/// Seconds after which a client should try again.
const RETRY_AFTER: u32 = 2;
/// Most connections kept for later in one thread.
const MOST_IDLE: usize = 64;
/// The header by which a master says that it took no request, since it does not lead.
pub(super) const NOT_LEADING: &str = "x-troupe-not-leading";

/// What came of a try.
enum Try {
    Answered(Sender, http::Response<Incoming>),
    /// Nothing reached the leader.
    Unsent(String, Body),
    /// It may have been carried out; unless `by_own_ports`: when this master has just taken the lead, its ports close
    /// what they took last as a standby's.
    Broken {
        why: String,
        by_own_ports: bool,
    },
}

/// Sends a request to whoever leads, and gives his answer.
pub(super) async fn send(
    relay: &actix_web::web::Data<Relay>,
    head: &Head,
    body: Received,
) -> HttpResponse {
    let until = Instant::now() + HOLD;
    let (whole, mut coming) = match body {
        Received::Whole(bytes) => (Some(bytes), None),
        Received::Coming(body) => (None, Some(body)),
    };
    let mut why = "no master leads".to_owned();
    while let Some(leader) = relay.leader(until).await {
        let sender = match take(relay, &leader).await {
            Ok(sender) => sender,
            Err(error) => {
                why = crate::explain(&error);
                if Instant::now() >= until {
                    break;
                }
                relay.pause(&leader, AGAIN).await;
                continue;
            }
        };
        let body = match (&whole, coming.take()) {
            (Some(bytes), _) => Body::Whole(Some(bytes.clone())),
            (None, Some(body)) => body,
            // It was on its way to one that does not lead any more, and cannot be sent again.
            (None, None) => break,
        };
        let repeatable = head.is_repeatable() && whole.is_some();
        match attempt(relay, &leader, sender, head.with(body)).await {
            Try::Answered(_, answer) if answer.headers().contains_key(NOT_LEADING) => {
                "it does not lead any more".clone_into(&mut why);
            }
            Try::Answered(sender, answer) => return hand_on(relay, leader, sender, answer),
            Try::Unsent(error, unsent) => {
                why = error;
                coming = whole.is_none().then_some(unsent);
            }
            Try::Broken {
                why: error,
                by_own_ports,
            } => {
                // Connections that were kept have most likely ended with it.
                relay.idle.borrow_mut().clear();
                if !(repeatable || by_own_ports && whole.is_some()) {
                    return lost(&error);
                }
                why = error;
            }
        }
        if Instant::now() >= until {
            break;
        }
        relay.pause(&leader, AGAIN).await;
    }
    unavailable(&why)
}

async fn take(relay: &Relay, leader: &Leader) -> Result<Sender, line::LineError> {
    loop {
        let kept = {
            let mut idle = relay.idle.borrow_mut();
            idle.retain(|(url, sender)| *url == leader.url && !sender.is_closed());
            idle.pop()
        };
        let Some((_, mut sender)) = kept else {
            return line::connect(&leader.url, &relay.tls).await;
        };
        if sender.ready().await.is_ok() {
            return Ok(sender);
        }
    }
}

async fn attempt(
    relay: &Relay,
    leader: &Leader,
    mut sender: Sender,
    request: http::Request<Body>,
) -> Try {
    let answer = tokio::select! {
        answer = sender.try_send_request(request) => answer,
        () = relay.succeeded(leader) => return Try::Broken {
            why: "another master leads now".to_owned(),
            by_own_ports: false,
        },
    };
    match answer {
        Ok(answer) => Try::Answered(sender, answer),
        Err(mut error) => {
            let unsent = error.take_message();
            let text = crate::explain(&error.into_error());
            match unsent {
                Some(request) => Try::Unsent(text, request.into_body()),
                None => Try::Broken {
                    why: text,
                    by_own_ports: relay.is_own(leader),
                },
            }
        }
    }
}

/// The leader's answer, as it comes.
fn hand_on(
    relay: &actix_web::web::Data<Relay>,
    leader: Leader,
    sender: Sender,
    answer: http::Response<Incoming>,
) -> HttpResponse {
    let (head, body) = answer.into_parts();
    let status = StatusCode::from_u16(head.status.as_u16());
    let mut response = HttpResponse::build(status.unwrap_or(StatusCode::BAD_GATEWAY));
    let mut length = None;
    for (name, value) in &head.headers {
        if name == CONTENT_LENGTH.as_str() {
            length = value
                .to_str()
                .ok()
                .and_then(|text| text.parse::<u64>().ok());
        } else if hop::passes(name.as_str()) {
            // Two versions of the `http` crate: the same bytes, checked again.
            let name = HeaderName::from_bytes(name.as_str().as_bytes());
            let value = HeaderValue::from_bytes(value.as_bytes());
            if let (Ok(name), Ok(value)) = (name, value) {
                response.append_header((name, value));
            }
        }
    }
    if relay.is_own(&leader) {
        // The next request on this connection is to come to the server that took this one's place.
        response.force_close();
    }
    let pieces = Box::pin(pieces(relay.clone(), leader, sender, body));
    match length {
        Some(length) => response.body(SizedStream::new(length, pieces)),
        None => response.streaming(pieces),
    }
}

/// The pieces of an answer's body. Dropping them closes the connection, by which the leader learns that nobody
/// waits any more; at the end the connection is kept.
fn pieces(
    relay: actix_web::web::Data<Relay>,
    leader: Leader,
    sender: Sender,
    body: Incoming,
) -> impl Stream<Item = io::Result<Bytes>> {
    let state = Some((relay, leader, sender, body));
    stream::unfold(state, async |state| {
        let (relay, leader, sender, mut body) = state?;
        loop {
            let frame = tokio::select! {
                frame = body.frame() => frame,
                () = relay.succeeded(&leader) => {
                    return Some((Err(io::Error::other("another master leads now")), None));
                }
            };
            match frame {
                None => {
                    let mut idle = relay.idle.borrow_mut();
                    if idle.len() < MOST_IDLE {
                        idle.push((leader.url, sender));
                    }
                    return None;
                }
                Some(Err(error)) => return Some((Err(io::Error::other(error)), None)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Some((Ok(data), Some((relay, leader, sender, body))));
                    }
                }
            }
        }
    })
}

fn lost(why: &str) -> HttpResponse {
    let message = format!(
        "the leading master went away with this request ({why}); whether it was carried out is not known"
    );
    ApiError::new(502, "LeaderLost", message)
        .retry_after(RETRY_AFTER)
        .error_response()
}

pub(super) fn unavailable(why: &str) -> HttpResponse {
    let message = format!(
        "this master does not lead, and the one that does could not take the request: {why}"
    );
    ApiError::new(503, "ServiceUnavailable", message)
        .retry_after(RETRY_AFTER)
        .error_response()
}
