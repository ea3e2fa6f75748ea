use std::time::Duration;

use jiff::Timestamp;

/// How long to wait before the next launch: longer after each that failed, a little after pods that were ready and
/// died.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    deaths: u32,
    until: Option<Timestamp>,
    last: Option<(String, String)>,
}

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// A pod that dies may have been killed by one bad call: others must not wait long for its successor.
const LONGEST_AFTER_DEATH: Duration = Duration::from_secs(8);
/// A pod that gives way has its last calls behind it, and ends in about so long.
const SOON: Duration = Duration::from_millis(250);
/// A pod that was ready for so long died of something new.
const STABLE: Duration = Duration::from_secs(10);

impl Backoff {
    /// A launch failed at `now`: its pod never became ready.
    pub(super) fn fail(&mut self, now: Timestamp, reason: &str, message: &str) {
        let delay = doubled(self.failures).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.wait(now, delay, reason, message);
    }

    /// A pod that had been ready for `ready_for` died at `now`. Its successor may come at once, unless this one was a
    /// successor like that itself.
    pub(super) fn died(
        &mut self,
        now: Timestamp,
        ready_for: Duration,
        reason: &str,
        message: &str,
    ) {
        if ready_for >= STABLE {
            self.deaths = 0;
        }
        let delay = match self.deaths {
            0 => Duration::ZERO,
            more => doubled(more - 1).min(LONGEST_AFTER_DEATH),
        };
        self.deaths = self.deaths.saturating_add(1);
        self.wait(now, delay, reason, message);
    }

    /// What stood in the way goes: all is forgotten, and the next launch may be tried soon after `now`.
    pub(super) fn soon(&mut self, now: Timestamp) {
        *self = Self {
            until: now.checked_add(SOON).ok(),
            ..Self::default()
        };
    }

    fn wait(&mut self, now: Timestamp, delay: Duration, reason: &str, message: &str) {
        self.until = now
            .checked_add(jiff::SignedDuration::try_from(delay).unwrap_or_default())
            .ok();
        self.last = Some((reason.to_owned(), message.to_owned()));
    }

    /// A pod became ready. That pods before it died is remembered.
    pub(super) fn recovered(&mut self) {
        *self = Self {
            deaths: self.deaths,
            ..Self::default()
        };
    }

    /// Things are different now: all is forgotten.
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

fn doubled(times: u32) -> Duration {
    FIRST.saturating_mul(1 << times.min(6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[test]
    fn launches_that_fail_wait_longer_each_time_and_count() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..8)
            .map(|_| {
                backoff.fail(at(0), "ImportError", "no module");
                backoff.remaining(at(0)).unwrap().as_secs()
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.failures(), 8);
        backoff.recovered();
        assert_eq!((backoff.failures(), backoff.last()), (0, None));
    }

    #[test]
    fn a_pod_that_worked_and_died_is_replaced_at_once() {
        let mut backoff = Backoff::default();
        for _ in 0..3 {
            backoff.died(at(0), STABLE, "Exited", "code 137");
            assert_eq!(backoff.remaining(at(0)), None);
            assert_eq!(backoff.failures(), 0, "it is no failed launch");
            backoff.recovered();
        }
    }

    #[test]
    fn pods_that_die_one_after_the_other_wait_a_little_longer_each_time() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..7)
            .map(|_| {
                backoff.died(at(0), Duration::from_secs(1), "Exited", "code 1");
                let wait = backoff.remaining(at(0)).unwrap_or_default().as_secs();
                backoff.recovered();
                wait
            })
            .collect();
        assert_eq!(waits, [0, 1, 2, 4, 8, 8, 8]);
    }
}
