//! What is in flight: tasks and timers.

use jiff::Timestamp;

use super::apply::misfit;
use super::effect::{Effect, Invocation};
use super::id::{StrandId, TaskId, TimerId, TimerKind};
use super::map_run::MapRunId;
use super::record::{Note, Record};
use super::strand::Phase;
use super::{EngineError, Run};
use crate::history::{HistoryEvent, Payload};
use crate::resource::Resource;

/// A task in flight.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Flight {
    pub(super) strand: StrandId,
    pub(super) invocation: Invocation,
}

/// A running timer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Timer {
    pub(super) strand: StrandId,
    pub(super) at: Timestamp,
}

/// What a run waits for that has nothing to do itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// The first of its timers.
    pub until: Option<Timestamp>,
    /// Tasks that somebody else answers.
    pub tasks: Vec<TaskId>,
}

impl Run {
    /// What is still owed after a replay: tasks in flight, running timers, or the outcome of a finished run.
    pub fn pending(&self) -> Vec<Effect> {
        let tasks = self
            .tasks
            .values()
            .map(|flight| Effect::InvokeTask(flight.invocation.clone()));
        let timers = self.timers.iter().map(|(timer, t)| Effect::StartTimer {
            timer: *timer,
            at: t.at,
        });
        let maps =
            self.map_runs
                .values()
                .filter_map(|strand| match &self.strands.get(strand)?.phase {
                    Phase::MapRun(run) => Some(run.pending()),
                    _ => None,
                });
        let end = self.outcome.iter().cloned().map(Effect::Finish);
        tasks
            .chain(timers)
            .chain(maps.flatten())
            .chain(end)
            .collect()
    }

    /// What the run waits for when nothing else can happen but a stop: timers, and tasks whose token somebody else has.
    /// None when there is anything to do, or the run has ended.
    pub fn rest(&self) -> Option<Rest> {
        let given = |flight: &Flight| {
            let task = &flight.invocation;
            let activity = matches!(task.resource, Resource::Activity { .. });
            task.token.is_some() && (task.submitted || activity)
        };
        let rests = self.outcome.is_none()
            && self.map_runs.is_empty()
            && self.ready.is_empty()
            && self.tasks.values().all(given);
        let rest = Rest {
            until: self.due.first().map(|(at, _)| *at),
            tasks: self.tasks.keys().copied().collect(),
        };
        Some(rest).filter(|rest| rests && (rest.until.is_some() || !rest.tasks.is_empty()))
    }

    pub(super) fn schedule(
        &mut self,
        record: &Record,
        event: &HistoryEvent,
        input: &Payload,
        note: &Note,
        sink: &mut Vec<Effect>,
    ) -> Result<(), EngineError> {
        let Note::Task {
            resource,
            timeout,
            heartbeat,
            token,
        } = note
        else {
            return Err(misfit(record, "the engine's note is another one's"));
        };
        let task = TaskId(event.id);
        let Some(strand) = self.strands.get_mut(&record.strand) else {
            return Err(EngineError::UnknownStrand {
                strand: record.strand.0,
                event: Some(event.id),
            });
        };
        let visit = strand
            .visit
            .as_ref()
            .ok_or_else(|| misfit(record, "it is in no state"))?;
        let invocation = Invocation {
            task,
            state: visit.state.clone(),
            resource: resource.clone(),
            input: input.clone(),
            timeout: *timeout,
            heartbeat: *heartbeat,
            attempt: visit.retries,
            token: token.clone(),
            submitted: false,
        };
        strand.last = event.id;
        strand.phase = Phase::Task {
            task,
            started: false,
        };
        sink.push(Effect::InvokeTask(invocation.clone()));
        self.tasks.insert(
            task,
            Flight {
                strand: record.strand,
                invocation,
            },
        );
        for (kind, limit) in [
            (TimerKind::Timeout, timeout),
            (TimerKind::Heartbeat, heartbeat),
        ] {
            if let Some(limit) = limit {
                let at = event.at.checked_add(*limit).unwrap_or(Timestamp::MAX);
                self.start_timer(TimerId::new(kind, event.id), record.strand, at, sink);
            }
        }
        Ok(())
    }

