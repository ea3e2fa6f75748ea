//! Redrive: an ended run goes on from where it failed.
//!
//! What a failure takes down is not thrown away but put on a shelf: the branches and iterations of a Parallel or Map that fell, a Map Run,
//! the threads of the whole run. A redrive takes them back; states that had not succeeded begin their work anew, with all their retries.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::decide::{Halt, Maker};
use super::effect::{Effect, Outcome};
use super::id::{StrandId, TimerId, TimerKind};
use super::map_run::MapRun;
use super::record::Note;
use super::strand::{Fan, Phase, Strand};
use super::{EngineError, Run};
use crate::history::EventKind;

/// What was inside a state when it failed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shelf {
    /// Branches or iterations, and all that ran inside them.
    Fan(Fan, BTreeMap<StrandId, Strand>),
    /// Children.
    MapRun(Box<MapRun>),
}

impl Maker<'_> {
    pub(super) fn redrive(&mut self) -> Result<(), Halt> {
        let redrivable = matches!(
            self.run.outcome,
            Some(Outcome::Failed { .. } | Outcome::Aborted { .. } | Outcome::TimedOut { .. })
        );
        let Some(started) = self.run.started.as_ref().filter(|_| redrivable) else {
            return Ok(());
        };
        let count = started.redrives + 1;
        let deadline = self.program.timeout_seconds().map(|seconds| {
            self.now
                .checked_add(std::time::Duration::from_secs(seconds))
                .unwrap_or(Timestamp::MAX)
        });
        let previous = self.run.last_event;
        let note = Note::Redriven { deadline };
        self.event_after(
            previous,
            StrandId::ROOT,
            EventKind::ExecutionRedriven { count },
            Some(note),
        )?;
        let maps: Vec<(StrandId, String)> = self
            .run
            .map_runs
            .values()
            .filter_map(|id| match &self.run.strands.get(id)?.phase {
                Phase::MapRun(run) => run.open.as_ref().map(|(_, arn, _)| (*id, arn.clone())),
                _ => None,
            })
            .collect();
        for (id, arn) in maps {
            self.event(id, EventKind::MapRunRedriven { arn, count }, None)?;
        }
        Ok(())
    }
}

impl Run {
    /// Whether a redrive would make it go on.
    pub fn is_redrivable(&self) -> bool {
        matches!(
            self.outcome,
            Some(Outcome::Failed { .. } | Outcome::Aborted { .. } | Outcome::TimedOut { .. })
        ) && !self.shelf.is_empty()
    }

    pub(super) fn take_back(
        &mut self,
        event: u64,
        at: Timestamp,
        count: u32,
        deadline: Option<Timestamp>,
        sink: &mut Vec<Effect>,
    ) -> Result<(), EngineError> {
        self.outcome = None;
        if let Some(started) = &mut self.started {
            started.redrives = count;
            started.redrive_time = Some(at);
        }
        self.strands = std::mem::take(&mut self.shelf);
        let ids: Vec<StrandId> = self.strands.keys().copied().collect();
        for id in ids {
            self.revive(id, event);
        }
        let ids: Vec<StrandId> = self.strands.keys().copied().collect();
        for id in ids {
            if let Some(strand) = self.strands.get_mut(&id) {
                strand.last = event;
            }
            let map = match self.strands.get(&id).map(|s| &s.phase) {
                Some(Phase::MapRun(run)) => run.open.as_ref().map(|(map, _, _)| *map),
                _ => None,
            };
            self.map_runs.extend(map.map(|map| (map, id)));
            self.settle(id);
        }
        if let Some(at) = deadline {
            self.start_timer(
                TimerId::new(TimerKind::Execution, 1),
                StrandId::ROOT,
                at,
                sink,
            );
        }
        Ok(())
    }

    /// Makes a thread go on: what it was at begins anew, what fell inside it comes back.
    fn revive(&mut self, id: StrandId, event: u64) {
        let Some(strand) = self.strands.get_mut(&id) else {
            return;
        };
        if let Some(visit) = &mut strand.visit {
            visit.retries = 0;
            visit.attempts.clear();
        }
        match (&mut strand.phase, strand.shelf.take()) {
            (Phase::Failed { .. }, Some(shelf)) => match *shelf {
                Shelf::Fan(fan, inside) => {
                    strand.phase = Phase::Fan(Fan {
                        previous: event,
                        ..fan
                    });
                    let ids: Vec<StrandId> = inside.keys().copied().collect();
                    self.strands.extend(inside);
                    for id in ids {
                        self.revive(id, event);
                    }
                }
                Shelf::MapRun(mut run) => {
                    run.revive();
                    strand.phase = Phase::MapRun(run);
                }
            },
            (Phase::MapRun(run), _) => run.revive(),
            (
                phase @ (Phase::Task { .. }
                | Phase::Failed { .. }
                | Phase::Waiting(_)
                | Phase::Pausing(_)),
                _,
            ) => *phase = Phase::Entered,
            _ => {}
        }
    }

    /// Puts what is inside a state on its shelf, before the state fails; what it had begun outside is ended.
    pub(super) fn shelve(&mut self, id: StrandId, sink: &mut Vec<Effect>) {
        let mut inside = BTreeMap::new();
        let mut open = self.children(id);
        while let Some(child) = open.pop() {
            open.extend(self.children(child));
            self.drop_map_run(child, sink);
            let Some(strand) = self.strands.remove(&child) else {
                continue;
            };
            self.ready.remove(&child);
            match &strand.phase {
                Phase::Task { task, .. } => {
                    self.drop_task(*task, sink);
                    sink.push(Effect::CancelTask { task: *task });
                }
                Phase::Waiting(timer) | Phase::Pausing(timer) => self.cancel_timer(*timer, sink),
                _ => {}
            }
            inside.insert(child, strand);
        }
        if let Some(strand) = self.strands.get_mut(&id)
            && let Phase::Fan(fan) = &strand.phase
        {
            strand.shelf = Some(Box::new(Shelf::Fan(fan.clone(), inside)));
        }
    }
}

impl MapRun {
    /// Children that did not succeed are to be started again.
    fn revive(&mut self) {
        let (good, bad): (Vec<_>, Vec<_>) = std::mem::take(&mut self.results)
            .into_iter()
            .partition(|r| matches!(r.outcome, Outcome::Succeeded { .. }));
        self.results = good;
        for result in bad {
            self.again
                .insert(result.index, (result.input, result.items));
        }
        for (index, running) in std::mem::take(&mut self.running) {
            self.again.insert(index, (running.input, running.items));
        }
        self.counts.running = 0;
        self.counts.failed = 0;
        self.counts.timed_out = 0;
        self.counts.aborted = 0;
        self.asked = false;
        self.writing = false;
        self.broken = None;
    }
}
