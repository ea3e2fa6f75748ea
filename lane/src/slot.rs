use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::pod_protocol::RESERVED_PREFIX;
use parking_lot::Mutex;

use crate::connection::Lane;
use crate::{Answered, Pace, counts};

/// Calls with a larger body go another way, in bytes: who waits behind them would wait for the body, too.
pub const LARGEST_BODY: usize = 8 << 10;

/// How long a lane may take to stand.
const OPEN_DEADLINE: Duration = Duration::from_secs(5);

/// The place of a lane to a pod.
#[derive(Default)]
pub struct LaneSlot(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Empty,
    Opening,
    Open(Arc<Lane>),
    /// The pod's server takes none.
    Never,
}

impl LaneSlot {
    /// Makes a call, if the pod's calls are short, on a lane to the socket in this directory, which belongs to one of
    /// these users. `None`: the pod has not begun it and never will, so that it may be made by another way. Dropping the
    /// future cancels the call.
    ///
    /// What the platform itself asks is not made here: it must not wait behind the calls it asks about. The request's path
    /// is in origin form. Its headers speak of no connection and no length.
    pub async fn call(
        &self,
        pace: &Pace,
        directory: &Path,
        owners: &[RangeInclusive<u32>],
        request: &http::Request<Bytes>,
    ) -> Option<Answered> {
        let is_control = request.uri().path().starts_with(RESERVED_PREFIX);
        if !pace.is_short() || is_control || request.body().len() > LARGEST_BODY {
            return None;
        }
        let ticket = self.lane(directory, owners).await?.send(request)?;
        let answered = ticket.answer().await;
        match &answered {
            Some(_) => counts::answered(),
            None => counts::moved(),
        }
        match &answered {
            Some(Answered::Whole(head, _)) => pace.note(&head.headers),
            Some(Answered::Long(..)) | None => pace.interrupt(),
            Some(Answered::Broken(_)) => {}
        }
        answered
    }

    async fn lane(&self, directory: &Path, owners: &[RangeInclusive<u32>]) -> Option<Arc<Lane>> {
        let opening = {
            let mut state = self.0.lock();
            match &*state {
                State::Open(lane) if lane.is_open() => return Some(Arc::clone(lane)),
                State::Opening | State::Never => return None,
                State::Open(_) | State::Empty => *state = State::Opening,
            }
            Opening(self)
        };
        let opened = tokio::time::timeout(OPEN_DEADLINE, Lane::open(directory, owners)).await;
        let state = match opened {
            Ok(Ok(Some(lane))) => State::Open(lane),
            Ok(Ok(None)) => State::Never,
            // The other way tells what is wrong.
            Ok(Err(_)) | Err(_) => State::Empty,
        };
        opening.end(state)
    }
}

/// Whoever opens the lane may be given up.
struct Opening<'a>(&'a LaneSlot);

impl Opening<'_> {
    fn end(self, found: State) -> Option<Arc<Lane>> {
        let mut state = self.0.0.lock();
        *state = found;
        match &*state {
            State::Open(lane) => Some(Arc::clone(lane)),
            _ => None,
        }
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        if matches!(*state, State::Opening) {
            *state = State::Empty;
        }
    }
}
