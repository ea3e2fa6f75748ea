use common::pod_protocol as pod;

use super::{CallError, Timing};
use crate::router::{Class, Counts, Route};
use crate::upstream::Answer;

/// Counts a call once, however it ends; one that is dropped was given up by its client.
pub(super) struct Noted<'a> {
    counts: &'a Counts,
    ended: bool,
}

impl<'a> Noted<'a> {
    pub(super) fn new(route: &'a Route) -> Self {
        Self {
            counts: route.counts(),
            ended: false,
        }
    }

    /// The call ended like this.
    pub(super) fn end(&mut self, result: &Result<Answer, CallError>, timing: &Timing) {
        self.ended = true;
        let counts = self.counts;
        counts.ended(class(result));
        if !timing.run.is_zero() {
            counts.ran(timing.run);
        }
        if !timing.queue.is_zero() {
            counts.queued(timing.queue);
        }
        if !timing.cold.is_zero() {
            counts.waited_cold(timing.cold);
        }
    }
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.counts.ended(Class::Cancelled);
        }
    }
}

fn class(result: &Result<Answer, CallError>) -> Class {
    match result {
        Ok(answer) => match answer.header(pod::OUTCOME) {
            Some(pod::OUTCOME_ERROR) => Class::FunctionError,
            Some(pod::OUTCOME_TIMEOUT) => Class::Timeout,
            _ => Class::Ok,
        },
        Err(CallError::Deadline { .. }) => Class::Timeout,
        Err(CallError::Lost { .. }) => Class::Lost,
        Err(
            CallError::Refused { .. } | CallError::NoSuchFunction(_) | CallError::Directory(..),
        ) => Class::Refused,
    }
}
