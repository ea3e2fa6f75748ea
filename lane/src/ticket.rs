use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::clock::Monotonic;
use crate::connection::{BEGIN_WITHIN, Lane};
use crate::queue::{Outcome, Piece};
use crate::{Answered, LongBody};

/// A call on a lane. Dropping it gives the call up.
pub(crate) struct Ticket {
    lane: Arc<Lane>,
    number: u64,
    begin_by: Option<Monotonic>,
    /// Whether its whole answer was taken, or none will come.
    is_over: bool,
}

impl Ticket {
    pub(crate) fn new(lane: Arc<Lane>, number: u64, begin_by: Option<Monotonic>) -> Self {
        Self {
            lane,
            number,
            begin_by,
            is_over: false,
        }
    }

    /// Waits for the answer; `None` when the pod has not begun the call and never will.
    pub(crate) async fn answer(mut self) -> Option<Answered> {
        let outcome = match self.begin_by {
            Some(begin_by) => self.outcome_in_turn(begin_by).await,
            None => self.outcome().await,
        };
        self.is_over = !matches!(outcome, Outcome::Long(_));
        match outcome {
            Outcome::Whole(head, body) => Some(Answered::Whole(head, body)),
            Outcome::Long(head) => Some(Answered::Long(head, LongBody::new(self))),
            Outcome::Unbegun => None,
            Outcome::Broken(why) => Some(Answered::Broken(why)),
        }
    }

    /// The next piece of a long answer's body; `None` at its end.
    ///
    /// # Errors
    /// With the reason when it breaks off.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, String> {
        if self.is_over {
            return Ok(None);
        }
        match poll_fn(|cx| self.lane.poll_piece(cx)).await {
            Piece::Bytes(piece) => Ok(Some(piece)),
            Piece::Broken(why) => Err(why),
            Piece::End => {
                self.is_over = true;
                Ok(None)
            }
        }
    }

    async fn outcome(&self) -> Outcome {
        poll_fn(|cx| self.lane.poll_outcome(self.number, cx)).await
    }

    async fn outcome_in_turn(&self, begin_by: Monotonic) -> Outcome {
        let mut at = Instant::now() + BEGIN_WITHIN;
        loop {
            tokio::select! {
                biased;
                outcome = self.outcome() => return outcome,
                () = tokio::time::sleep_until(at) => {}
            }
            // The pod looks at this clock, not at the timer's.
            if Monotonic::now().is_ok_and(|now| now <= begin_by) {
                at = Instant::now() + std::time::Duration::from_millis(1);
            } else if self.lane.is_too_late(self.number) {
                return Outcome::Unbegun;
            } else {
                return self.outcome().await;
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_over {
            self.lane.leave(self.number);
        }
    }
}
