use std::time::Duration;

use crate::clock::Chance;

const FIRST: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(10);

/// How long to wait before the next try: twice as long each time, up to ten seconds, with jitter,
/// so that a returning master is not run over by all its agents at once.
pub(crate) struct Backoff {
    next: Duration,
    chance: Chance,
}

impl Backoff {
    /// Starts short.
    #[must_use]
    pub(crate) fn new(chance: Chance) -> Self {
        Self {
            next: FIRST,
            chance,
        }
    }

    /// It worked: the next failure starts short again.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }

    /// It failed: wait so long.
    pub(crate) fn fail(&mut self) -> Duration {
        self.fail_within(LAST)
    }

    /// The same, with waits that grow to another limit.
    pub(crate) fn fail_within(&mut self, limit: Duration) -> Duration {
        let wait = self.chance.jitter(self.next.min(limit));
        self.next = (self.next * 2).min(limit).min(LAST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_start_again() {
        let mut backoff = Backoff::new(Chance::seeded(1));
        let waits: Vec<_> = (0..12).map(|_| backoff.fail()).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST / 2);
        assert!(waits.iter().all(|wait| *wait <= LAST));
        assert!(waits[11] >= LAST / 2);
        backoff.reset();
        assert!(backoff.fail() <= FIRST);
        let limit = Duration::from_secs(1);
        assert!((0..12).all(|_| backoff.fail_within(limit) <= limit));
    }
}
