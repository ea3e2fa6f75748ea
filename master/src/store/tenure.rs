use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;

/// Until when a leader can be sure that nobody else leads: as long as its lease lives by its own clock, which was
/// asked before the store was.
///
/// The fence keeps a leader that was silent for too long from changing the store; this keeps it from doing outside what
/// its successor does as well.
#[derive(Clone)]
pub struct Tenure(Option<Limited>);

#[derive(Clone)]
struct Limited {
    clock: Arc<dyn Clock>,
    until: watch::Receiver<Duration>,
}

impl Tenure {
    /// Of a master that is the only one.
    #[must_use]
    pub fn unlimited() -> Self {
        Self(None)
    }

    /// Until a moment of this clock, which is put off again and again.
    pub(super) fn limited(clock: Arc<dyn Clock>, until: watch::Receiver<Duration>) -> Self {
        Self(Some(Limited { clock, until }))
    }

    /// Whether nobody else can lead now.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|limited| limited.clock.monotonic() < *limited.until.borrow())
    }

    /// Waits until this master is sure of its lead: as long as the store is away, and for ever when another one leads,
    /// whereupon this process ends.
    pub async fn sure(&self) {
        let Some(Limited { clock, until }) = &self.0 else {
            return;
        };
        let mut until = until.clone();
        let reached = until.wait_for(|until| clock.monotonic() < *until);
        if reached.await.is_err() {
            std::future::pending().await
        }
    }
}
