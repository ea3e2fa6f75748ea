//! What is counted of runs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use common::metrics::{Collector, DescriptorEncoder, counters, gauges};
use common::resources::RunPhase;
use parking_lot::Mutex;

/// Runs that ended since the master's start, and those that have not. Cheap to clone. A run writes its end to the store first,
/// so that a lock costs nothing here.
#[derive(Clone, Debug, Default)]
pub struct RunCounts(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    ended: BTreeMap<String, u64>,
    active: usize,
    parked: usize,
}

impl RunCounts {
    pub(super) fn ended(&self, phase: RunPhase) {
        let phase = format!("{phase:?}");
        *self.0.lock().ended.entry(phase).or_default() += 1;
    }

    /// So many runs go on, and so many only wait for a time.
    pub(super) fn open(&self, active: usize, parked: usize) {
        let mut counts = self.0.lock();
        (counts.active, counts.parked) = (active, parked);
    }
}

impl Collector for RunCounts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (ended, open) = {
            let counts = self.0.lock();
            (
                counts.ended.clone(),
                [("active", counts.active), ("parked", counts.parked)],
            )
        };
        let ended = ended
            .iter()
            .map(|(phase, count)| (vec![("phase", phase.as_str())], *count));
        counters(&mut encoder, "troupe_runs", "Runs that ended", ended)?;
        let open = open.map(|(state, count)| (vec![("state", state)], count as f64));
        let help = "Runs that have not ended: those that only wait for a time are parked";
        gauges(&mut encoder, "troupe_runs_open", help, open)
    }
}
