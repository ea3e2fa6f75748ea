//! What is counted of asynchronous calls.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::metrics::{Collector, DescriptorEncoder, counters, gauges};

use super::{Ledger, State};

/// Invocations that ended since the master's start. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Ended(Arc<[AtomicU64; 2]>);

impl Ended {
    pub(super) fn note(&self, state: State) {
        let index = usize::from(state == State::Failed);
        self.0[index].fetch_add(1, Ordering::Relaxed);
    }
}

/// Reads what the ledger has counted.
pub struct InvocationMetrics(Ledger);

impl InvocationMetrics {
    /// Of this ledger.
    #[must_use]
    pub fn new(ledger: Ledger) -> Self {
        Self(ledger)
    }
}

impl fmt::Debug for InvocationMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvocationMetrics").finish_non_exhaustive()
    }
}

impl Collector for InvocationMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let (open, bytes) = self.0.backlog.size();
        let help = "Asynchronous calls that have not ended";
        gauges(
            encoder,
            "troupe_invocations_open",
            help,
            [(Vec::new(), open as f64)],
        )?;
        let help = "Bytes of their bodies";
        gauges(
            encoder,
            "troupe_invocations_open_bytes",
            help,
            [(Vec::new(), bytes as f64)],
        )?;
        let kept = self.0.kept.bytes() as f64;
        let help = "Bytes of the results that are kept";
        gauges(
            encoder,
            "troupe_invocations_kept_bytes",
            help,
            [(Vec::new(), kept)],
        )?;
        let ended = [State::Succeeded, State::Failed].map(|state| {
            let index = usize::from(state == State::Failed);
            let count = self.0.ended.0[index].load(Ordering::Relaxed);
            (vec![("state", state.as_str())], count)
        });
        let help = "Asynchronous calls that ended; Failed are dead letters";
        counters(encoder, "troupe_invocations", help, ended)
    }
}
