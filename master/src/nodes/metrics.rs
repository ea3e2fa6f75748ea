//! What is counted of pods, as their nodes report them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use common::link::Cold;
use common::metrics::{Collector, DescriptorEncoder, Histogram, histograms};

/// What the starts of pods took on their nodes. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct PodCounts(Arc<Starts>);

#[derive(Debug, Default)]
struct Starts {
    prepare: Histogram,
    start: Histogram,
    import: Histogram,
}

impl PodCounts {
    /// A pod became ready.
    pub(super) fn started(&self, cold: &Cold) {
        let time = |ms: f64| Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default();
        self.0.prepare.observe(time(cold.prepare_ms));
        self.0.start.observe(time(cold.start_ms));
        self.0.import.observe(time(cold.import_ms));
    }
}

impl Collector for PodCounts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let phases = [
            ("prepare", &self.0.prepare),
            ("start", &self.0.start),
            ("import", &self.0.import),
        ];
        let phases = phases.map(|(phase, times)| (vec![("phase", phase)], times));
        let help = "Time that starts of pods took on their nodes: layer or image, process or container, import";
        histograms(&mut encoder, "troupe_pod_start_seconds", help, phases)
    }
}
