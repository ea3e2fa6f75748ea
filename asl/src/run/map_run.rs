//! Distributed Maps: a Map Run and its children, which are executions of their own.
//!
//! The run reads items page by page, hands them to children, counts how those end, and lets the results be written. Reading, children
//! and writing are effects; what came of them are commands. All of it is in the journal, so that a replay owes exactly what is owed.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::effect::{Effect, Outcome};
use crate::failure::Failure;
use crate::history::Payload;
use crate::states::map::distributed::Tolerance;

/// Items that are asked for at a time.
pub(super) const PAGE: u64 = 1_000;

/// A Map Run inside its execution: the id of its `MapRunStarted` event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MapRunId(pub u64);

/// Where items are read from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// For example `arn:aws:states:::s3:getObject`.
    pub resource: String,
    /// `Parameters` or `Arguments`, evaluated.
    pub arguments: Payload,
    /// `ReaderConfig`, without `MaxItems`.
    pub config: Payload,
    /// `MaxItems`; no more than that are asked for.
    pub most: Option<u64>,
}

/// Where results are written to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Writing {
    /// For example `arn:aws:states:::s3:putObject`.
    pub resource: String,
    /// `Parameters` or `Arguments`, evaluated.
    pub arguments: Payload,
    /// `WriterConfig`.
    pub config: Payload,
}

/// A child execution to be started. Starting one that exists already (same Map Run, same index) changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Child {
    /// Its Map Run.
    pub map: MapRunId,
    /// The Map Run's ARN.
    pub map_arn: String,
    /// The name of the Map state: [`Program::processor`](crate::Program::processor) is the child's program.
    pub state: String,
    /// Which child; with the Map Run's ARN an idempotency key.
    pub index: u32,
    /// What it is started with.
    pub input: Payload,
    /// Whether only its start and end are kept.
    pub express: bool,
}

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildResult {
    /// Which.
    pub index: u32,
    /// What it was started with.
    pub input: Payload,
    /// Items in it.
    pub items: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// What the journal says of a Map Run when it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    /// Children at once.
    pub concurrency: u32,
    /// `ToleratedFailureCount`
    pub tolerated_count: Option<u64>,
    /// `ToleratedFailurePercentage`
    pub tolerated_percentage: Option<f64>,
    /// `MaxItemsPerBatch`; none without a batcher.
    pub batch_items: Option<u64>,
    /// `MaxInputBytesPerBatch`
    pub batch_bytes: Option<u64>,
    /// `BatchInput`
    pub batch_input: Option<Payload>,
    /// Whether children are of the express kind.
    pub express: bool,
    /// Where results go.
    pub writing: Option<Writing>,
}

/// The counters of a Map Run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Counts {
    pub pending: u64,
    pub running: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub aborted: u64,
    pub total: u64,
    pub results_written: u64,
}

/// A child that runs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Running {
    pub(super) input: Payload,
    pub(super) items: u64,
}

/// A Map Run, as far as it is needed to go on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MapRun {
    /// None until it is opened.
    pub(super) open: Option<(MapRunId, String, Opening)>,
    pub(super) state: String,
    /// The items, where they are known at the start: a part of the state's input if none.
    pub(super) list: Option<Payload>,
    /// Items of the state, or read ones; none while they are still to be found in the state's input.
    pub(super) known: u64,
    /// Read and not given to a child yet.
    pub(super) read: VecDeque<Value>,
    /// While more may be read.
    pub(super) reading: Option<Reading>,
    /// Whether a page has been asked for.
    pub(super) asked: bool,
    /// Items given to children.
    pub(super) taken: u64,
    /// The next child.
    pub(super) next: u32,
    pub(super) running: BTreeMap<u32, Running>,
    pub(super) results: Vec<ChildResult>,
    /// Children that are to be started again, with what and how many items.
    pub(super) again: BTreeMap<u32, (Payload, u64)>,
    pub(super) counts: Counts,
    /// Whether results are being written.
    pub(super) writing: bool,
    /// What the writer said.
    pub(super) written: Option<Payload>,
    /// The reader or the writer failed.
    pub(super) broken: Option<Failure>,
}

