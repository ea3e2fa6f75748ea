use tokio::sync::watch;

/// Whether the node stays in the cluster, and whether a master hears it.
pub struct Standing {
    leaves: watch::Sender<bool>,
    linked: watch::Sender<bool>,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            leaves: watch::Sender::new(false),
            linked: watch::Sender::new(false),
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

    /// Waits until no master hears this agent.
    pub async fn unheard(&self) {
        let _ = self.linked.subscribe().wait_for(|linked| !linked).await;
    }
}
