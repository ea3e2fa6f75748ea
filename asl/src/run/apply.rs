//! Folding records: the only place where a run changes.

use std::sync::Arc;

use serde_json::Value;

use super::effect::{Effect, Outcome};
use super::id::{StrandId, TaskId, TimerId, TimerKind};
use super::record::{Note, Record};
use super::size::bytes;
use super::strand::{Fan, Phase, Strand, Visit};
use super::{EngineError, Run, Started};
use crate::history::{EventKind, HistoryEvent};

/// What a fold asks to be done outside, in order.
pub(super) type Sink = Vec<Effect>;

impl Run {
    /// Folds one record of the journal.
    ///
    /// # Errors
    ///
    /// When the record does not follow on what was folded before: the journal is damaged or another run's.
    pub fn apply(&mut self, record: &Record) -> Result<(), EngineError> {
        self.fold(record, &mut Vec::new())
    }

    pub(super) fn fold(&mut self, record: &Record, sink: &mut Sink) -> Result<(), EngineError> {
        let redriven = matches!(
            record.event.as_ref().map(|e| &e.kind),
            Some(EventKind::ExecutionRedriven { .. })
        );
        if self.outcome.is_some() != redriven {
            let why = if redriven {
                "the run has not ended"
            } else {
                "the run has ended"
            };
            return Err(misfit(record, why));
        }
        if let Some(event) = &record.event {
            if event.id != self.last_event + 1 {
                return Err(EngineError::OutOfOrder {
                    wanted: self.last_event + 1,
                    found: event.id,
                });
            }
            self.fold_event(record, event, sink)?;
            self.last_event = event.id;
        } else {
            self.fold_note(record, sink)?;
        }
        self.settle(record.strand);
        Ok(())
    }

