use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::metrics::{Collector, DescriptorEncoder, Histogram, counters, histograms};

use crate::runtime::Unfit;

/// Why a pod is not one that waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// None waited.
    Empty,
    /// None can become this pod.
    Unfit(Unfit),
    /// One was given, and it was of no use.
    Broken,
}

const WORDS: [&str; 6] = [
    "empty",
    "image",
    "environment",
    "limits",
    "unsupported",
    "broken",
];

impl Miss {
    fn index(self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Unfit(Unfit::Image) => 1,
            Self::Unfit(Unfit::Environment) => 2,
            Self::Unfit(Unfit::Limits) => 3,
            Self::Unfit(Unfit::Unsupported) => 4,
            Self::Broken => 5,
        }
    }

    /// The word in metrics and in a pod's report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        WORDS[self.index()]
    }
}

/// What the pool gave and what it could not give, since the agent's start.
#[derive(Debug, Default)]
pub struct Counts {
    hits: AtomicU64,
    misses: [AtomicU64; WORDS.len()],
    /// From the wish for a pod to its being ready.
    warm: Histogram,
    cold: Histogram,
}

impl Counts {
    /// A pod's function was put into one that waited.
    pub fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// A pod is started from nothing.
    pub fn miss(&self, miss: Miss) {
        self.misses[miss.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// A pod is ready, so long after it was wanted.
    pub fn ready(&self, warm: bool, after: Duration) {
        if warm { &self.warm } else { &self.cold }.observe(after);
    }

    /// Hits, and misses by their words.
    #[must_use]
    pub fn read(&self) -> (u64, [(&'static str, u64); WORDS.len()]) {
        let misses = std::array::from_fn(|at| (WORDS[at], self.misses[at].load(Ordering::Relaxed)));
        (self.hits.load(Ordering::Relaxed), misses)
    }
}

/// Reads them for an exposition.
#[derive(Debug)]
pub(super) struct Shown(pub(super) std::sync::Arc<Counts>);

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let (hits, misses) = self.0.read();
        let outcomes = [("hit", hits)].into_iter().chain(misses);
        let outcomes = outcomes.map(|(word, count)| (vec![("outcome", word)], count));
        let help = "Pods that became of generic ones, and why others did not";
        counters(encoder, "troupe_node_pool_claims", help, outcomes)?;
        let starts = [
            (vec![("way", "warm")], &self.0.warm),
            (vec![("way", "cold")], &self.0.cold),
        ];
        let help = "From the order for a pod to its being ready";
        histograms(encoder, "troupe_node_pod_start_seconds", help, starts)
    }
}
