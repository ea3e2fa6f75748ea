//! The readable list of steps, for `kubectl describe`.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;

use super::id::StrandId;
use super::record::{Note, Record};
use crate::failure::Failure;
use crate::history::{EventKind, Payload};
use crate::states::StateType;

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum StepStatus {
    Running,
    Succeeded,
    /// It failed and a Catch took over.
    Caught,
    Failed,
    Aborted,
}

/// One visit of one state.
#[derive(Debug, Clone, PartialEq)]
pub struct StepView {
    /// The state's name.
    pub name: String,
    /// The state's type.
    pub state: StateType,
    /// How deep inside Parallel and Map it is; 0 is the machine itself.
    pub depth: usize,
    /// The Map iteration or Parallel branch it belongs to.
    pub index: Option<u64>,
    /// When it was entered.
    pub entered: Timestamp,
    /// When it was left, or broken off.
    pub exited: Option<Timestamp>,
    /// What came in.
    pub input: Payload,
    /// What went out.
    pub output: Option<Payload>,
    /// How often it was tried again.
    pub retries: u32,
    /// The last failure, if there was one.
    pub failure: Option<Failure>,
    /// Where it stands.
    pub status: StepStatus,
}

/// The last steps of a run, read from its journal record by record.
#[derive(Debug, Clone)]
pub struct Steps {
    /// Steps that are kept.
    most: usize,
    kept: VecDeque<StepView>,
    /// How many older ones are not kept any more.
    gone: usize,
    /// The step that a strand is in, counted from the run's first.
    open: HashMap<StrandId, usize>,
    /// Depth and index of a strand.
    place: HashMap<StrandId, (usize, u64)>,
    strands: u32,
    parents: HashMap<StrandId, StrandId>,
    /// Steps that a failure broke off: a redrive takes them up again.
    shelf: HashMap<StrandId, usize>,
}

/// The steps of a run, in the order they were entered, read from its journal. (From the journal and not from the
/// [`Run`](crate::Run): a waiting run need not keep its past in memory.)
pub fn steps<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<StepView> {
    let mut steps = Steps::last(usize::MAX);
    for record in records {
        steps.read(record);
    }
    steps.kept.into()
}

impl Steps {
    /// Keeps at most so many steps, the last ones.
    pub fn last(most: usize) -> Steps {
        Steps {
            most,
            kept: VecDeque::new(),
            gone: 0,
            open: HashMap::new(),
            place: HashMap::new(),
            strands: 1,
            parents: HashMap::new(),
            shelf: HashMap::new(),
        }
    }

    /// The steps that are kept, in the order they were entered.
    pub fn iter(&self) -> impl Iterator<Item = &StepView> {
        self.kept.iter()
    }

