use std::collections::VecDeque;
use std::task::Waker;

use bytes::{Bytes, BytesMut};

use crate::head::{Head, Malformed};

/// Answers that say that they are no longer are delivered whole, in bytes. A longer one must be the last on its
/// connection: its reader may take his time.
const SHORT: usize = 1 << 20;

/// What came of a call.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Its answer.
    Whole(Head, Bytes),
    /// The head of a long answer. The body is taken piece by piece.
    Long(Head),
    /// The pod has not begun it and never will.
    Unbegun,
    /// The connection ended when it was its turn.
    Broken(String),
}

/// A piece of a long answer's body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Bytes(Bytes),
    End,
    Broken(String),
}

/// Calls on one connection, in the order in which they were sent, which is that of their answers. Pure: bytes come in,
/// outcomes go out.
///
/// The pod takes a call up when it has sent the whole answer of the one before. So whatever has no answer when the
/// connection ends was not begun, but for the one whose turn it was.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    places: VecDeque<Place>,
    /// The number of the first place.
    first: u64,
    /// How many places at the front have had their answer.
    settled: usize,
    incoming: BytesMut,
    reading: Reading,
    /// Whether the pod takes up none of those that are sent now.
    closing: bool,
    /// Why nothing comes any more.
    ended: Option<String>,
}

#[derive(Debug)]
struct Place {
    /// Its answer has no body, whatever its head says.
    head_only: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Awaited(Option<Waker>),
    Settled(Outcome),
    /// Nobody waits for it.
    Left,
}

#[derive(Debug, Default)]
enum Reading {
    #[default]
    Head,
    /// So many bytes of body.
    Body(Head, usize),
    /// The body of a long answer, of which so much is to come.
    Long { number: u64, left: u64 },
}

impl Queue {
    /// A call was sent, while it [takes](Self::is_closing) calls; its number.
    pub(crate) fn push(&mut self, head_only: bool) -> u64 {
        let state = State::Awaited(None);
        self.places.push_back(Place { head_only, state });
        self.first + self.places.len() as u64 - 1
    }

    /// Calls without an answer.
    pub(crate) fn under_way(&self) -> usize {
        self.places.len() - self.settled
    }

