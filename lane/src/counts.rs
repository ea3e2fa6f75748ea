use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use common::metrics::{Collector, DescriptorEncoder, counters};

static ANSWERED: AtomicU64 = AtomicU64::new(0);
static MOVED: AtomicU64 = AtomicU64::new(0);

/// Counts this process's calls on lanes, for Prometheus.
#[derive(Debug)]
pub struct LaneCounts;

/// A call was begun there.
pub(crate) fn answered() {
    ANSWERED.fetch_add(1, Ordering::Relaxed);
}

/// A call waited for its turn in vain.
pub(crate) fn moved() {
    MOVED.fetch_add(1, Ordering::Relaxed);
}

impl Collector for LaneCounts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let outcomes = [("answered", &ANSWERED), ("moved", &MOVED)];
        let outcomes = outcomes.map(|(outcome, count)| {
            let count = count.load(Ordering::Relaxed);
            (vec![("outcome", outcome)], count)
        });
        let help = "Calls that shared a connection to their pod: begun there, or sent again by another way";
        counters(&mut encoder, "troupe_lane_calls", help, outcomes)
    }
}
