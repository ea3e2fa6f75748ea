//! Folding what the journal says of Map Runs.

use serde_json::Value;

use super::apply::{Sink, misfit};
use super::effect::{Effect, Outcome};
use super::id::StrandId;
use super::map_run::{ChildResult, Counts, MapRun, MapRunId, Opening, Reading, Running};
use super::record::Record;
use super::redrive::Shelf;
use super::strand::Phase;
use super::{EngineError, Run};
use crate::failure::Failure;
use crate::history::Payload;

impl Run {
    fn map_run(&mut self, record: &Record) -> Result<&mut MapRun, EngineError> {
        match &mut self.strand_mut(record)?.phase {
            Phase::MapRun(run) => Ok(run),
            _ => Err(misfit(record, "no Map Run is there")),
        }
    }

    pub(super) fn begin_map_run(
        &mut self,
        record: &Record,
        event: u64,
        length: u64,
        list: Option<Payload>,
        reading: Option<Reading>,
    ) -> Result<(), EngineError> {
        let strand = self.strand_mut(record)?;
        strand.last = event;
        let state = strand
            .visit
            .as_ref()
            .map(|v| v.state.clone())
            .unwrap_or_default();
        strand.phase = Phase::MapRun(Box::new(MapRun {
            open: None,
            state,
            list,
            known: length,
            read: Default::default(),
            reading,
            asked: false,
            taken: 0,
            next: 0,
            running: Default::default(),
            results: Vec::new(),
            again: Default::default(),
            counts: Counts::default(),
            writing: false,
            written: None,
            broken: None,
        }));
        Ok(())
    }

    pub(super) fn open_map_run(
        &mut self,
        record: &Record,
        event: u64,
        arn: &str,
        opening: &Opening,
    ) -> Result<(), EngineError> {
        self.strand_mut(record)?.last = event;
        let map = MapRunId(event);
        self.map_run(record)?.open = Some((map, arn.to_owned(), opening.clone()));
        self.map_runs.insert(map, record.strand);
        Ok(())
    }

    pub(super) fn read_page(
        &mut self,
        record: &Record,
        sink: &mut Sink,
    ) -> Result<(), EngineError> {
        let run = self.map_run(record)?;
        run.asked = true;
        sink.extend(run.page());
        Ok(())
    }

    pub(super) fn take_page(
        &mut self,
        record: &Record,
        items: &Payload,
        more: bool,
    ) -> Result<(), EngineError> {
        let run = self.map_run(record)?;
        run.asked = false;
        if let Value::Array(items) = &**items {
            run.read.extend(items.iter().cloned());
            run.known += u64::try_from(items.len()).unwrap_or(0);
        }
        let most = run
            .reading
            .as_ref()
            .and_then(|r| r.most)
            .unwrap_or(u64::MAX);
        if !more || run.known >= most {
            run.reading = None;
        }
        Ok(())
    }

    pub(super) fn start_child(
        &mut self,
        record: &Record,
        input: &Payload,
        items: u64,
        sink: &mut Sink,
    ) -> Result<(), EngineError> {
        let run = self.map_run(record)?;
        let index = run.next;
        run.next += 1;
        run.taken += items;
        let read = usize::try_from(items)
            .unwrap_or(usize::MAX)
            .min(run.read.len());
        run.read.drain(..read);
        run.counts.running += items;
        let running = Running {
            input: input.clone(),
            items,
        };
        run.running.insert(index, running);
        sink.extend(run.child(index, input).map(Effect::StartChild));
        Ok(())
    }

    pub(super) fn restart_child(
        &mut self,
        record: &Record,
        index: u32,
        sink: &mut Sink,
    ) -> Result<(), EngineError> {
        let run = self.map_run(record)?;
        let Some((input, items)) = run.again.remove(&index) else {
            return Err(misfit(record, "no such child is to be started again"));
        };
        run.counts.running += items;
        sink.extend(run.child(index, &input).map(Effect::StartChild));
        run.running.insert(index, Running { input, items });
        Ok(())
    }

    pub(super) fn end_child(
        &mut self,
        record: &Record,
        index: u32,
        outcome: &Outcome,
    ) -> Result<(), EngineError> {
        let run = self.map_run(record)?;
        let Some(Running { input, items }) = run.running.remove(&index) else {
            return Err(misfit(record, "no such child runs"));
        };
        run.counts.running -= items;
        match outcome {
            Outcome::Succeeded { .. } => run.counts.succeeded += items,
            Outcome::Failed { .. } => run.counts.failed += items,
            Outcome::TimedOut { .. } => run.counts.timed_out += items,
            Outcome::Aborted { .. } => run.counts.aborted += items,
        }
        run.results.push(ChildResult {
            index,
            input,
            items,
            outcome: outcome.clone(),
        });
        Ok(())
    }

    pub(super) fn write_results(
        &mut self,
        record: &Record,
        sink: &mut Sink,
    ) -> Result<(), EngineError> {
        let run = self.map_run(record)?;
        run.writing = true;
        sink.extend(run.writing());
        Ok(())
    }

    pub(super) fn results_written(
        &mut self,
        record: &Record,
        output: &Payload,
    ) -> Result<(), EngineError> {
        let run = self.map_run(record)?;
        run.writing = false;
        run.written = Some(output.clone());
        Ok(())
    }

    pub(super) fn break_map_run(
        &mut self,
        record: &Record,
        failure: &Failure,
    ) -> Result<(), EngineError> {
        self.map_run(record)?.broken = Some(failure.clone());
        Ok(())
    }

    pub(super) fn fail_map_run(
        &mut self,
        record: &Record,
        event: u64,
        failure: &Failure,
        sink: &mut Sink,
    ) -> Result<(), EngineError> {
        let run = Box::new(self.map_run(record)?.clone());
        self.drop_map_run(record.strand, sink);
        let strand = self.strand_mut(record)?;
        strand.last = event;
        strand.shelf = Some(Box::new(Shelf::MapRun(run)));
        strand.phase = Phase::Failed {
            failure: failure.clone(),
            told: false,
        };
        Ok(())
    }

    /// Nobody waits for a Map Run's children any more.
    pub(super) fn drop_map_run(&mut self, strand: StrandId, sink: &mut Sink) {
        if let Some(Phase::MapRun(run)) = self.strands.get(&strand).map(|s| &s.phase) {
            sink.extend(run.stop());
            if let Some((map, _, _)) = &run.open {
                self.map_runs.remove(map);
            }
        }
    }
}
