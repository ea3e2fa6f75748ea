use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// Whether the node stays in the cluster, and whether a master hears it.
pub struct Standing {
    leaves: watch::Sender<bool>,
    linked: watch::Sender<bool>,
    epoch: AtomicU64,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            leaves: watch::Sender::new(false),
            linked: watch::Sender::new(false),
            epoch: AtomicU64::new(0),
        }
    }
}

impl Standing {
    /// The agent ends: the master is told, now and whenever it dials one.
    pub fn leave(&self) {
        self.leaves.send_replace(true);
    }

    /// Waits until the agent ends.
    pub(super) async fn leaving(&self) {
        // The sender lives as long as this.
        let _ = self.leaves.subscribe().wait_for(|leaves| *leaves).await;
    }

    pub(super) fn set_linked(&self, linked: bool) {
        self.linked.send_replace(linked);
    }

    /// A master of this epoch spoke to this agent; false when one of a later epoch did before.
    pub fn follow(&self, epoch: u64) -> bool {
        self.epoch.fetch_max(epoch, Ordering::AcqRel) <= epoch
    }

    /// The latest epoch of a master that was heard of; 0 before there was any.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Waits until no master hears this agent.
    pub async fn unheard(&self) {
        let _ = self.linked.subscribe().wait_for(|linked| !linked).await;
    }
}
