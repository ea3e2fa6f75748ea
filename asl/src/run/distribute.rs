//! A distributed Map whose turn it is.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::context::item_part;
use super::decide::{Halt, Maker};
use super::id::StrandId;
use super::map_run::{MapRun, MapRunId, Opening, Reading, Writing};
use super::record::Note;
use super::strand::{Phase, Visit};
use crate::failure::{Failure, names};
use crate::history::{EventKind, Payload};
use crate::run::effect::Outcome;
use crate::states::Body;
use crate::states::map::Map;
use crate::states::map::distributed::{Distributed, ExecutionType};

impl<'a> Maker<'a> {
    /// The Map begins: its items are found, or where to read them.
    pub(super) fn start_distributed(
        &mut self,
        id: StrandId,
        map: &Map,
        own: &Distributed,
        visit: &Visit,
    ) -> Result<(), Halt> {
        let evaluated = {
            let scope = self.scope(id, None);
            map.io
                .effective_input(&visit.input, &scope)
                .and_then(|input| {
                    if let Some(reader) = &own.reader {
                        let arguments = reader
                            .arguments
                            .as_ref()
                            .map(|a| a.evaluate(&input, &scope))
                            .transpose()?;
                        let most = reader
                            .max_items
                            .as_ref()
                            .map(|m| m.integer("MaxItems", &input, &scope))
                            .transpose()?;
                        let reading = Reading {
                            resource: reader.resource.clone(),
                            arguments: Payload::new(arguments.unwrap_or_else(|| json!({}))),
                            config: Payload::new(reader.config.clone()),
                            // As in AWS, 0 is no limit.
                            most: most.filter(|most| *most > 0),
                        };
                        return Ok((0, None, Some(reading)));
                    }
                    let items = map.items(&input, &scope)?;
                    let length = items.as_array().map_or(0, Vec::len);
                    let made = match (items, &input) {
                        (Cow::Borrowed(_), Cow::Borrowed(_)) => None,
                        (items, _) => Some(Payload::new(items.into_owned())),
                    };
                    Ok((length, made, None))
                })
        };
        match evaluated {
            Err(failure) => self.fails(id, failure),
            Ok((length, items, reading)) => {
                let length = u64::try_from(length).unwrap_or(u64::MAX);
                let note = Note::Distribute { items, reading };
                self.event(id, EventKind::MapStateStarted { length }, Some(note))
            }
        }
    }

    pub(super) fn distribute(&mut self, id: StrandId) -> Result<(), Halt> {
        let (state, visit) = self.state(id)?;
        let Body::Map(map) = &state.body else {
            return Ok(());
        };
        let Some(own) = &map.distributed else {
            return Ok(());
        };
        loop {
            let Some(Phase::MapRun(run)) = self.run.strands.get(&id).map(|s| &s.phase) else {
                return Ok(());
            };
            if run.open.is_none() {
                return self.open(id, map, own, &visit);
            }
            if let Some(failure) = run.broken.clone() {
                return self.event(id, EventKind::MapRunFailed { failure }, None);
            }
            if run.has_failed() {
                let cause = "The specified tolerated failure threshold was exceeded";
                let failure = Failure::new(names::TOLERATED_FAILURES, cause);
                return self.event(id, EventKind::MapRunFailed { failure }, None);
            }
            if let (true, Some(index)) = (run.can_start(), run.again.keys().next().copied()) {
                self.note(id, Note::ChildAgain { index })?;
                continue;
            }
            if run.can_start() {
                match self.next_child(id, map, &visit) {
                    Ok((input, items)) => self.note(id, Note::Child { input, items })?,
                    Err(failure) => return self.fails(id, failure),
                }
                continue;
            }
            if run.wants_items() {
                return self.note(id, Note::Read);
            }
            if !run.is_done() {
                return Ok(());
            }
            let writes = run
                .open
                .as_ref()
                .is_some_and(|(_, _, opening)| opening.writing.is_some());
            if writes && run.written.is_none() {
                return if run.writing {
                    Ok(())
                } else {
                    self.note(id, Note::Write)
                };
            }
            self.event(id, EventKind::MapRunSucceeded, None)?;
            let output = self.result_of(id, own);
            return self.event(
                id,
                EventKind::MapStateSucceeded,
                Some(Note::Collected { output }),
            );
        }
    }

    /// The Map Run begins.
    fn open(
        &mut self,
        id: StrandId,
        map: &Map,
        own: &Distributed,
        visit: &Visit,
    ) -> Result<(), Halt> {
        let most = self.run.limits.children;
        let opening = {
            let scope = self.scope(id, None);
            map.io
                .effective_input(&visit.input, &scope)
                .and_then(|input| {
                    let tolerance = own.tolerance(&input, &scope)?;
                    let concurrency = match map.at_once(&input, &scope)? {
                        0 => most,
                        some => some.min(most),
                    };
                    let batcher = own.batcher.as_ref();
                    let items = batcher.and_then(|b| b.items.as_ref());
                    let bytes = batcher.and_then(|b| b.bytes.as_ref());
                    let batch_input = batcher.and_then(|b| b.input.as_ref());
                    let writer = own.writer.as_ref();
                    let writing =
                        writer.and_then(|w| w.resource.as_ref().map(|resource| (w, resource)));
                    Ok(Opening {
                        concurrency,
                        tolerated_count: tolerance.count,
                        tolerated_percentage: tolerance.percentage,
                        batch_items: items
                            .map(|a| a.integer("MaxItemsPerBatch", &input, &scope))
                            .transpose()?,
                        batch_bytes: bytes
                            .map(|a| a.integer("MaxInputBytesPerBatch", &input, &scope))
                            .transpose()?,
                        batch_input: batch_input
                            .map(|t| t.evaluate(&input, &scope))
                            .transpose()?
                            .map(Payload::new),
                        express: own.execution == ExecutionType::Express,
                        writing: match writing {
                            None => None,
                            Some((writer, resource)) => Some(Writing {
                                resource: resource.clone(),
                                arguments: Payload::new(match &writer.arguments {
                                    Some(arguments) => arguments.evaluate(&input, &scope)?,
                                    None => json!({}),
                                }),
                                config: Payload::new(writer.config.clone()),
                            }),
                        },
                    })
                })
        };
        match opening {
            Err(failure) => self.fails(id, failure),
            Ok(opening) => {
                let arn = self.map_run_arn(&visit.state, own.label.as_deref());
                self.event(
                    id,
                    EventKind::MapRunStarted { arn },
                    Some(Note::MapRun { opening }),
                )
            }
        }
    }

