use std::time::Duration;

use jiff::Timestamp;

/// Waits longer after each launch that failed.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    until: Option<Timestamp>,
    last: Option<(String, String)>,
}

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

impl Backoff {
    /// A launch failed at `now`.
    pub(super) fn fail(&mut self, now: Timestamp, reason: &str, message: &str) {
        let doublings = self.failures.min(6);
        self.failures = self.failures.saturating_add(1);
        let delay = FIRST.saturating_mul(1 << doublings).min(LONGEST);
        self.until = now
            .checked_add(jiff::SignedDuration::try_from(delay).unwrap_or_default())
            .ok();
        self.last = Some((reason.to_owned(), message.to_owned()));
    }

    /// A pod became ready: all is forgotten.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Time until the next launch may be tried, if it may not now.
    pub(super) fn remaining(&self, now: Timestamp) -> Option<Duration> {
        let until = self.until?;
        Duration::try_from(until.duration_since(now))
            .ok()
            .filter(|d| !d.is_zero())
    }

    /// Launches that failed in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Reason and message of the last failure.
    pub(super) fn last(&self) -> Option<&(String, String)> {
        self.last.as_ref()
    }
}
