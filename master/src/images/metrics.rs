//! What is counted of builds.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::link::BuildOutcome;
use common::metrics::{Collector, DescriptorEncoder, counters};

/// Builds that ended since the master's start. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct BuildCounts(Arc<Ended>);

#[derive(Debug, Default)]
struct Ended {
    succeeded: AtomicU64,
    failed: AtomicU64,
}

impl BuildCounts {
    pub(super) fn ended(&self, outcome: &BuildOutcome) {
        let count = match outcome {
            BuildOutcome::Built(_) => &self.0.succeeded,
            BuildOutcome::Failed(_) => &self.0.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Collector for BuildCounts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let ended = [("succeeded", &self.0.succeeded), ("failed", &self.0.failed)];
        let ended = ended
            .map(|(outcome, count)| (vec![("outcome", outcome)], count.load(Ordering::Relaxed)));
        counters(&mut encoder, "troupe_builds", "Builds that ended", ended)
    }
}