    /// The request of the strand's task has been answered.
    pub(super) fn submit_task(&mut self, record: &Record, event: u64) -> Result<(), EngineError> {
        let strand = self.strand_mut(record)?;
        let Phase::Task { task, .. } = strand.phase else {
            return Err(misfit(record, "no task is in flight"));
        };
        strand.last = event;
        if let Some(flight) = self.tasks.get_mut(&task) {
            flight.invocation.submitted = true;
        }
        Ok(())
    }

    /// The strand's task has ended, well or not.
    pub(super) fn end_task(
        &mut self,
        record: &Record,
        event: u64,
        sink: &mut Vec<Effect>,
    ) -> Result<TaskId, EngineError> {
        let Some(strand) = self.strands.get_mut(&record.strand) else {
            return Err(EngineError::UnknownStrand {
                strand: record.strand.0,
                event: Some(event),
            });
        };
        let Phase::Task { task, .. } = strand.phase else {
            return Err(misfit(record, "no task is in flight"));
        };
        strand.last = event;
        self.drop_task(task, sink);
        Ok(task)
    }

    pub(super) fn drop_task(&mut self, task: TaskId, sink: &mut Vec<Effect>) {
        self.tasks.remove(&task);
        self.cancel_timer(TimerId::new(TimerKind::Timeout, task.0), sink);
        self.cancel_timer(TimerId::new(TimerKind::Heartbeat, task.0), sink);
    }

    pub(super) fn start_timer(
        &mut self,
        timer: TimerId,
        strand: StrandId,
        at: Timestamp,
        sink: &mut Vec<Effect>,
    ) {
        if let Some(earlier) = self.timers.insert(timer, Timer { strand, at }) {
            self.due.remove(&(earlier.at, timer));
        }
        self.due.insert((at, timer));
        sink.push(Effect::StartTimer { timer, at });
    }

    pub(super) fn cancel_timer(&mut self, timer: TimerId, sink: &mut Vec<Effect>) {
        if let Some(running) = self.timers.remove(&timer) {
            self.due.remove(&(running.at, timer));
            sink.push(Effect::CancelTimer { timer });
        }
    }
}

/// Leaves out what a decision starts and ends itself.
pub(super) fn tidy(effects: Vec<Effect>) -> Vec<Effect> {
    use std::collections::HashMap;
    let mut kept: Vec<Option<Effect>> = Vec::with_capacity(effects.len());
    let mut tasks: HashMap<TaskId, usize> = HashMap::new();
    let mut timers: HashMap<TimerId, usize> = HashMap::new();
    let mut children: HashMap<(MapRunId, u32), usize> = HashMap::new();
    for effect in effects {
        let place = kept.len();
        let undone = match &effect {
            Effect::InvokeTask(invocation) => {
                tasks.insert(invocation.task, place);
                None
            }
            // The earlier start of the same timer is replaced.
            Effect::StartTimer { timer, .. } => {
                if let Some(earlier) = timers.insert(*timer, place)
                    && let Some(slot) = kept.get_mut(earlier)
                {
                    *slot = None;
                }
                None
            }
            Effect::CancelTask { task } => tasks.remove(task),
            Effect::CancelTimer { timer } => timers.remove(timer),
            Effect::StartChild(child) => {
                children.insert((child.map, child.index), place);
                None
            }
            Effect::StopChild { map, index } => children.remove(&(*map, *index)),
            Effect::ReadItems { .. } | Effect::WriteResults { .. } | Effect::Finish(_) => None,
        };
        match undone.and_then(|earlier| kept.get_mut(earlier)) {
            Some(slot) => *slot = None,
            None => kept.push(Some(effect)),
        }
    }
    kept.into_iter().flatten().collect()
}