    /// Whether it takes no call any more.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing || self.ended.is_some()
    }

    /// Where bytes from the connection are put; [`Self::advance`] looks at them.
    pub(crate) fn incoming(&mut self) -> &mut BytesMut {
        &mut self.incoming
    }

    /// Finds the answers in what came in, and wakes those who wait for them.
    pub(crate) fn advance(&mut self) {
        while self.ended.is_none() {
            match self.step() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => self.abort(&error.to_string()),
            }
        }
    }

    /// The pod has ended the connection, and all that came before is here; or nobody waits for anything.
    pub(crate) fn end(&mut self, why: &str) {
        if self.ended.is_some() {
            return;
        }
        self.ended = Some(why.to_owned());
        if self.under_way() > 0 {
            self.settle(Outcome::Broken(why.to_owned()));
        }
        self.close();
    }

    /// Nothing more can be learnt of what was sent, and the pod may go on with it.
    pub(crate) fn abort(&mut self, why: &str) {
        if self.ended.is_none() {
            self.ended = Some(why.to_owned());
        }
        while self.under_way() > 0 {
            self.settle(Outcome::Broken(why.to_owned()));
        }
    }

    /// Takes what came of a call. The whole call is over then, but for a [`Outcome::Long`] one.
    pub(crate) fn take(&mut self, number: u64) -> Option<Outcome> {
        let index = self.index(number);
        let place = self.places.get_mut(index)?;
        let outcome = match std::mem::replace(&mut place.state, State::Left) {
            State::Settled(outcome) => outcome,
            other => {
                place.state = other;
                return None;
            }
        };
        self.forget();
        Some(outcome)
    }

    /// The next piece of the long answer; `None` when it has not come yet.
    pub(crate) fn piece(&mut self) -> Option<Piece> {
        let Reading::Long { left, .. } = &mut self.reading else {
            return Some(Piece::End);
        };
        if *left == 0 {
            self.reading = Reading::Head;
            return Some(Piece::End);
        }
        if !self.incoming.is_empty() {
            let most = usize::try_from(*left).unwrap_or(usize::MAX);
            let piece = self.incoming.split_to(most.min(self.incoming.len()));
            *left -= piece.len() as u64;
            return Some(Piece::Bytes(piece.freeze()));
        }
        self.ended.clone().map(Piece::Broken)
    }

    /// Whether the pod may have begun this call: its answer has come, or that of the one ahead.
    pub(crate) fn may_have_begun(&self, number: u64) -> bool {
        number <= self.first + self.settled as u64
    }

    /// The time by which a call was to begin is over, and all that the pod sent before is here: whether the pod has not
    /// begun it. Nobody waits for it then.
    pub(crate) fn give_up(&mut self, number: u64) -> bool {
        let unbegun = !self.may_have_begun(number);
        if unbegun {
            self.leave(number);
        }
        unbegun
    }

    /// Nobody waits for a call any more, or for what is left of its answer.
    pub(crate) fn leave(&mut self, number: u64) {
        if matches!(self.reading, Reading::Long { number: long, .. } if long == number) {
            self.reading = Reading::Head;
            self.end("given up");
        }
        let index = self.index(number);
        if let Some(place) = self.places.get_mut(index) {
            place.state = State::Left;
        }
        self.forget();
    }

    /// Whether somebody waits for an answer.
    pub(crate) fn is_awaited(&self) -> bool {
        let awaited = |place: &Place| matches!(place.state, State::Awaited(_));
        matches!(self.reading, Reading::Long { .. }) || self.places.iter().any(awaited)
    }

    /// Whether it is this call that has to move the bytes: the first that waits. Else it is woken when it has.
    pub(crate) fn is_mover(&mut self, number: u64, waker: &Waker) -> bool {
        let index = self.index(number);
        let Some(Place {
            state: State::Awaited(woken),
            ..
        }) = self.places.get_mut(index)
        else {
            return false;
        };
        match woken {
            Some(known) => known.clone_from(waker),
            None => *woken = Some(waker.clone()),
        }
        self.first_awaited() == Some(index)
    }

    /// Wakes whoever has to move the bytes now.
    pub(crate) fn wake_mover(&self) {
        let first = self
            .first_awaited()
            .and_then(|index| self.places.get(index));
        if let Some(Place {
            state: State::Awaited(Some(waker)),
            ..
        }) = first
        {
            waker.wake_by_ref();
        }
    }

    /// Whether something more could be found in what came in.
    fn step(&mut self) -> Result<bool, Malformed> {
        match &mut self.reading {
            Reading::Long { .. } => Ok(false),
            Reading::Head => {
                let Some(place) = self.places.get(self.settled) else {
                    let nothing = self.incoming.is_empty();
                    return if nothing {
                        Ok(false)
                    } else {
                        Err(Malformed::Unasked)
                    };
                };
                let Some(head) = Head::read(&mut self.incoming)? else {
                    return Ok(false);
                };
                let length = if place.head_only { 0 } else { head.length };
                match usize::try_from(length) {
                    Ok(length) if length <= SHORT => self.reading = Reading::Body(head, length),
                    _ if head.closes => self.begin_long(head, length),
                    _ => return Err(Malformed::Length),
                }
                Ok(true)
            }
            Reading::Body(_, length) if *length > self.incoming.len() => Ok(false),
            Reading::Body(_, length) => {
                let body = self.incoming.split_to(*length).freeze();
                let Reading::Body(head, _) = std::mem::take(&mut self.reading) else {
                    return Ok(false);
                };
                let closes = head.closes;
                let outcome = if head.is_late() {
                    Outcome::Unbegun
                } else {
                    Outcome::Whole(head, body)
                };
                self.settle(outcome);
                if closes {
                    self.close();
                }
                Ok(true)
            }
        }
    }

    fn begin_long(&mut self, head: Head, left: u64) {
        let number = self.first + self.settled as u64;
        let turn = self.places.get(self.settled);
        if turn.is_some_and(|place| matches!(place.state, State::Awaited(_))) {
            self.reading = Reading::Long { number, left };
        }
        self.settle(Outcome::Long(head));
        self.close();
    }

    /// No answer follows the last one (RFC 9112, 9.6): what is behind it was not begun.
    fn close(&mut self) {
        self.closing = true;
        while self.under_way() > 0 {
            self.settle(Outcome::Unbegun);
        }
    }

    /// This is what came of the call whose turn it is.
    fn settle(&mut self, outcome: Outcome) {
        if let Some(place) = self.places.get_mut(self.settled) {
            self.settled += 1;
            if let State::Awaited(waker) = &mut place.state {
                if let Some(waker) = waker.take() {
                    waker.wake();
                }
                place.state = State::Settled(outcome);
            }
        }
        self.forget();
    }

    /// Drops the places at the front that are over.
    fn forget(&mut self) {
        while self.settled > 0
            && let Some(place) = self.places.front()
            && matches!(place.state, State::Left)
        {
            self.places.pop_front();
            self.first += 1;
            self.settled -= 1;
        }
    }

    fn first_awaited(&self) -> Option<usize> {
        let awaited = |place: &Place| matches!(place.state, State::Awaited(_));
        self.places.iter().position(awaited)
    }

    fn index(&self, number: u64) -> usize {
        usize::try_from(number.wrapping_sub(self.first)).unwrap_or(usize::MAX)
    }
}
