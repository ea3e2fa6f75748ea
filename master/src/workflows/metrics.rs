//! What is counted of runs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use common::metrics::{Collector, DescriptorEncoder, counters};
use common::resources::RunPhase;
use parking_lot::Mutex;

/// Runs that ended since the master's start. Cheap to clone. A run writes its end to the store first,
/// so that a lock costs nothing here.
#[derive(Clone, Debug, Default)]
pub struct RunCounts(Arc<Mutex<BTreeMap<String, u64>>>);

impl RunCounts {
    pub(super) fn ended(&self, phase: RunPhase) {
        let phase = format!("{phase:?}");
        *self.0.lock().entry(phase).or_default() += 1;
    }
}

impl Collector for RunCounts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let ended = self.0.lock().clone();
        let ended = ended
            .iter()
            .map(|(phase, count)| (vec![("phase", phase.as_str())], *count));
        counters(&mut encoder, "troupe_runs", "Runs that ended", ended)
    }
}
