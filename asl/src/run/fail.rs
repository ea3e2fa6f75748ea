//! Failures: retried, caught, or passed on.

use jiff::Timestamp;
use serde_json::json;

use super::decide::{Halt, Maker};
use super::id::StrandId;
use super::record::Note;
use super::strand::{Phase, Visit};
use crate::failure::{Failure, names};
use crate::history::EventKind;
use crate::retry;
use crate::states::StateType;

impl Maker<'_> {
    /// The state cannot do its work. What its definition did wrong ends the whole run; the rest can be handled.
    pub(super) fn fails(&mut self, id: StrandId, failure: Failure) -> Result<(), Halt> {
        let (_, visit) = self.state(id)?;
        let error = failure.error.as_deref().unwrap_or_default();
        if error == names::DATA_LIMIT {
            return self.end_failed(id, failure);
        }
        let cause = format!(
            "An error occurred while executing the state '{}' (entered at the event id #{}). {}",
            visit.state,
            visit.entered,
            failure.cause.unwrap_or_default()
        );
        let location = failure.location;
        let failure = Failure {
            error: failure.error,
            cause: Some(cause),
            location: None,
        };
        if failure.error.as_deref() == Some(names::QUERY_EVALUATION) {
            let evaluation = EventKind::EvaluationFailed {
                state: visit.state.clone(),
                location,
                failure: failure.clone(),
            };
            // AWS writes it before the state has begun its work: it follows what the state's entry follows.
            let previous = match visit.kind {
                StateType::Pass | StateType::Map => visit.before,
                _ => self.run.strands.get(&id).map_or(0, |s| s.last),
            };
            self.event_after(previous, id, evaluation, None)?;
        }
        if failure.error.as_deref() == Some(names::RUNTIME) {
            return self.end_failed(id, failure);
        }
        self.note(id, Note::Failed { failure })
    }

    fn end_failed(&mut self, id: StrandId, failure: Failure) -> Result<(), Halt> {
        let previous = self.run.strands.get(&id).map_or(0, |s| s.last);
        self.last_event_after(previous, EventKind::ExecutionFailed { failure })
    }

    /// A state has failed: its retriers, its catchers, or whoever is around it.
    pub(super) fn failed(
        &mut self,
        id: StrandId,
        failure: Failure,
        told: bool,
    ) -> Result<(), Halt> {
        let (state, visit) = self.state(id)?;
        if !told
            && let Some((index, retrier)) = retry::retrier(state.retry(), &failure, &visit.attempts)
        {
            let used = visit.attempts.get(index).copied().unwrap_or(0);
            let pause = retrier.delay(used, &self.entropy);
            let due = self.now.checked_add(pause).unwrap_or(Timestamp::MAX);
            return self.note(
                id,
                Note::Retry {
                    retrier: u32::try_from(index).unwrap_or(0),
                    due,
                },
            );
        }
        if !told {
            let kind = match state.kind() {
                StateType::Parallel => Some(EventKind::ParallelStateFailed),
                StateType::Map => Some(EventKind::MapStateFailed),
                _ => None,
            };
            if let Some(kind) = kind {
                self.event(id, kind, None)?;
            }
        }
        if let Some((_, catcher)) = retry::catcher(state.catch(), &failure) {
            let error = json!({
                "Error": failure.error.as_deref().unwrap_or_default(),
                "Cause": failure.cause.as_deref().unwrap_or_default(),
            });
            let computed = {
                let scope = self.scope(id, None).with_error(&error);
                crate::states::io::assigned(catcher.assign.as_ref(), &error, &scope).and_then(
                    |assigned| {
                        let output = match &catcher.output {
                            Some(output) => output.evaluate(&error, &scope)?,
                            None => catcher.result_path.combine(&visit.input, error.clone())?,
                        };
                        Ok((output, assigned))
                    },
                )
            };
            return match computed {
                Ok(computed) => self.leave(id, Ok(computed), Some(&catcher.next)),
                // The catcher itself is wrong: nothing is left to catch that.
                Err(failure) => self.fails(id, Failure::runtime(failure.cause.unwrap_or_default())),
            };
        }
        match self.run.strands.get(&id).and_then(|s| s.parent) {
            None => self.end_failed(id, failure),
            Some((parent, index)) => self.falls(id, &visit, parent, index, failure),
        }
    }

    /// A branch or iteration has failed: the history says what ends with it, then the state around it fails.
    fn falls(
        &mut self,
        id: StrandId,
        visit: &Visit,
        parent: StrandId,
        index: u32,
        failure: Failure,
    ) -> Result<(), Halt> {
        let (outer, outer_visit) = self.state(parent)?;
        let is_map = outer.kind() == StateType::Map;
        let name = outer_visit.state;
        let last = self.run.strands.get(&id).map_or(0, |s| s.last);
        if is_map {
            let failed = EventKind::MapIterationFailed {
                name: name.clone(),
                index: u64::from(index),
            };
            self.event_after(last, id, failed, None)?;
        }
        if visit.kind == StateType::Task {
            self.aborted(id, last)?;
        }
        for child in self.run.children(parent) {
            if child == id {
                continue;
            }
            let sibling = self
                .run
                .strands
                .get(&child)
                .and_then(|s| s.parent)
                .map(|(_, index)| index);
            if let (true, Some(index)) = (is_map, sibling) {
                let aborted = EventKind::MapIterationAborted {
                    name: name.clone(),
                    index: u64::from(index),
                };
                self.event_after(last, child, aborted, None)?;
            }
            self.aborted(child, last)?;
        }
        self.note(parent, Note::Fallen { child: id, failure })
    }

    /// The state that a strand is in is broken off; so is what runs inside it.
    fn aborted(&mut self, id: StrandId, previous: u64) -> Result<(), Halt> {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            open.extend(self.run.children(id));
            let Some(visit) = self.run.strands.get(&id).and_then(|s| s.visit.as_ref()) else {
                continue;
            };
            if !Self::can_be_aborted(visit.kind) {
                continue;
            }
            if let Some(Phase::MapRun(run)) = self.run.strands.get(&id).map(|s| &s.phase)
                && run.open.is_some()
            {
                self.event_after(previous, id, EventKind::MapRunAborted, None)?;
            }
            let Some(visit) = self.run.strands.get(&id).and_then(|s| s.visit.as_ref()) else {
                continue;
            };
            let kind = EventKind::StateAborted {
                state: visit.kind,
                name: visit.state.clone(),
            };
            self.event_after(previous, id, kind, None)?;
        }
        Ok(())
    }
}
