//! From a command to records and effects.

use jiff::Timestamp;
use serde_json::Value;

use super::command::{Command, ExecutionContext, Moment};
use super::effect::{Decision, Effect};
use super::flight::tidy;
use super::id::{StrandId, TaskId, TimerId, TimerKind};
use super::map_run::{MapRun, MapRunId};
use super::record::{Note, Record};
use super::size::is_too_deep;
use super::strand::Phase;
use super::{EngineError, Run};
use crate::entropy::Entropy;
use crate::failure::{Failure, names};
use crate::history::{EventKind, HistoryEvent, Payload};
use crate::program::Program;
use crate::resource::Resource;

/// A decision with so many records ends after the turn: a loop of Pass states would else hold its whole history, and
/// nothing else would be heard meanwhile.
const MOST_RECORDS: usize = 128;

/// A decision in the making: the run, what it decided so far, and what it may use.
pub(super) struct Maker<'a> {
    pub(super) run: &'a mut Run,
    pub(super) program: &'a Program,
    pub(super) now: Timestamp,
    pub(super) entropy: Entropy,
    pub(super) records: Vec<Record>,
    effects: Vec<Effect>,
}

/// Why a decision stops before the run rests.
pub(super) enum Halt {
    /// The history is full.
    Full,
    /// The program and the run do not fit together.
    Engine(EngineError),
}

impl From<EngineError> for Halt {
    fn from(error: EngineError) -> Self {
        Halt::Engine(error)
    }
}

impl Run {
    /// Reacts to a command. The run itself has moved on when this returns: append the records, then carry out the effects.
    ///
    /// A command that comes late or twice decides nothing. A long decision says that there is [more](Decision::more).
    ///
    /// # Errors
    ///
    /// When the program is not the one that the run was started with. The run is then unusable; rebuild it from its journal.
    pub fn decide(
        &mut self,
        program: &Program,
        command: Command,
        moment: &Moment,
    ) -> Result<Decision, EngineError> {
        if self.outcome.is_some() != matches!(command, Command::Redrive) {
            return Ok(Decision::default());
        }
        let mut maker = Maker {
            run: self,
            program,
            now: moment.now,
            entropy: Entropy::new(moment.entropy),
            records: Vec::new(),
            effects: Vec::new(),
        };
        let done = match maker.react(command) {
            Ok(()) => maker.advance(),
            halt => halt,
        };
        match done {
            Ok(()) => {}
            Err(Halt::Engine(error)) => return Err(error),
            Err(Halt::Full) => maker.history_is_full()?,
        }
        let (records, effects) = (maker.records, tidy(maker.effects));
        Ok(Decision {
            records,
            effects,
            more: self.outcome.is_none() && !self.ready.is_empty(),
        })
    }
}

