//! What is counted of a store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::metrics::{Collector, DescriptorEncoder, counters};

/// Commits of the embedded store, and how often it waited for the disk, since the master's start. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct StoreCounts(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    commits: AtomicU64,
    syncs: AtomicU64,
}

impl StoreCounts {
    /// Commits that changed something.
    pub(super) fn committed(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.0.commits.fetch_add(count, Ordering::Relaxed);
    }

    /// The disk was waited for once.
    pub(super) fn synced(&self) {
        self.0.syncs.fetch_add(1, Ordering::Relaxed);
    }
}

impl Collector for StoreCounts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut write = |name, help, count: &AtomicU64| {
            let value = [(Vec::new(), count.load(Ordering::Relaxed))];
            counters(&mut encoder, name, help, value)
        };
        let commits = "Commits of the store that changed something";
        write("troupe_store_commits", commits, &self.0.commits)?;
        let syncs = "Times that the store waited for the disk (fsync)";
        write("troupe_store_syncs", syncs, &self.0.syncs)
    }
}
