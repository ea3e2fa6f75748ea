//! One step of one strand: what a state does when it is its turn.

use indexmap::IndexMap;
use serde_json::Value;

use super::EngineError;
use super::decide::{Halt, Maker};
use super::id::StrandId;
use super::record::Note;
use super::size::{bytes, is_too_deep};
use super::strand::{Phase, Visit};
use crate::failure::{Failure, names};
use crate::history::{EventKind, Payload};
use crate::program::Machine;
use crate::states::{Body, State, StateType};

/// What a state computed: its output and the variables it sets; or how it failed.
pub(super) type Computed = Result<(Value, IndexMap<String, Payload>), Failure>;

impl<'a> Maker<'a> {
    pub(super) fn step(&mut self, id: StrandId) -> Result<(), Halt> {
        let Some(strand) = self.run.strands.get(&id) else {
            return Ok(());
        };
        // A fan can be large: the other phases are small enough to copy.
        if matches!(strand.phase, Phase::Fan(_)) {
            return self.fan(id);
        }
        if matches!(strand.phase, Phase::MapRun(_)) {
            return self.distribute(id);
        }
        match strand.phase.clone() {
            Phase::Begin => self.begin(id),
            Phase::Goto(name, input) => self.enter(id, &name, input),
            Phase::Entered => self.work(id),
            Phase::Task { task, .. } => self.task_starts(id, task),
            Phase::Result(result) => self.leave_with(id, &result),
            Phase::Waited => self.wait_is_over(id),
            Phase::Failed { failure, told } => self.failed(id, failure, told),
            Phase::Ended(output) => self.ended(id, output),
            Phase::Fan(_) | Phase::MapRun(_) | Phase::Waiting(_) | Phase::Pausing(_) => Ok(()),
        }
    }