    /// Takes the journal's next record in.
    pub fn read(&mut self, record: &Record) {
        use EventKind as K;
        let strand = record.strand;
        if let Some(event) = &record.event {
            match &event.kind {
                K::ExecutionRedriven { .. } => {
                    for (strand, index) in std::mem::take(&mut self.shelf) {
                        if let Some(step) = self.step_at(index) {
                            (step.status, step.exited, step.failure) =
                                (StepStatus::Running, None, None);
                            self.open.insert(strand, index);
                        }
                    }
                }
                K::StateEntered { state, name, input } => {
                    let (depth, index) = match self.place.get(&strand) {
                        Some((depth, index)) => (*depth, Some(*index)),
                        None => (0, None),
                    };
                    self.open.insert(strand, self.gone + self.kept.len());
                    self.push(StepView {
                        name: name.clone(),
                        state: *state,
                        depth,
                        index,
                        entered: event.at,
                        exited: None,
                        input: input.clone(),
                        output: None,
                        retries: 0,
                        failure: None,
                        status: StepStatus::Running,
                    });
                }
                K::StateExited { output, .. } => {
                    let caught = self
                        .step(strand)
                        .is_some_and(|s| s.status == StepStatus::Failed);
                    self.close(
                        strand,
                        event.at,
                        if caught {
                            StepStatus::Caught
                        } else {
                            StepStatus::Succeeded
                        },
                    );
                    if let Some(step) = self.step(strand) {
                        step.output = Some(output.clone());
                    }
                    self.open.remove(&strand);
                    self.forget(strand);
                }
                K::LambdaFunctionFailed { failure }
                | K::LambdaFunctionTimedOut { failure }
                | K::ActivityFailed { failure }
                | K::ActivityTimedOut { failure }
                | K::TaskFailed { failure, .. }
                | K::TaskTimedOut { failure, .. } => self.failed(strand, failure),
                K::StateAborted { .. } => {
                    let status = match self.step(strand) {
                        Some(step) if step.status == StepStatus::Failed => StepStatus::Failed,
                        _ => StepStatus::Aborted,
                    };
                    self.close(strand, event.at, status);
                }
                K::ExecutionFailed { failure }
                | K::ExecutionTimedOut { failure }
                | K::ExecutionAborted { failure } => {
                    self.end(event.at, &event.kind, failure);
                }
                K::MapIterationStarted { index, .. } => {
                    if let Some(Note::Iteration { parent, .. }) = &record.note {
                        self.add(strand, *parent, *index);
                    }
                }
                K::ParallelStateStarted => {
                    if let Some(Note::Branches { count, .. }) = &record.note {
                        for index in 0..*count {
                            self.add(StrandId(self.strands), strand, u64::from(index));
                        }
                    }
                }
                _ => {}
            }
            return;
        }
        match &record.note {
            Some(Note::Retry { .. }) => {
                if let Some(step) = self.step(strand) {
                    step.retries += 1;
                }
            }
            Some(Note::Woken) => {
                self.forget(strand);
                if let Some(step) = self.step(strand) {
                    step.status = StepStatus::Running;
                }
            }
            Some(Note::Failed { failure }) => self.failed(strand, failure),
            Some(Note::Fallen { child, failure }) => {
                let at = self.kept.back().map(|s| s.exited.unwrap_or(s.entered));
                for inner in self.inside(strand) {
                    let status = if inner == *child {
                        StepStatus::Failed
                    } else {
                        StepStatus::Aborted
                    };
                    if let (Some(at), Some(step)) = (at, self.step(inner))
                        && step.exited.is_none()
                    {
                        step.exited = Some(at);
                        step.status = if step.status == StepStatus::Failed {
                            StepStatus::Failed
                        } else {
                            status
                        };
                    }
                    let open = self.open.remove(&inner);
                    self.shelf.extend(open.map(|index| (inner, index)));
                }
                self.failed(strand, failure);
            }
            _ => {}
        }
    }

    fn add(&mut self, strand: StrandId, parent: StrandId, index: u64) {
        let depth = self.place.get(&parent).map_or(0, |(depth, _)| *depth) + 1;
        self.place.insert(strand, (depth, index));
        self.parents.insert(strand, parent);
        self.strands = self.strands.max(strand.0 + 1);
    }

    /// The strands inside another, at any depth, that are in a step.
    fn inside(&self, outer: StrandId) -> Vec<StrandId> {
        let open = self.open.keys().copied();
        open.filter(|strand| self.is_within(*strand, outer))
            .collect()
    }

    fn is_within(&self, strand: StrandId, outer: StrandId) -> bool {
        let mut at = strand;
        while let Some(parent) = self.parents.get(&at) {
            if *parent == outer {
                return true;
            }
            at = *parent;
        }
        false
    }

    /// What fell inside a state is over for good: the state goes on without it.
    fn forget(&mut self, outer: StrandId) {
        let shelf = std::mem::take(&mut self.shelf);
        self.shelf = shelf
            .into_iter()
            .filter(|(strand, _)| !self.is_within(*strand, outer))
            .collect();
    }

    fn step(&mut self, strand: StrandId) -> Option<&mut StepView> {
        let index = *self.open.get(&strand)?;
        self.step_at(index)
    }

    fn step_at(&mut self, index: usize) -> Option<&mut StepView> {
        self.kept.get_mut(index.checked_sub(self.gone)?)
    }