    fn fold_event(
        &mut self,
        record: &Record,
        event: &HistoryEvent,
        sink: &mut Sink,
    ) -> Result<(), EngineError> {
        use EventKind as K;
        let id = event.id;
        match (&event.kind, &record.note) {
            (
                K::ExecutionStarted { input, .. },
                Some(Note::Begin {
                    context,
                    start_at,
                    deadline,
                }),
            ) => {
                self.started = Some(Started {
                    context: context.clone(),
                    input: input.clone(),
                    redrives: 0,
                    redrive_time: None,
                });
                self.strands.insert(
                    StrandId::ROOT,
                    Strand {
                        parent: None,
                        last: 0,
                        variables: Arc::default(),
                        variable_bytes: 0,
                        visit: None,
                        phase: Phase::Goto(start_at.clone(), input.clone()),
                        shelf: None,
                    },
                );
                self.next_strand = 1;
                if let Some(at) = deadline {
                    self.start_timer(
                        TimerId::new(TimerKind::Execution, id),
                        StrandId::ROOT,
                        *at,
                        sink,
                    );
                }
            }
            (K::ExecutionRedriven { count }, Some(Note::Redriven { deadline })) => {
                self.take_back(id, event.at, *count, *deadline, sink)?;
            }
            (K::ExecutionSucceeded { output }, _) => self.finish(
                Outcome::Succeeded {
                    output: output.clone(),
                },
                sink,
            ),
            (K::ExecutionFailed { failure: f }, _) => {
                self.finish(
                    Outcome::Failed {
                        error: f.error.clone(),
                        cause: f.cause.clone(),
                    },
                    sink,
                );
            }
            (K::ExecutionTimedOut { failure: f }, _) => {
                self.finish(
                    Outcome::TimedOut {
                        error: f.error.clone(),
                        cause: f.cause.clone(),
                    },
                    sink,
                );
            }
            (K::ExecutionAborted { failure: f }, _) => {
                self.finish(
                    Outcome::Aborted {
                        error: f.error.clone(),
                        cause: f.cause.clone(),
                    },
                    sink,
                );
            }
            (K::StateEntered { state, name, input }, _) => {
                let strand = self.strand_mut(record)?;
                strand.last = id;
                strand.visit = Some(Visit {
                    state: name.clone(),
                    kind: *state,
                    input: input.clone(),
                    entered: id,
                    before: event.previous,
                    entered_at: event.at,
                    retries: 0,
                    attempts: Vec::new(),
                });
                strand.phase = Phase::Entered;
            }
            (
                K::StateExited {
                    output, assigned, ..
                },
                Some(Note::Go { next }),
            ) => {
                let strand = self.strand_mut(record)?;
                strand.last = id;
                strand.visit = None;
                strand.shelf = None;
                if !assigned.is_empty() {
                    let variables = Arc::make_mut(&mut strand.variables);
                    for (name, value) in assigned {
                        strand.variable_bytes += bytes(value);
                        if let Some(old) = variables.insert(name.clone(), value.clone()) {
                            strand.variable_bytes -= bytes(&old);
                        }
                    }
                }
                match next {
                    Some(next) => strand.phase = Phase::Goto(next.clone(), output.clone()),
                    None => {
                        strand.phase = Phase::Ended(output.clone());
                        self.deliver_branch(record.strand, output);
                    }
                }
            }
            (
                K::LambdaFunctionScheduled { input, .. }
                | K::ActivityScheduled { input, .. }
                | K::TaskScheduled {
                    parameters: input, ..
                },
                Some(note @ Note::Task { .. }),
            ) => self.schedule(record, event, input, note, sink)?,
            (K::LambdaFunctionStarted | K::ActivityStarted { .. } | K::TaskStarted { .. }, _) => {
                let strand = self.strand_mut(record)?;
                strand.last = id;
                match &mut strand.phase {
                    Phase::Task { started, .. } => *started = true,
                    _ => return Err(misfit(record, "no task is in flight")),
                }
            }
            (
                K::LambdaFunctionSucceeded { output }
                | K::ActivitySucceeded { output }
                | K::TaskSucceeded { output, .. },
                _,
            ) => {
                self.end_task(record, id, sink)?;
                self.strand_mut(record)?.phase = Phase::Result(output.clone());
            }
            (K::TaskSubmitted { .. }, _) => self.submit_task(record, id)?,
            (
                K::LambdaFunctionFailed { failure }
                | K::ActivityFailed { failure }
                | K::TaskFailed { failure, .. },
                _,
            ) => {
                self.end_task(record, id, sink)?;
                self.strand_mut(record)?.phase = Phase::Failed {
                    failure: failure.clone(),
                    told: false,
                };
            }
            (
                K::LambdaFunctionTimedOut { failure }
                | K::ActivityTimedOut { failure }
                | K::TaskTimedOut { failure, .. },
                _,
            ) => {
                let task = self.end_task(record, id, sink)?;
                sink.push(Effect::CancelTask { task });
                self.strand_mut(record)?.phase = Phase::Failed {
                    failure: failure.clone(),
                    told: false,
                };
            }
            (K::ParallelStateStarted, Some(Note::Branches { count, input })) => {
                self.start_branches(record, id, *count, input.clone())?;
            }
            (K::MapStateStarted { length }, Some(Note::Iterations { concurrency, items })) => {
                let strand = self.strand_mut(record)?;
                strand.last = id;
                strand.phase = Phase::Fan(Fan {
                    length: u32::try_from(*length)
                        .map_err(|_| misfit(record, "the list is too long"))?,
                    concurrency: *concurrency,
                    next: 0,
                    running: Default::default(),
                    results: Default::default(),
                    input: None,
                    items: items.clone(),
                    previous: id,
                });
            }
            (K::MapStateStarted { length }, Some(Note::Distribute { items, reading })) => {
                self.begin_map_run(record, id, *length, items.clone(), reading.clone())?;
            }
            (K::MapRunStarted { arn }, Some(Note::MapRun { opening })) => {
                self.open_map_run(record, id, arn, opening)?;
            }
            (K::MapRunSucceeded | K::MapRunAborted | K::MapRunRedriven { .. }, _) => {
                self.strand_mut(record)?.last = id;
            }
            (K::MapRunFailed { failure }, _) => self.fail_map_run(record, id, failure, sink)?,
            (K::MapStateSucceeded, Some(Note::Collected { output })) => {
                self.drop_map_run(record.strand, sink);
                self.strand_mut(record)?.phase = Phase::Result(output.clone());
            }
            (K::MapIterationStarted { .. }, Some(Note::Iteration { parent, index })) => {
                self.start_iteration(record, id, *parent, *index)?;
            }
            (K::MapIterationSucceeded { .. }, _) => self.end_iteration(record, id)?,
            (K::ParallelStateSucceeded | K::MapStateSucceeded, _) => {
                let strand = self.strand_mut(record)?;
                let Phase::Fan(fan) = &mut strand.phase else {
                    return Err(misfit(record, "no branches or iterations run"));
                };
                let results = std::mem::take(&mut fan.results);
                let list = results
                    .into_values()
                    .map(|v| Arc::try_unwrap(v).unwrap_or_else(|v| (*v).clone()))
                    .collect();
                strand.phase = Phase::Result(Arc::new(Value::Array(list)));
            }
            (K::ParallelStateFailed | K::MapStateFailed, _) => {
                let strand = self.strand_mut(record)?;
                strand.last = id;
                match &mut strand.phase {
                    Phase::Failed { told, .. } => *told = true,
                    _ => return Err(misfit(record, "the state has not failed")),
                }
            }
            (K::EvaluationFailed { .. }, _) => self.strand_mut(record)?.last = id,
            (
                K::MapIterationFailed { .. }
                | K::MapIterationAborted { .. }
                | K::StateAborted { .. },
                _,
            ) => {}
            _ => {
                return Err(misfit(
                    record,
                    "the engine's note is missing or another one's",
                ));
            }
        }
        Ok(())
    }

