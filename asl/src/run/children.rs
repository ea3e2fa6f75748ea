//! Folding: the strands inside a Parallel or Map, as they begin and end.

use super::apply::misfit;
use super::id::StrandId;
use super::record::Record;
use super::strand::{Fan, Phase, Strand};
use super::{EngineError, Run};
use crate::data::context::Variables;
use crate::history::Payload;
use crate::states::StateType;

impl Run {
    /// The end of a Parallel's branch has no event of its own: its last `…StateExited` is it.
    pub(super) fn deliver_branch(&mut self, child: StrandId, output: &Payload) {
        let Some(Strand {
            parent: Some((parent, index)),
            last,
            ..
        }) = self.strands.get(&child)
        else {
            return;
        };
        let (parent, index, last) = (*parent, *index, *last);
        let Some(strand) = self.strands.get_mut(&parent) else {
            return;
        };
        if strand.visit.as_ref().map(|v| v.kind) != Some(StateType::Parallel) {
            return;
        }
        if let Phase::Fan(fan) = &mut strand.phase {
            fan.running.remove(&index);
            fan.results.insert(index, output.clone());
            strand.last = last;
        }
        self.strands.remove(&child);
        self.settle(parent);
    }

    pub(super) fn start_branches(
        &mut self,
        record: &Record,
        id: u64,
        count: u32,
        input: Option<Payload>,
    ) -> Result<(), EngineError> {
        let first = self.next_strand;
        let strand = self.strand_mut(record)?;
        strand.last = id;
        let variables = (strand.variables.clone(), strand.variable_bytes);
        let running = (0..count)
            .map(|index| (index, StrandId(first + index)))
            .collect();
        strand.phase = Phase::Fan(Fan {
            length: count,
            concurrency: 0,
            next: count,
            running,
            results: Default::default(),
            input,
            items: None,
            previous: id,
        });
        self.next_strand = first + count;
        for index in 0..count {
            self.add_child(
                StrandId(first + index),
                record.strand,
                index,
                id,
                variables.clone(),
            );
        }
        Ok(())
    }

    pub(super) fn start_iteration(
        &mut self,
        record: &Record,
        id: u64,
        parent: StrandId,
        index: u32,
    ) -> Result<(), EngineError> {
        let strand = self.strands.get_mut(&parent);
        let strand = strand.ok_or(EngineError::UnknownStrand {
            strand: parent.0,
            event: Some(id),
        })?;
        let variables = (strand.variables.clone(), strand.variable_bytes);
        let Phase::Fan(fan) = &mut strand.phase else {
            return Err(misfit(record, "no iterations run"));
        };
        fan.running.insert(index, record.strand);
        fan.next = index + 1;
        self.next_strand = self.next_strand.max(record.strand.0 + 1);
        self.add_child(record.strand, parent, index, id, variables);
        self.settle(parent);
        Ok(())
    }

    fn add_child(
        &mut self,
        child: StrandId,
        parent: StrandId,
        index: u32,
        last: u64,
        (variables, variable_bytes): (Variables, usize),
    ) {
        let parent = Some((parent, index));
        self.strands.insert(
            child,
            Strand {
                parent,
                last,
                variables,
                variable_bytes,
                visit: None,
                phase: Phase::Begin,
                shelf: None,
            },
        );
        self.settle(child);
    }

    pub(super) fn end_iteration(&mut self, record: &Record, id: u64) -> Result<(), EngineError> {
        let strand = self.strand_mut(record)?;
        let last = strand.last;
        let (Some((parent, index)), Phase::Ended(output)) = (strand.parent, &strand.phase) else {
            return Err(misfit(record, "the iteration has not ended"));
        };
        let output = output.clone();
        self.strands.remove(&record.strand);
        if let Some(strand) = self.strands.get_mut(&parent)
            && let Phase::Fan(fan) = &mut strand.phase
        {
            fan.running.remove(&index);
            fan.results.insert(index, output);
            fan.previous = last;
            strand.last = id;
        }
        self.settle(parent);
        Ok(())
    }

    /// The strands that run inside a strand's state.
    pub(super) fn children(&self, parent: StrandId) -> Vec<StrandId> {
        match self.strands.get(&parent).map(|s| &s.phase) {
            Some(Phase::Fan(fan)) => fan.running.values().copied().collect(),
            _ => Vec::new(),
        }
    }
}