    /// `arn:aws:states:REGION:ACCOUNT:mapRun:MACHINE/LABEL:UUID`
    fn map_run_arn(&self, state: &str, label: Option<&str>) -> String {
        let label = label.map_or_else(
            || {
                state
                    .chars()
                    .filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
                    .take(40)
                    .collect()
            },
            str::to_owned,
        );
        let machine = self
            .run
            .started
            .as_ref()
            .map(|s| s.context.state_machine_id.as_str());
        let machine = machine.unwrap_or_default();
        let prefix = match machine.split_once(":stateMachine:") {
            Some((head, name)) => format!("{head}:mapRun:{name}"),
            None => format!("mapRun:{machine}"),
        };
        format!("{prefix}/{label}:{}", self.entropy.uuid())
    }

    /// The input of the next child, and how many items are in it.
    fn next_child(
        &self,
        id: StrandId,
        map: &Map,
        visit: &Visit,
    ) -> Result<(Payload, u64), Failure> {
        let Some(Phase::MapRun(run)) = self.run.strands.get(&id).map(|s| &s.phase) else {
            return Err(Failure::runtime("the Map Run is gone"));
        };
        let Some((_, _, opening)) = &run.open else {
            return Err(Failure::runtime("the Map Run has not begun"));
        };
        let batched = opening.batch_items.is_some() || opening.batch_bytes.is_some();
        let (mut inputs, mut bytes) = (Vec::new(), 0_u64);
        while u64::try_from(inputs.len()).is_ok_and(|n| n < run.batch().min(run.available())) {
            let offset = u64::try_from(inputs.len()).unwrap_or(0);
            let input = self.child_item(id, map, visit, run, offset)?;
            if let Some(most) = opening.batch_bytes {
                bytes += u64::try_from(input.to_string().len() + 1).unwrap_or(u64::MAX);
                if bytes > most && !inputs.is_empty() {
                    break;
                }
            }
            inputs.push(input);
        }
        let count = u64::try_from(inputs.len()).unwrap_or(0);
        if !batched {
            return Ok((Payload::new(inputs.pop().unwrap_or(Value::Null)), count));
        }
        let mut batch = serde_json::Map::new();
        if let Some(input) = &opening.batch_input {
            batch.insert("BatchInput".into(), (**input).clone());
        }
        batch.insert("Items".into(), Value::Array(inputs));
        Ok((Payload::new(Value::Object(batch)), count))
    }

    /// One item, as the selector makes it.
    fn child_item(
        &self,
        id: StrandId,
        map: &Map,
        visit: &Visit,
        run: &MapRun,
        offset: u64,
    ) -> Result<Value, Failure> {
        let index = run.taken + offset;
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        let ahead = usize::try_from(offset).unwrap_or(usize::MAX);
        let outer = self.scope(id, None);
        let input = map.io.effective_input(&visit.input, &outer)?;
        let item = if let Some(item) = run.read.get(ahead) {
            item.clone()
        } else {
            let items = match &run.list {
                Some(items) => Cow::Borrowed(&**items),
                None => map.items(&input, &outer)?,
            };
            items.get(place).cloned().unwrap_or(Value::Null)
        };
        match &map.item_selector {
            None => Ok(item),
            Some(selector) => {
                let part = item_part(u32::try_from(index).unwrap_or(u32::MAX), &item);
                selector.evaluate(&input, &self.item_scope(id, part))
            }
        }
    }

    /// What the state's result is.
    fn result_of(&self, id: StrandId, own: &Distributed) -> Payload {
        let Some(Phase::MapRun(run)) = self.run.strands.get(&id).map(|s| &s.phase) else {
            return Payload::new(Value::Null);
        };
        if let (Some(written), Some((_, arn, _))) = (&run.written, &run.open) {
            return Payload::new(json!({"MapRunArn": arn, "ResultWriterDetails": **written}));
        }
        let mut results: Vec<_> = run.results.iter().collect();
        results.sort_by_key(|result| result.index);
        let outputs = results
            .into_iter()
            .filter_map(|result| match &result.outcome {
                Outcome::Succeeded { output } => Some((**output).clone()),
                _ => None,
            });
        let transformation = own
            .writer
            .as_ref()
            .and_then(|w| w.config.get("Transformation"))
            .and_then(Value::as_str);
        Payload::new(match transformation {
            Some("FLATTEN") => Value::Array(
                outputs
                    .flat_map(|output| match output {
                        Value::Array(list) => list,
                        other => vec![other],
                    })
                    .collect(),
            ),
            _ => Value::Array(outputs.collect()),
        })
    }

    /// The strand of a Map Run that still runs.
    pub(super) fn strand_of_map(&self, map: MapRunId) -> Option<StrandId> {
        self.run.map_runs.get(&map).copied()
    }
}