    fn fold_note(&mut self, record: &Record, sink: &mut Sink) -> Result<(), EngineError> {
        match &record.note {
            Some(Note::Wait { until }) => {
                let strand = self.strand_mut(record)?;
                let entered = strand.visit.as_ref().map_or(0, |v| v.entered);
                let timer = TimerId::new(TimerKind::Wait, entered);
                strand.phase = Phase::Waiting(timer);
                self.start_timer(timer, record.strand, *until, sink);
            }
            Some(Note::Woken) => {
                let strand = self.strand_mut(record)?;
                let (timer, next) = match &strand.phase {
                    Phase::Waiting(timer) => (*timer, Phase::Waited),
                    Phase::Pausing(timer) => (*timer, Phase::Entered),
                    _ => return Err(misfit(record, "it does not wait")),
                };
                strand.phase = next;
                self.cancel_timer(timer, sink);
            }
            Some(Note::Heartbeat { due }) => {
                let strand = self.strand_mut(record)?;
                let Phase::Task { task, .. } = strand.phase else {
                    return Err(misfit(record, "no task is in flight"));
                };
                self.start_timer(
                    TimerId::new(TimerKind::Heartbeat, task.0),
                    record.strand,
                    *due,
                    sink,
                );
            }
            Some(Note::Retry { retrier, due }) => {
                let strand = self.strand_mut(record)?;
                let timer = TimerId::new(TimerKind::Retry, strand.last);
                strand.shelf = None;
                let visit = strand
                    .visit
                    .as_mut()
                    .ok_or_else(|| misfit(record, "it is in no state"))?;
                let index = usize::try_from(*retrier).unwrap_or(usize::MAX);
                if index > 1_000_000 {
                    return Err(misfit(record, "there is no such retrier"));
                }
                if visit.attempts.len() <= index {
                    visit.attempts.resize(index + 1, 0);
                }
                if let Some(count) = visit.attempts.get_mut(index) {
                    *count += 1;
                }
                visit.retries += 1;
                strand.phase = Phase::Pausing(timer);
                self.start_timer(timer, record.strand, *due, sink);
            }
            Some(Note::Read) => self.read_page(record, sink)?,
            Some(Note::Page { items, more }) => self.take_page(record, items, *more)?,
            Some(Note::Child { input, items }) => self.start_child(record, input, *items, sink)?,
            Some(Note::ChildAgain { index }) => self.restart_child(record, *index, sink)?,
            Some(Note::ChildEnded { index, outcome }) => self.end_child(record, *index, outcome)?,
            Some(Note::Write) => self.write_results(record, sink)?,
            Some(Note::Written { output }) => self.results_written(record, output)?,
            Some(Note::Broken { failure }) => self.break_map_run(record, failure)?,
            Some(Note::Failed { failure }) => {
                self.drop_map_run(record.strand, sink);
                self.strand_mut(record)?.phase = Phase::Failed {
                    failure: failure.clone(),
                    told: false,
                };
            }
            Some(Note::Fallen { child, failure }) => {
                let last = self.strands.get(child).map(|c| c.last);
                self.shelve(record.strand, sink);
                let strand = self.strand_mut(record)?;
                strand.last = last.unwrap_or(strand.last);
                strand.phase = Phase::Failed {
                    failure: failure.clone(),
                    told: false,
                };
            }
            _ => return Err(misfit(record, "neither an event nor a note of its own")),
        }
        Ok(())
    }

    pub(super) fn strand_mut(&mut self, record: &Record) -> Result<&mut Strand, EngineError> {
        let event = record.event.as_ref().map(|e| e.id);
        self.strands
            .get_mut(&record.strand)
            .ok_or(EngineError::UnknownStrand {
                strand: record.strand.0,
                event,
            })
    }

    fn finish(&mut self, outcome: Outcome, sink: &mut Sink) {
        for task in std::mem::take(&mut self.tasks).into_keys() {
            sink.push(Effect::CancelTask { task });
        }
        for timer in std::mem::take(&mut self.timers).into_keys() {
            sink.push(Effect::CancelTimer { timer });
        }
        let maps: Vec<StrandId> = self.map_runs.values().copied().collect();
        for strand in maps {
            self.drop_map_run(strand, sink);
        }
        self.due.clear();
        let strands = std::mem::take(&mut self.strands);
        if !matches!(outcome, Outcome::Succeeded { .. }) {
            self.shelf = strands;
        }
        self.ready.clear();
        sink.push(Effect::Finish(outcome.clone()));
        self.outcome = Some(outcome);
    }

    /// Notes whether a strand can go on by itself.
    pub(super) fn settle(&mut self, id: StrandId) {
        let ready = self.strands.get(&id).is_some_and(|strand| {
            let starts_itself = match &strand.phase {
                Phase::Task { task, started } => !started && self.starts_by_itself(*task),
                _ => false,
            };
            starts_itself || strand.is_ready(strand.visit.as_ref().map(|v| v.kind))
        });
        if ready {
            self.ready.insert(id);
        } else {
            self.ready.remove(&id);
        }
    }

    fn starts_by_itself(&self, task: TaskId) -> bool {
        self.tasks
            .get(&task)
            .is_some_and(|t| !matches!(t.invocation.resource, crate::Resource::Activity { .. }))
    }
}

pub(super) fn misfit(record: &Record, why: &'static str) -> EngineError {
    EngineError::Misfit {
        event: record.event.as_ref().map(|e| e.id),
        what: match (&record.event, &record.note) {
            (Some(event), _) => event.kind.type_name(),
            (None, note) => format!("{note:?}").chars().take(40).collect(),
        },
        why,
    }
}
