use std::collections::VecDeque;

use jiff::Timestamp;

/// Calls of the last seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    samples: VecDeque<(Timestamp, u64)>,
    total: u64,
}

impl Window {
    /// Adds what was counted since the last sample and forgets what is older than `seconds`.
    pub(super) fn push(&mut self, now: Timestamp, triggers: u64, seconds: u32) {
        if triggers > 0 {
            self.samples.push_back((now, triggers));
            self.total += triggers;
        }
        let oldest = now.as_second() - i64::from(seconds);
        while let Some(&(at, count)) = self.samples.front()
            && at.as_second() <= oldest
        {
            self.samples.pop_front();
            self.total -= count;
        }
    }

    /// Calls in the window.
    pub(super) fn total(&self) -> u64 {
        self.total
    }
}
