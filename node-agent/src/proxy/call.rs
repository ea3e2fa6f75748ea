use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response, StatusCode, Uri, Version};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::SendRequest;

use super::connections::{CallError, Connections};
use super::metrics::Flight;
use super::server::ProxyRoom;
use super::status::{Body, PROXY_ERROR, refuse, undeliverable};
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
    let body = body.map_err(Into::into).boxed_unsync();
    let request = Request::from_parts(parts, body);
    let flight = room.counts.begin();
    match room.connections.send(uid, target, request).await {
        Ok((response, sender)) => {
            room.counts.forwarded();
            let (mut parts, body) = response.into_parts();
            parts.version = Version::default();
            strip(&mut parts.headers);
            // Only this agent says what became of a call.
            parts.headers.remove(PROXY_ERROR);
            let connections = Arc::clone(&room.connections);
            let uid = uid.to_owned();
            let answer = Answer {
                body,
                home: Some(Home {
                    connections,
                    uid,
                    sender,
                }),
                _flight: flight,
            };
            Response::from_parts(parts, BodyExt::boxed_unsync(answer))
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

fn strip(headers: &mut HeaderMap) {
    for name in HOP {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        headers.remove(name);
    }
}

/// A pod's answer; its connection is kept when it was read to the end, else closed.
struct Answer {
    body: Incoming,
    home: Option<Home>,
    _flight: Flight,
}

struct Home {
    connections: Arc<Connections>,
    uid: String,
    sender: SendRequest<Body>,
}

impl Answer {
    fn at_end(&mut self) {
        if let Some(Home {
            connections,
            uid,
            sender,
        }) = self.home.take()
        {
            connections.keep(&uid, sender);
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
