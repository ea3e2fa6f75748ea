use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::flight::Flight;
use super::noted::Noted;
use super::{CallError, Timing};
use crate::upstream::{Answer, Arriving, UpstreamError};

/// What came of a call for somebody who can hand it on as it comes.
pub enum Reply {
    /// All of it.
    Whole(Answer),
    /// Its head; the body is on its way.
    Arriving(Box<Arrival>),
}

/// An answer, as far as it was read.
pub(super) enum Read {
    Whole(Answer),
    Head(Arriving),
}

impl Read {
    /// Reads a short answer: its slot is free before a slow client has taken it. Of a long one, only the head.
    pub(super) async fn new(arriving: Arriving) -> Result<Self, UpstreamError> {
        if arriving.is_short() {
            arriving.whole().await.map(Self::Whole)
        } else {
            Ok(Self::Head(arriving))
        }
    }
}

/// A call whose answer is on its way. It keeps its slot to the end of the body, and may take as long as any call.
pub struct Arrival {
    arriving: Arriving,
    noted: Noted,
    timing: Timing,
    /// `None` when it has ended.
    flight: Option<Flight>,
}

impl Arrival {
    pub(super) fn new(arriving: Arriving, flight: Flight, noted: Noted, timing: Timing) -> Self {
        Self {
            arriving,
            noted,
            timing,
            flight: Some(flight),
        }
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.arriving.status
    }

    /// Its headers, the platform's own among them.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.arriving.headers
    }

    /// The body's length in bytes, when it is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.arriving.length()
    }

    /// When it must have come to its end.
    #[must_use]
    pub fn until(&self) -> Instant {
        self.flight
            .as_ref()
            .map_or_else(Instant::now, Flight::until)
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// When the pod breaks off, or the call has taken all the time it may.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, CallError> {
        let Some(until) = self.flight.as_ref().map(Flight::until) else {
            return Ok(None);
        };
        let read = tokio::time::timeout_at(until, self.arriving.piece()).await;
        if let Ok(Ok(Some(piece))) = read {
            return Ok(Some(piece));
        }
        let Some(flight) = self.flight.take() else {
            return Ok(None);
        };
        self.timing.run = flight.took();
        let error = match read {
            Ok(Ok(_)) => {
                self.noted.answered(&self.arriving.headers, &self.timing);
                flight.land(&self.arriving.headers);
                return Ok(None);
            }
            Ok(Err(error)) => flight.lose(error),
            Err(_) => flight.time_out().await,
        };
        self.noted.failed(&error, &self.timing);
        Err(error)
    }
}