    fn push(&mut self, step: StepView) {
        self.kept.push_back(step);
        if self.kept.len() > self.most {
            self.kept.pop_front();
            self.gone += 1;
        }
    }

    fn failed(&mut self, strand: StrandId, failure: &Failure) {
        if let Some(step) = self.step(strand) {
            step.failure = Some(failure.clone());
            step.status = StepStatus::Failed;
        }
    }

    fn close(&mut self, strand: StrandId, at: Timestamp, status: StepStatus) {
        if let Some(step) = self.step(strand) {
            step.exited = Some(at);
            step.status = status;
        }
    }

    /// The run ended in mid-work: the state that it names as its cause failed, the rest was broken off.
    fn end(&mut self, at: Timestamp, kind: &EventKind, failure: &Failure) {
        let cause = failure.cause.as_deref().unwrap_or_default();
        for (strand, index) in std::mem::take(&mut self.open) {
            self.shelf.insert(strand, index);
            let Some(step) = self.step_at(index) else {
                continue;
            };
            if step.exited.is_some() {
                continue;
            }
            step.exited = Some(at);
            let named = step.depth == 0 || cause.contains(&format!("the state '{}' ", step.name));
            let failed = named && matches!(kind, EventKind::ExecutionFailed { .. });
            if step.status == StepStatus::Running {
                step.status = if failed {
                    StepStatus::Failed
                } else {
                    StepStatus::Aborted
                };
            }
            if failed && step.failure.is_none() {
                step.failure = Some(failure.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Command, ExecutionContext, Moment, Run, TaskId};
    use serde_json::json;

    #[test]
    fn a_failed_branch_shows_what_failed_and_what_was_broken_off() {
        let branch = |name: &str| json!({"StartAt": name, "States": {name: {"Type": "Task", "Resource": "f", "End": true}}});
        let program = crate::Program::parse(&json!({"StartAt": "P", "States": {
            "P": {"Type": "Parallel", "Branches": [branch("A"), branch("B")], "Next": "Q",
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Q"}]},
            "Q": {"Type": "Task", "Resource": "g", "End": true}
        }}));
        let program = program.unwrap();
        let moment = Moment {
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            entropy: [1; 32],
        };
        let context = ExecutionContext {
            id: "e".into(),
            name: "e".into(),
            role: None,
            start_time: moment.now,
            state_machine_id: "m".into(),
            state_machine_name: "m".into(),
        };
        let mut run = Run::new();
        let mut journal = Vec::new();
        let start = Command::Start {
            input: json!({}),
            context,
        };
        journal.extend(run.decide(&program, start, &moment).unwrap().records);
        let (task, error) = (*run.tasks.keys().max().unwrap(), "E".to_owned());
        let failed = Command::TaskFailed {
            task,
            error,
            cause: None,
        };
        journal.extend(run.decide(&program, failed, &moment).unwrap().records);
        let seen = |journal: &[Record]| {
            steps(journal)
                .into_iter()
                .map(|s| (s.name, s.depth, s.status))
                .collect::<Vec<_>>()
        };
        let wanted = |last: StepStatus| {
            vec![
                ("P".to_owned(), 0, StepStatus::Caught),
                ("A".to_owned(), 1, StepStatus::Aborted),
                ("B".to_owned(), 1, StepStatus::Failed),
                ("Q".to_owned(), 0, last),
            ]
        };
        assert_eq!(seen(&journal), wanted(StepStatus::Running));
        let task: TaskId = *run.tasks.keys().next().unwrap();
        let done = Command::TaskSucceeded {
            task,
            output: json!(1),
        };
        journal.extend(run.decide(&program, done, &moment).unwrap().records);
        assert_eq!(seen(&journal), wanted(StepStatus::Succeeded));

        let mut last = Steps::last(2);
        journal.iter().for_each(|record| last.read(record));
        let last: Vec<_> = last.iter().cloned().collect();
        assert_eq!(last, steps(&journal)[2..]);
    }
}
