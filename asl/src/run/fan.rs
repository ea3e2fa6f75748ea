//! Parallel and Map: branches and iterations.

use std::borrow::Cow;

use serde_json::Value;

use super::EngineError;
use super::context::item_part;
use super::decide::{Halt, Maker};
use super::id::StrandId;
use super::record::Note;
use super::strand::{Phase, Visit};
use crate::failure::Failure;
use crate::history::{EventKind, Payload};
use crate::states::map::Map;
use crate::states::parallel::Parallel;
use crate::states::{Body, StateType};

impl Maker<'_> {
    pub(super) fn start_branches(
        &mut self,
        id: StrandId,
        parallel: &Parallel,
        visit: &Visit,
    ) -> Result<(), Halt> {
        let input = {
            let scope = self.scope(id, None);
            parallel
                .io
                .effective_input(&visit.input, &scope)
                .map(|input| match input {
                    Cow::Borrowed(same) if std::ptr::eq(same, &*visit.input) => None,
                    other => Some(Payload::new(other.into_owned())),
                })
        };
        match input {
            Err(failure) => self.fails(id, failure),
            Ok(input) => {
                let count = u32::try_from(parallel.branches.len()).unwrap_or(u32::MAX);
                self.event(
                    id,
                    EventKind::ParallelStateStarted,
                    Some(Note::Branches { count, input }),
                )
            }
        }
    }

    pub(super) fn start_map(&mut self, id: StrandId, map: &Map, visit: &Visit) -> Result<(), Halt> {
        if let Some(distributed) = &map.distributed {
            return self.start_distributed(id, map, distributed, visit);
        }
        let evaluated = {
            let scope = self.scope(id, None);
            map.io
                .effective_input(&visit.input, &scope)
                .and_then(|input| {
                    let items = map.items(&input, &scope)?;
                    let length = items.as_array().map_or(0, Vec::len);
                    // A list that had to be made is made once; one that is a part of the state's input is found there again.
                    let made = match (items, &input) {
                        (Cow::Borrowed(_), Cow::Borrowed(_)) => None,
                        (items, _) => Some(Payload::new(items.into_owned())),
                    };
                    Ok((length, made, map.at_once(&input, &scope)?))
                })
        };
        match evaluated {
            Err(failure) => self.fails(id, failure),
            Ok((length, items, concurrency)) => {
                let started = EventKind::MapStateStarted {
                    length: u64::try_from(length).unwrap_or(u64::MAX),
                };
                self.event(id, started, Some(Note::Iterations { concurrency, items }))
            }
        }
    }

    /// A Parallel or Map whose turn it is: iterations to start, or all done.
    pub(super) fn fan(&mut self, id: StrandId) -> Result<(), Halt> {
        let (state, visit) = self.state(id)?;
        loop {
            let Some(Phase::Fan(fan)) = self.run.strands.get(&id).map(|s| &s.phase) else {
                return Ok(());
            };
            if fan.is_done() {
                let done = match state.kind() {
                    StateType::Map => EventKind::MapStateSucceeded,
                    _ => EventKind::ParallelStateSucceeded,
                };
                return self.event(id, done, None);
            }
            if state.kind() != StateType::Map || !fan.has_room() {
                return Ok(());
            }
            let (index, previous) = (fan.next, fan.previous);
            let child = StrandId(self.run.next_strand);
            let started = EventKind::MapIterationStarted {
                name: visit.state.clone(),
                index: u64::from(index),
            };
            self.event_after(
                previous,
                child,
                started,
                Some(Note::Iteration { parent: id, index }),
            )?;
        }
    }

    /// The first state of a branch or iteration.
    pub(super) fn begin(&mut self, id: StrandId) -> Result<(), Halt> {
        let start_at = self.machine(id)?.start_at.clone();
        let Some((parent, index)) = self.run.strands.get(&id).and_then(|s| s.parent) else {
            return Err(EngineError::UnknownState(start_at).into());
        };
        let (state, visit) = self.state(parent)?;
        let input = match &state.body {
            Body::Map(map) => self.item(parent, map, &visit, index),
            _ => match self.run.strands.get(&parent).map(|s| &s.phase) {
                Some(Phase::Fan(fan)) => {
                    Ok(fan.input.clone().unwrap_or_else(|| visit.input.clone()))
                }
                _ => Ok(visit.input),
            },
        };
        match input {
            Ok(input) => self.enter(id, &start_at, input),
            // The selector belongs to the Map state: so does its failure.
            Err(failure) => self.fails(parent, failure),
        }
    }

    /// The input of one iteration.
    fn item(
        &self,
        parent: StrandId,
        map: &Map,
        visit: &Visit,
        index: u32,
    ) -> Result<Payload, Failure> {
        let made = match self.run.strands.get(&parent).map(|s| &s.phase) {
            Some(Phase::Fan(fan)) => fan.items.clone(),
            _ => None,
        };
        let outer = self.scope(parent, None);
        let input = map.io.effective_input(&visit.input, &outer)?;
        let items = match &made {
            Some(items) => Cow::Borrowed(&**items),
            None => map.items(&input, &outer)?,
        };
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        let item = items.get(place).cloned().unwrap_or(Value::Null);
        let Some(selector) = &map.item_selector else {
            return Ok(Payload::new(item));
        };
        let inner = self.item_scope(parent, item_part(index, &item));
        Ok(Payload::new(selector.evaluate(&input, &inner)?))
    }
}