impl Maker<'_> {
    fn react(&mut self, command: Command) -> Result<(), Halt> {
        match command {
            Command::Start { input, context } => self.start(Payload::new(input), context),
            Command::Resume => Ok(()),
            Command::Redrive => self.redrive(),
            Command::TaskStarted { task, worker } => {
                let Some(strand) = self.strand_of(task) else {
                    return Ok(());
                };
                let is_activity =
                    self.run.tasks.get(&task).is_some_and(|t| {
                        matches!(t.invocation.resource, Resource::Activity { .. })
                    });
                let started = self.run.strands.get(&strand).map(|s| &s.phase);
                if is_activity && matches!(started, Some(Phase::Task { started: false, .. })) {
                    return self.event(strand, EventKind::ActivityStarted { worker }, None);
                }
                Ok(())
            }
            Command::TaskSubmitted { task, output } => {
                self.task_submitted(task, Payload::new(output))
            }
            Command::TaskSucceeded { task, output } => {
                self.task_succeeded(task, Payload::new(output))
            }
            Command::TaskFailed { task, error, cause } => self.task_failed(
                task,
                Failure {
                    error: Some(error),
                    cause,
                    location: None,
                },
            ),
            Command::TaskHeartbeat { task } => {
                let Some(flight) = self.run.tasks.get(&task) else {
                    return Ok(());
                };
                let (strand, heartbeat) = (flight.strand, flight.invocation.heartbeat);
                let Some(heartbeat) = heartbeat else {
                    return Ok(());
                };
                let due = self.now.checked_add(heartbeat).unwrap_or(Timestamp::MAX);
                self.note(strand, Note::Heartbeat { due })
            }
            Command::TimerFired { timer } => self.timer_fired(timer),
            Command::ItemsRead {
                map,
                from,
                items,
                more,
            } => self.items_read(map, from, items, more),
            Command::ItemsFailed { map, cause } => {
                self.map_breaks(map, names::ITEM_READER, cause, |run| run.asked)
            }
            Command::ChildEnded {
                map,
                index,
                outcome,
            } => {
                let Some(strand) = self.strand_of_map(map) else {
                    return Ok(());
                };
                match self.run.strands.get(&strand).map(|s| &s.phase) {
                    Some(Phase::MapRun(run)) if run.running.contains_key(&index) => {
                        self.note(strand, Note::ChildEnded { index, outcome })
                    }
                    _ => Ok(()),
                }
            }
            Command::ResultsWritten { map, output } => {
                let Some(strand) = self.strand_of_map(map) else {
                    return Ok(());
                };
                match self.run.strands.get(&strand).map(|s| &s.phase) {
                    Some(Phase::MapRun(run)) if run.writing => self.note(
                        strand,
                        Note::Written {
                            output: Payload::new(output),
                        },
                    ),
                    _ => Ok(()),
                }
            }
            Command::ResultsFailed { map, cause } => {
                self.map_breaks(map, names::RESULT_WRITER, cause, |run| run.writing)
            }
            Command::Stop { error, cause } => {
                if self.run.started.is_none() {
                    return Ok(());
                }
                self.abort_map_runs()?;
                self.last_event(EventKind::ExecutionAborted {
                    failure: Failure {
                        error,
                        cause,
                        location: None,
                    },
                })
            }
        }
    }

    fn items_read(
        &mut self,
        map: MapRunId,
        from: u64,
        items: Vec<Value>,
        more: bool,
    ) -> Result<(), Halt> {
        let Some(strand) = self.strand_of_map(map) else {
            return Ok(());
        };
        let (most, known) = (
            self.run.limits.items,
            u64::try_from(items.len()).unwrap_or(u64::MAX),
        );
        match self.run.strands.get(&strand).map(|s| &s.phase) {
            Some(Phase::MapRun(run)) if run.asked && run.known == from => {}
            _ => return Ok(()),
        }
        if items.iter().any(is_too_deep) {
            let cause = "An item has more lists and objects inside each other than can be stored."
                .to_owned();
            return self.map_breaks(map, names::ITEM_READER, cause, |run| run.asked);
        }
        if from.saturating_add(known) > most {
            let cause = format!("There are more than {most} items to read.");
            return self.map_breaks(map, names::ITEM_READER, cause, |run| run.asked);
        }
        // A reader that finds nothing and says that there is more would be asked for ever.
        let more = more && !items.is_empty();
        let items = Payload::new(Value::Array(items));
        self.note(strand, Note::Page { items, more })
    }

    fn map_breaks(
        &mut self,
        map: MapRunId,
        error: &str,
        cause: String,
        waits: impl Fn(&MapRun) -> bool,
    ) -> Result<(), Halt> {
        let Some(strand) = self.strand_of_map(map) else {
            return Ok(());
        };
        match self.run.strands.get(&strand).map(|s| &s.phase) {
            Some(Phase::MapRun(run)) if waits(run) => {
                let failure = Failure::new(error, cause);
                self.note(strand, Note::Broken { failure })
            }
            _ => Ok(()),
        }
    }

    fn start(&mut self, input: Payload, context: ExecutionContext) -> Result<(), Halt> {
        if self.run.started.is_some() {
            return Ok(());
        }
        let deadline = self.program.timeout_seconds().map(|seconds| {
            self.now
                .checked_add(std::time::Duration::from_secs(seconds))
                .unwrap_or(Timestamp::MAX)
        });
        let deep = is_too_deep(&input);
        let input = if deep {
            Payload::new(Value::Null)
        } else {
            input
        };
        let start_at = self.program.machine().start_at.clone();
        let role = context.role.clone();
        let note = Note::Begin {
            context,
            start_at,
            deadline,
        };
        self.event(
            StrandId::ROOT,
            EventKind::ExecutionStarted { input, role },
            Some(note),
        )?;
        if deep {
            let cause = "The execution's input has more lists and objects inside each other than can be stored.";
            let failure = Failure::new(names::DATA_LIMIT, cause);
            return self.last_event(EventKind::ExecutionFailed { failure });
        }
        Ok(())
    }

    fn timer_fired(&mut self, timer: TimerId) -> Result<(), Halt> {
        let Some(running) = self.run.timers.get(&timer).copied() else {
            return Ok(());
        };
        if running.at > self.now {
            // It fired early, or an older one with the same name did: wait for the rest.
            self.effects.push(Effect::StartTimer {
                timer,
                at: running.at,
            });
            return Ok(());
        }
        // Timers of one moment fire together, whatever their order outside: all timeouts of a Map are in its history.
        let due = self.run.due.iter().take_while(|(at, _)| *at <= running.at);
        let due: Vec<TimerId> = due.map(|(_, timer)| *timer).collect();
        for timer in due {
            self.fire(timer)?;
        }
        self.effects
            .retain(|effect| effect != &Effect::CancelTimer { timer });
        Ok(())
    }

    fn fire(&mut self, timer: TimerId) -> Result<(), Halt> {
        let Some(running) = self.run.timers.get(&timer).copied() else {
            return Ok(());
        };
        let failed = |error: &str| Failure {
            error: Some(error.to_owned()),
            cause: None,
            location: None,
        };
        match timer.kind {
            TimerKind::Wait | TimerKind::Retry => self.note(running.strand, Note::Woken),
            TimerKind::Timeout => self.task_failed(TaskId(timer.event), failed(names::TIMEOUT)),
            TimerKind::Heartbeat => {
                self.task_failed(TaskId(timer.event), failed(names::HEARTBEAT_TIMEOUT))
            }
            TimerKind::Execution => {
                self.abort_map_runs()?;
                self.last_event(EventKind::ExecutionTimedOut {
                    failure: failed(names::TIMEOUT),
                })
            }
        }
    }

    pub(super) fn strand_of(&self, task: TaskId) -> Option<StrandId> {
        self.run.tasks.get(&task).map(|flight| flight.strand)
    }

    /// Goes on until every strand waits for something or the decision is long enough. One step of each strand in turn, so
    /// that branches run side by side.
    fn advance(&mut self) -> Result<(), Halt> {
        while !self.run.ready.is_empty() && self.records.len() < MOST_RECORDS {
            let turn: Vec<StrandId> = self.run.ready.iter().copied().collect();
            for strand in turn {
                if self.run.ready.contains(&strand) {
                    self.step(strand)?;
                }
            }
        }
        Ok(())
    }

    /// The next event's id.
    pub(super) fn next_id(&self) -> u64 {
        self.run.last_event + 1
    }

    /// Appends an event to a strand's chain.
    pub(super) fn event(
        &mut self,
        strand: StrandId,
        kind: EventKind,
        note: Option<Note>,
    ) -> Result<(), Halt> {
        let previous = self.run.strands.get(&strand).map_or(0, |s| s.last);
        self.event_after(previous, strand, kind, note)
    }

    /// Appends an event that another than its strand's last one led to.
    pub(super) fn event_after(
        &mut self,
        previous: u64,
        strand: StrandId,
        kind: EventKind,
        note: Option<Note>,
    ) -> Result<(), Halt> {
        let id = self.next_id();
        if id >= self.run.limits.events {
            return Err(Halt::Full);
        }
        let event = HistoryEvent {
            id,
            previous,
            at: self.now,
            kind,
        };
        Ok(self.append(Record {
            strand,
            event: Some(event),
            note,
        })?)
    }

    /// Appends the run's end: there is always room for it.
    pub(super) fn last_event(&mut self, kind: EventKind) -> Result<(), Halt> {
        let previous = self.run.strands.get(&StrandId::ROOT).map_or(0, |s| s.last);
        self.last_event_after(previous, kind)
    }

    pub(super) fn last_event_after(&mut self, previous: u64, kind: EventKind) -> Result<(), Halt> {
        let event = HistoryEvent {
            id: self.next_id(),
            previous,
            at: self.now,
            kind,
        };
        Ok(self.append(Record {
            strand: StrandId::ROOT,
            event: Some(event),
            note: None,
        })?)
    }

    /// The run ends from outside: so do the Map Runs in it. Part of the end, these events are beyond the limit of the history.
    fn abort_map_runs(&mut self) -> Result<(), Halt> {
        let strands: Vec<StrandId> = self.run.map_runs.values().copied().collect();
        for strand in strands {
            let event = HistoryEvent {
                id: self.next_id(),
                previous: self.run.strands.get(&strand).map_or(0, |s| s.last),
                at: self.now,
                kind: EventKind::MapRunAborted,
            };
            self.append(Record {
                strand,
                event: Some(event),
                note: None,
            })?;
        }
        Ok(())
    }

    /// Appends what only the engine notes.
    pub(super) fn note(&mut self, strand: StrandId, note: Note) -> Result<(), Halt> {
        Ok(self.append(Record {
            strand,
            event: None,
            note: Some(note),
        })?)
    }

    fn append(&mut self, record: Record) -> Result<(), EngineError> {
        self.run.fold(&record, &mut self.effects)?;
        self.records.push(record);
        Ok(())
    }

    fn history_is_full(&mut self) -> Result<(), EngineError> {
        let limit = self.run.limits.events;
        let cause =
            format!("The execution reached the maximum number of history events ({limit}).");
        match self.last_event(EventKind::ExecutionFailed {
            failure: Failure::runtime(cause),
        }) {
            Err(Halt::Engine(error)) => Err(error),
            _ => Ok(()),
        }
    }
}
