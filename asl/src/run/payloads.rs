//! The documents that a record holds, for who keeps large ones apart from the journal.

use super::effect::Outcome;
use super::map_run::Opening;
use super::record::{Note, Record};
use crate::history::{EventKind, Payload};

impl Record {
    /// All documents of the record, in an order that stays: a journal may name one by its place.
    pub fn payloads_mut(&mut self) -> Vec<&mut Payload> {
        let event = self.event.as_mut().map(|event| of_event(&mut event.kind));
        let note = self.note.as_mut().map(of_note);
        event.into_iter().chain(note).flatten().collect()
    }
}

fn of_event(kind: &mut EventKind) -> Vec<&mut Payload> {
    match kind {
        EventKind::ExecutionStarted { input, .. }
        | EventKind::StateEntered { input, .. }
        | EventKind::LambdaFunctionScheduled { input, .. }
        | EventKind::ActivityScheduled { input, .. } => vec![input],
        EventKind::ExecutionSucceeded { output }
        | EventKind::LambdaFunctionSucceeded { output }
        | EventKind::ActivitySucceeded { output }
        | EventKind::TaskSubmitted { output, .. }
        | EventKind::TaskSucceeded { output, .. } => vec![output],
        EventKind::TaskScheduled { parameters, .. } => vec![parameters],
        EventKind::StateExited {
            output, assigned, ..
        } => std::iter::once(output)
            .chain(assigned.values_mut())
            .collect(),
        _ => Vec::new(),
    }
}

fn of_note(note: &mut Note) -> Vec<&mut Payload> {
    match note {
        Note::Branches { input, .. } => input.iter_mut().collect(),
        Note::Iterations { items, .. } => items.iter_mut().collect(),
        Note::Distribute { items, reading } => {
            let reading = reading
                .iter_mut()
                .map(|r| [&mut r.arguments, &mut r.config]);
            items.iter_mut().chain(reading.flatten()).collect()
        }
        Note::MapRun { opening } => of_opening(opening),
        Note::Page { items, .. } => vec![items],
        Note::Child { input, .. } => vec![input],
        Note::ChildEnded {
            outcome: Outcome::Succeeded { output },
            ..
        }
        | Note::Written { output }
        | Note::Collected { output } => vec![output],
        _ => Vec::new(),
    }
}

fn of_opening(opening: &mut Opening) -> Vec<&mut Payload> {
    let writing = opening.writing.iter_mut();
    let writing = writing.flat_map(|w| [&mut w.arguments, &mut w.config]);
    opening.batch_input.iter_mut().chain(writing).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::history::HistoryEvent;
    use crate::run::id::StrandId;
    use crate::states::StateType;

    #[test]
    fn every_document_is_named_once_and_in_order() {
        let payload = |text: &str| Payload::new(json!(text));
        let assigned = [("a", "one"), ("b", "two")];
        let assigned = assigned.map(|(name, text)| (name.to_owned(), payload(text)));
        let mut record = Record {
            strand: StrandId(0),
            event: Some(HistoryEvent {
                id: 1,
                previous: 0,
                at: jiff::Timestamp::UNIX_EPOCH,
                kind: EventKind::StateExited {
                    state: StateType::Pass,
                    name: "S".to_owned(),
                    output: payload("out"),
                    assigned: assigned.into_iter().collect(),
                },
            }),
            note: Some(Note::Collected {
                output: payload("collected"),
            }),
        };
        let seen = record.payloads_mut();
        let seen: Vec<&str> = seen.iter().filter_map(|p| p.as_str()).collect();
        assert_eq!(seen, ["out", "one", "two", "collected"]);
    }
}
