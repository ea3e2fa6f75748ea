use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use common::pod_protocol::{LARGEST_ANSWER_HEAD, head_bytes};
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::SendRequest;
use lane::{Answered, Head, LARGEST_BODY, LongBody};

use super::connections::{CallError, Way};
use super::metrics::Flight;
use super::server::ProxyRoom;
use super::status::{Body, PROXY_ERROR, full, refuse, undeliverable};
use crate::pods::Target;

/// Headers that speak of one connection only.
const HOP: [http::header::HeaderName; 5] = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// Forwards a call to its pod. Dropping the returned future, or the answer's body, closes the pod's
/// connection, by which the server inside knows that nobody waits any more.
pub(super) async fn forward(
    room: &ProxyRoom,
    uid: &str,
    target: &Target,
    path: &str,
    request: Request<Incoming>,
) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let Ok(path) = path.parse::<PathAndQuery>() else {
        return refuse(StatusCode::BAD_REQUEST, "BadRequest", "the path is not one");
    };
    parts.uri = Uri::from(path);
    parts.version = Version::HTTP_11;
    strip(&mut parts.headers);
    parts.headers.insert(HOST, HeaderValue::from_static("pod"));
    let length = body.size_hint().exact();
    let body = if length.is_some_and(|length| length <= LARGEST_BODY as u64) {
        match body.collect().await {
            Ok(body) => Coming::Whole(body.to_bytes()),
            Err(error) => {
                let text = format!("the request broke off: {error}");
                return refuse(StatusCode::BAD_REQUEST, "BadRequest", &text);
            }
        }
    } else {
        Coming::InPieces(body.map_err(Into::into).boxed_unsync())
    };
    let flight = room.counts.begin();
    match send(&room.connections.to(uid), target, parts, body).await {
        Ok(mut answer) => {
            room.counts.forwarded();
            strip(answer.headers_mut());
            // Only this agent says what became of a call.
            answer.headers_mut().remove(PROXY_ERROR);
            if is_too_large(answer.headers()) {
                let text = format!(
                    "the headers of the pod's answer are larger than {LARGEST_ANSWER_HEAD} bytes"
                );
                return undeliverable("AnswerHeadTooLarge", &text);
            }
            let answer = answer.map(|body| Counted {
                body,
                _flight: flight,
            });
            answer.map(BodyExt::boxed_unsync)
        }
        Err(error) => {
            let reason = match error {
                CallError::Gone(_) => {
                    room.counts.gone();
                    "PodGone"
                }
                CallError::Died(_) => {
                    room.counts.died();
                    "PodDied"
                }
            };
            undeliverable(reason, &error.to_string())
        }
    }
}

/// A request's body.
enum Coming {
    Whole(Bytes),
    InPieces(Body),
}

async fn send(
    way: &Arc<Way>,
    target: &Target,
    mut head: Parts,
    body: Coming,
) -> Result<Response<Body>, CallError> {
    let request = match body {
        Coming::InPieces(body) => Request::from_parts(head, body),
        Coming::Whole(body) => {
            // HTTP/1.1 is told the length by what is sent.
            head.headers.remove(CONTENT_LENGTH);
            let request = Request::from_parts(head, body);
            match way.call(target, &request).await {
                Some(Answered::Whole(head, body)) => return Ok(answer(head, full(body))),
                Some(Answered::Long(head, body)) => return Ok(answer(head, pieces(body))),
                Some(Answered::Broken(why)) => return Err(CallError::Died(why)),
                None => request.map(full),
            }
        }
    };
    let (answer, sender) = way.send(target, request).await?;
    let (mut head, body) = answer.into_parts();
    head.version = Version::default();
    let home = Some((Arc::clone(way), sender));
    Ok(Response::from_parts(
        head,
        Answer { body, home }.boxed_unsync(),
    ))
}

/// Whether a head would end the connection that carries it, and all calls there.
fn is_too_large(headers: &HeaderMap) -> bool {
    let headers = headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
    head_bytes("", headers) > LARGEST_ANSWER_HEAD
}

fn answer(head: Head, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    *answer.status_mut() = head.status;
    *answer.headers_mut() = head.headers;
    answer
}

fn pieces(body: LongBody) -> Body {
    let pieces = futures_util::stream::try_unfold(body, |mut body| async {
        let piece = body.piece().await?;
        Ok(piece.map(|piece| (Frame::data(piece), body)))
    });
    StreamBody::new(pieces).boxed_unsync()
}

fn strip(headers: &mut HeaderMap) {
    for name in HOP {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        headers.remove(name);
    }
}

/// An answer's body that counts as a call until its end.
struct Counted {
    body: Body,
    _flight: Flight,
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = <Body as hyper::body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A pod's answer; its connection is kept when it was read to the end, else closed.
struct Answer {
    body: Incoming,
    home: Option<(Arc<Way>, SendRequest<Body>)>,
}

impl Answer {
    fn at_end(&mut self) {
        if let Some((way, sender)) = self.home.take() {
            way.keep(sender);
        }
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(None) => self.at_end(),
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => self.at_end(),
            Poll::Ready(Some(Err(_))) => self.home = None,
            _ => {}
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // An empty answer is at its end before anybody polls it.
        if self.body.is_end_stream() {
            self.at_end();
        }
    }
}
