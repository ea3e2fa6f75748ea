use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use lane::{Head, LongBody};

use super::call::{Answer, UpstreamError};
use super::connection::Connection;
use super::pool::Pool;

/// Largest answer that is held in memory, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Answers that say that they are no larger are read before they are handed on, in bytes.
const SHORT_BYTES: u64 = 1 << 20;

/// An answer whose head has come. Dropping it before its end cancels the call.
pub struct Arriving {
    /// Status.
    pub status: http::StatusCode,
    /// Headers, the platform's own among them.
    pub headers: http::HeaderMap,
    body: Body,
}

enum Body {
    /// All of it; `None` when it was handed on.
    Read(Option<Bytes>),
    /// Comes on a lane; so much is to come.
    Lane(LongBody, u64),
    /// `home` is the connection that is free again when the body has come to its end, and where it is kept.
    Incoming { body: Incoming, home: Option<Home> },
}

type Home = (Arc<Pool>, Connection);

impl Arriving {
    /// `home` is where the connection is kept when the body has come to its end.
    pub(super) fn new(response: http::Response<Incoming>, home: Option<Home>) -> Self {
        let (head, body) = response.into_parts();
        Self {
            status: head.status,
            headers: head.headers,
            body: Body::Incoming { body, home },
        }
    }

    /// An answer that is here.
    pub(super) fn read(head: Head, body: Bytes) -> Self {
        Self {
            status: head.status,
            headers: head.headers,
            body: Body::Read(Some(body)),
        }
    }

    /// An answer that comes on a lane.
    pub(super) fn on_lane(head: Head, body: LongBody) -> Self {
        Self {
            status: head.status,
            headers: head.headers,
            body: Body::Lane(body, head.length),
        }
    }

    /// Whether it says that its body is short.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.length().is_some_and(|length| length <= SHORT_BYTES)
    }

    /// What is left of the body, in bytes, when the pod has said so.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match &self.body {
            Body::Read(body) => Some(body.as_ref().map_or(0, Bytes::len) as u64),
            Body::Lane(_, left) => Some(*left),
            Body::Incoming { body, .. } => body.size_hint().exact(),
        }
    }

    /// Reads the whole body.
    ///
    /// # Errors
    /// When the pod breaks off, or the body is larger than the platform holds.
    pub async fn whole(mut self) -> Result<Answer, UpstreamError> {
        let body = match &mut self.body {
            Body::Read(body) => body.take().unwrap_or_default(),
            Body::Lane(..) => self.collect().await?,
            Body::Incoming { body, home } => {
                let read = Limited::new(body, MAX_ANSWER_BYTES).collect();
                let read = carried(home, read).await.map_err(|error| {
                    if error.is::<LengthLimitError>() {
                        UpstreamError::TooLarge(MAX_ANSWER_BYTES)
                    } else {
                        UpstreamError::Broken(error)
                    }
                })?;
                keep(home);
                read.to_bytes()
            }
        };
        Ok(Answer {
            status: self.status,
            headers: self.headers,
            body,
        })
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// When the pod breaks off.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        match &mut self.body {
            Body::Read(body) => Ok(body.take()),
            Body::Lane(body, left) => {
                let piece = body.piece().await;
                let piece = piece.map_err(|why| UpstreamError::Broken(why.into()))?;
                *left -= piece.as_ref().map_or(0, Bytes::len) as u64;
                Ok(piece)
            }
            Body::Incoming { body, home } => loop {
                match carried(home, body.frame()).await {
                    Some(Ok(frame)) => {
                        // Trailers are left out: HTTP/1.1 clients rarely see them, and no handler sends any.
                        if let Ok(piece) = frame.into_data() {
                            return Ok(Some(piece));
                        }
                    }
                    Some(Err(error)) => return Err(UpstreamError::Broken(error.into())),
                    None => {
                        keep(home);
                        return Ok(None);
                    }
                }
            },
        }
    }

    async fn collect(&mut self) -> Result<Bytes, UpstreamError> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.piece().await? {
            if whole.len() + piece.len() > MAX_ANSWER_BYTES {
                return Err(UpstreamError::TooLarge(MAX_ANSWER_BYTES));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

fn keep(home: &mut Option<Home>) {
    if let Some((pool, connection)) = home.take() {
        pool.keep(connection);
    }
}

/// Waits for a part of the body, on a connection that nobody else moves.
async fn carried<T>(home: &mut Option<Home>, part: impl Future<Output = T>) -> T {
    match home {
        Some((_, connection)) => connection.carry(part).await,
        None => part.await,
    }
}