    /// The machine that a strand executes.
    pub(super) fn machine(&self, id: StrandId) -> Result<&'a Machine, EngineError> {
        let mut path = Vec::new();
        let mut at = id;
        while let Some(strand) = self.run.strands.get(&at)
            && let Some((parent, index)) = strand.parent
        {
            let state = self
                .run
                .strands
                .get(&parent)
                .and_then(|p| p.visit.as_ref())
                .map(|v| v.state.clone());
            path.push((state.unwrap_or_default(), index));
            at = parent;
        }
        let mut machine = self.program.machine();
        for (name, index) in path.into_iter().rev() {
            let state = machine.states.get(&name);
            let inner = state.and_then(|state| match &state.body {
                Body::Map(map) => Some(&map.processor),
                Body::Parallel(parallel) => parallel.branches.get(usize::try_from(index).ok()?),
                _ => None,
            });
            machine = inner.ok_or(EngineError::UnknownState(name))?;
        }
        Ok(machine)
    }

    /// The state that a strand is in.
    pub(super) fn state(&self, id: StrandId) -> Result<(&'a State, Visit), EngineError> {
        let visit = self.run.strands.get(&id).and_then(|s| s.visit.clone());
        let visit = visit.ok_or_else(|| EngineError::UnknownState(String::new()))?;
        let state = self.machine(id)?.states.get(&visit.state);
        match state {
            Some(state) => Ok((state, visit)),
            None => Err(EngineError::UnknownState(visit.state)),
        }
    }

    pub(super) fn enter(&mut self, id: StrandId, name: &str, input: Payload) -> Result<(), Halt> {
        let state = self.machine(id)?.states.get(name);
        let state = state.ok_or_else(|| EngineError::UnknownState(name.to_owned()))?;
        let entered = EventKind::StateEntered {
            state: state.kind(),
            name: name.to_owned(),
            input,
        };
        self.event(id, entered, None)?;
        self.work(id)
    }

    /// The state's work, when it is entered or tried again.
    fn work(&mut self, id: StrandId) -> Result<(), Halt> {
        let (state, visit) = self.state(id)?;
        match &state.body {
            Body::Pass(pass) => {
                let computed = pass.evaluate(&visit.input, &self.scope(id, None));
                self.leave(id, computed, pass.transition.next())
            }
            Body::Succeed(succeed) => {
                let computed = succeed.evaluate(&visit.input, &self.scope(id, None));
                self.leave(id, computed.map(|output| (output, IndexMap::new())), None)
            }
            Body::Choice(choice) => {
                let decided = choice.evaluate(&visit.state, &visit.input, &self.scope(id, None));
                match decided {
                    Ok((next, output, assigned)) => {
                        self.leave(id, Ok((output, assigned)), Some(&next))
                    }
                    Err(mut failure) => {
                        if failure.error.as_deref() == Some(names::NO_CHOICE_MATCHED) {
                            failure.error = Some(names::RUNTIME.to_owned());
                        }
                        self.fails(id, failure)
                    }
                }
            }
            Body::Fail(fail) => {
                let computed = fail.evaluate(&visit.input, &self.scope(id, None));
                match computed {
                    Ok(failure) => self.note(id, Note::Failed { failure }),
                    Err(failure) => self.fails(id, failure),
                }
            }
            Body::Wait(wait) => {
                let end = wait.end(&visit.input, self.now, &self.scope(id, None));
                match end {
                    Ok(until) if until <= self.now => self.wait_is_over(id),
                    Ok(until) => self.note(id, Note::Wait { until }),
                    Err(failure) => self.fails(id, failure),
                }
            }
            Body::Task(task) => self.schedule_task(id, task, &visit),
            Body::Parallel(parallel) => self.start_branches(id, parallel, &visit),
            Body::Map(map) => self.start_map(id, map, &visit),
        }
    }

    fn wait_is_over(&mut self, id: StrandId) -> Result<(), Halt> {
        let (state, visit) = self.state(id)?;
        let Body::Wait(wait) = &state.body else {
            return Err(EngineError::UnknownState(visit.state).into());
        };
        let computed = {
            let scope = self.scope(id, None);
            wait.output(&visit.input, &scope).and_then(|output| {
                let assigned =
                    crate::states::io::assigned(wait.io.assign.as_ref(), &visit.input, &scope)?;
                Ok((output, assigned))
            })
        };
        self.leave(id, computed, wait.transition.next())
    }

    /// The state's work has a result.
    fn leave_with(&mut self, id: StrandId, result: &Payload) -> Result<(), Halt> {
        let (state, visit) = self.state(id)?;
        let (io, transition) = match &state.body {
            Body::Task(task) => (&task.io, &task.transition),
            Body::Parallel(parallel) => (&parallel.io, &parallel.transition),
            Body::Map(map) => (&map.io, &map.transition),
            _ => return Err(EngineError::UnknownState(visit.state).into()),
        };
        let computed = {
            let scope = self.scope(id, None).with_result(result);
            io.finish(&visit.input, (**result).clone(), &scope)
        };
        self.leave(id, computed, transition.next())
    }

    /// Out of the state, or into its failure.
    pub(super) fn leave(
        &mut self,
        id: StrandId,
        computed: Computed,
        next: Option<&str>,
    ) -> Result<(), Halt> {
        let (state, visit) = self.state(id)?;
        let (output, assigned) = match computed {
            Ok(computed) => computed,
            Err(failure) => return self.fails(id, failure),
        };
        if self.is_too_large(&output) {
            let cause = format!(
                "The state/task '{}' returned a result with a size exceeding the maximum number of bytes service limit.",
                visit.state
            );
            return self.fails(id, Failure::new(names::DATA_LIMIT, cause));
        }
        if let Some(cause) = self.too_large_variable(id, &assigned) {
            return self.fails(id, Failure::new(names::DATA_LIMIT, cause));
        }
        let exited = EventKind::StateExited {
            state: state.kind(),
            name: visit.state,
            output: Payload::new(output),
            assigned,
        };
        self.event(
            id,
            exited,
            Some(Note::Go {
                next: next.map(str::to_owned),
            }),
        )
    }

    /// Whether a document has more bytes than a state may hold, or is nested more deeply than a journal can be read back.
    pub(super) fn is_too_large(&self, value: &Value) -> bool {
        is_too_deep(value) || bytes(value) > self.run.limits.payload
    }

    /// What is too large of the variables that a state sets.
    fn too_large_variable(
        &self,
        id: StrandId,
        assigned: &IndexMap<String, Payload>,
    ) -> Option<String> {
        let mut all = 0;
        for (name, value) in assigned {
            let size = bytes(value);
            all += size;
            if size > self.run.limits.variable || is_too_deep(value) {
                return Some(format!(
                    "The variable '{name}' has a size exceeding the maximum number of bytes service limit."
                ));
            }
        }
        if all > self.run.limits.variable {
            return Some("The variables assigned have a size exceeding the maximum number of bytes service limit.".to_owned());
        }
        if assigned.is_empty() {
            return None;
        }
        let strand = self.run.strands.get(&id);
        let old = assigned
            .keys()
            .filter_map(|name| strand?.variables.get(name));
        let before = strand.map_or(0, |s| s.variable_bytes);
        let total = all + before - old.map(|value| bytes(value)).sum::<usize>();
        (total > self.run.limits.variables).then(|| {
            "The total size of all variables exceeds the maximum number of bytes service limit."
                .to_owned()
        })
    }

    /// The strand's machine has ended.
    fn ended(&mut self, id: StrandId, output: Payload) -> Result<(), Halt> {
        let strand = self.run.strands.get(&id);
        let Some((parent, index)) = strand.and_then(|s| s.parent) else {
            return self.last_event(EventKind::ExecutionSucceeded { output });
        };
        let name = self
            .run
            .strands
            .get(&parent)
            .and_then(|p| p.visit.as_ref())
            .map(|v| v.state.clone());
        let name = name.unwrap_or_default();
        self.event(
            id,
            EventKind::MapIterationSucceeded {
                name,
                index: u64::from(index),
            },
            None,
        )
    }

    /// Whether a state type has an event for being broken off.
    pub(super) fn can_be_aborted(kind: StateType) -> bool {
        matches!(
            kind,
            StateType::Task | StateType::Wait | StateType::Parallel | StateType::Map
        )
    }
}
