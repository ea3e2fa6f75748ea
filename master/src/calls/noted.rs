use std::sync::Arc;

use common::pod_protocol as pod;
use http::{HeaderMap, HeaderValue};

use super::{CallError, Timing};
use crate::router::{Class, Route};

/// Counts a call once, however it ends; one that is dropped was given up by its client.
pub(super) struct Noted {
    route: Arc<Route>,
    ended: bool,
}

impl Noted {
    pub(super) fn new(route: &Arc<Route>) -> Self {
        Self {
            route: Arc::clone(route),
            ended: false,
        }
    }

    /// An answer with these headers came.
    pub(super) fn answered(&mut self, headers: &HeaderMap, timing: &Timing) {
        self.end(class_of_answer(headers), timing);
    }

    /// None came.
    pub(super) fn failed(&mut self, error: &CallError, timing: &Timing) {
        self.end(class_of_error(error), timing);
    }

    fn end(&mut self, class: Class, timing: &Timing) {
        self.ended = true;
        let counts = self.route.counts();
        counts.ended(class);
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

impl Drop for Noted {
    fn drop(&mut self) {
        if !self.ended {
            self.route.counts().ended(Class::Cancelled);
        }
    }
}

fn class_of_answer(headers: &HeaderMap) -> Class {
    match headers.get(pod::OUTCOME).map(HeaderValue::as_bytes) {
        Some(word) if word == pod::OUTCOME_ERROR.as_bytes() => Class::FunctionError,
        Some(word) if word == pod::OUTCOME_TIMEOUT.as_bytes() => Class::Timeout,
        _ => Class::Ok,
    }
}

fn class_of_error(error: &CallError) -> Class {
    match error {
        CallError::Deadline { .. } => Class::Timeout,
        CallError::Lost { source, .. } if source.is_unsent() => Class::Refused,
        CallError::Lost { .. } => Class::Lost,
        CallError::Refused { .. } | CallError::NoSuchFunction(_) | CallError::Directory(..) => {
            Class::Refused
        }
    }
}
