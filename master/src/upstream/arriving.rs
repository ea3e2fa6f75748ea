use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};

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
    body: Incoming,
    home: Option<(Arc<Pool>, Connection)>,
}

impl Arriving {
    /// `home` is the connection that is free again when the body has come to its end, and where it is kept.
    pub(super) fn new(
        response: http::Response<Incoming>,
        home: Option<(Arc<Pool>, Connection)>,
    ) -> Self {
        let (head, body) = response.into_parts();
        Self {
            status: head.status,
            headers: head.headers,
            body,
            home,
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
        self.body.size_hint().exact()
    }

    /// Reads the whole body.
    ///
    /// # Errors
    /// When the pod breaks off, or the body is larger than the platform holds.
    pub async fn whole(mut self) -> Result<Answer, UpstreamError> {
        let body = Limited::new(&mut self.body, MAX_ANSWER_BYTES).collect();
        let body = carried(&mut self.home, body).await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                UpstreamError::TooLarge(MAX_ANSWER_BYTES)
            } else {
                UpstreamError::Broken(error)
            }
        })?;
        self.is_read();
        Ok(Answer {
            status: self.status,
            headers: self.headers,
            body: body.to_bytes(),
        })
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// When the pod breaks off.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        loop {
            match carried(&mut self.home, self.body.frame()).await {
                Some(Ok(frame)) => {
                    // Trailers are left out: HTTP/1.1 clients rarely see them, and no handler sends any.
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
                Some(Err(error)) => return Err(UpstreamError::Broken(error.into())),
                None => {
                    self.is_read();
                    return Ok(None);
                }
            }
        }
    }

    fn is_read(&mut self) {
        if let Some((pool, connection)) = self.home.take() {
            pool.keep(connection);
        }
    }
}

/// Waits for a part of the body, on a connection that nobody else moves.
async fn carried<T>(
    home: &mut Option<(Arc<Pool>, Connection)>,
    part: impl Future<Output = T>,
) -> T {
    match home {
        Some((_, connection)) => connection.carry(part).await,
        None => part.await,
    }
}