impl MapRun {
    /// Items that are there and not given to a child yet.
    pub(super) fn available(&self) -> u64 {
        self.known.saturating_sub(self.taken)
    }

    fn opening(&self) -> Option<&Opening> {
        self.open.as_ref().map(|(_, _, opening)| opening)
    }

    /// How many items the next child takes at most.
    pub(super) fn batch(&self) -> u64 {
        let opening = self.opening();
        match opening.map(|o| (o.batch_items, o.batch_bytes)) {
            Some((Some(items), _)) => items.max(1),
            Some((None, Some(_))) => PAGE,
            _ => 1,
        }
    }

    pub(super) fn tolerance(&self) -> Tolerance {
        let opening = self.opening();
        Tolerance {
            count: opening.and_then(|o| o.tolerated_count),
            percentage: opening.and_then(|o| o.tolerated_percentage),
        }
    }

    /// Whether more failed than may.
    pub(super) fn has_failed(&self) -> bool {
        let bad = self.counts.failed + self.counts.timed_out + self.counts.aborted;
        // With more items to be read the share is not known yet: only the count tells.
        let total = if self.reading.is_some() {
            u64::MAX
        } else {
            self.known
        };
        bad > 0 && self.tolerance().is_exceeded(bad, total)
    }

    pub(super) fn wants_items(&self) -> bool {
        self.reading.is_some() && !self.asked && self.available() < self.batch()
    }

    pub(super) fn can_start(&self) -> bool {
        let room = self
            .opening()
            .is_some_and(|o| u32::try_from(self.running.len()).is_ok_and(|n| n < o.concurrency));
        let enough =
            self.available() >= self.batch() || (self.reading.is_none() && self.available() > 0);
        room && (enough || !self.again.is_empty())
    }

    pub(super) fn is_done(&self) -> bool {
        self.reading.is_none()
            && self.available() == 0
            && self.running.is_empty()
            && self.again.is_empty()
    }

    /// Whether it can go on by itself.
    pub(super) fn is_ready(&self) -> bool {
        if self.open.is_none() || self.broken.is_some() {
            return true;
        }
        if self.writing {
            return false;
        }
        self.written.is_some()
            || self.has_failed()
            || self.wants_items()
            || self.can_start()
            || self.is_done()
    }

    /// The children that run, as effects.
    pub(super) fn children(&self) -> impl Iterator<Item = Effect> + '_ {
        self.running.iter().filter_map(|(index, running)| {
            self.child(*index, &running.input).map(Effect::StartChild)
        })
    }

    pub(super) fn child(&self, index: u32, input: &Payload) -> Option<Child> {
        let (map, arn, opening) = self.open.as_ref()?;
        Some(Child {
            map: *map,
            map_arn: arn.clone(),
            state: self.state.clone(),
            index,
            input: input.clone(),
            express: opening.express,
        })
    }

    /// The page that is asked for.
    pub(super) fn page(&self) -> Option<Effect> {
        let (map, _, _) = self.open.as_ref()?;
        let reading = self.reading.as_ref()?;
        let left = reading
            .most
            .map_or(PAGE, |most| most.saturating_sub(self.known).min(PAGE));
        Some(Effect::ReadItems {
            map: *map,
            reading: reading.clone(),
            from: self.known,
            count: left,
        })
    }

    /// What is to be written.
    pub(super) fn writing(&self) -> Option<Effect> {
        let (map, arn, opening) = self.open.as_ref()?;
        Some(Effect::WriteResults {
            map: *map,
            map_arn: arn.clone(),
            writing: opening.writing.clone()?,
            results: self.results.clone(),
        })
    }

    /// Everything that it is owed.
    pub(super) fn pending(&self) -> Vec<Effect> {
        let mut owed: Vec<Effect> = self.children().collect();
        if self.asked {
            owed.extend(self.page());
        }
        if self.writing {
            owed.extend(self.writing());
        }
        owed
    }

    /// What ends with it.
    pub(super) fn stop(&self) -> Vec<Effect> {
        let Some((map, _, _)) = &self.open else {
            return Vec::new();
        };
        let children = self.running.keys().map(|index| Effect::StopChild {
            map: *map,
            index: *index,
        });
        children.collect()
    }
}
