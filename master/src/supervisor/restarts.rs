use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

/// When and how often a child is started again.
#[derive(Clone, Copy, Debug)]
pub struct RestartPolicy {
    /// Delay before the first restart.
    pub first_delay: Duration,
    /// Longest delay; each restart within [`RestartPolicy::window`] doubles it up to here.
    pub longest_delay: Duration,
    /// Restarts allowed within the window.
    pub most: usize,
    /// Length of the window.
    pub window: Duration,
    /// What happens past the limit.
    pub limit: Limit,
}

/// What happens to a child that keeps panicking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Its parent gives up too.
    Escalate,
    /// It is left alone for so long, then tried again.
    Quarantine(Duration),
}

impl RestartPolicy {
    /// For a room of the house.
    pub const ROOM: Self = Self {
        first_delay: Duration::from_millis(10),
        longest_delay: Duration::from_secs(2),
        most: 10,
        window: Duration::from_secs(60),
        limit: Limit::Escalate,
    };
    /// For one function, run or node.
    pub const LEAF: Self = Self {
        first_delay: Duration::from_millis(10),
        longest_delay: Duration::from_secs(5),
        most: 10,
        window: Duration::from_secs(60),
        limit: Limit::Quarantine(Duration::from_secs(60)),
    };
}

/// What to do about a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Start the child again after this delay.
    RestartAfter(Duration),
    /// The limit is passed: the parent fails too.
    Escalate,
}

/// Counts one child's panics.
#[derive(Clone, Debug, Default)]
pub struct Restarts {
    recent: VecDeque<Timestamp>,
}

impl Restarts {
    /// Judges a panic at `now`. `entropy` spreads the delays by up to a quarter, so that children
    /// that fell together do not rise together.
    pub fn judge(&mut self, policy: &RestartPolicy, now: Timestamp, entropy: u64) -> Verdict {
        let window = i128::try_from(policy.window.as_nanos()).unwrap_or(i128::MAX);
        while self
            .recent
            .front()
            .is_some_and(|at| now.as_nanosecond().saturating_sub(at.as_nanosecond()) > window)
        {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        if self.recent.len() > policy.most {
            return match policy.limit {
                Limit::Escalate => Verdict::Escalate,
                Limit::Quarantine(span) => {
                    self.recent.clear();
                    Verdict::RestartAfter(span)
                }
            };
        }
        let doublings = u32::try_from(self.recent.len() - 1)
            .unwrap_or(u32::MAX)
            .min(16);
        let delay = policy
            .first_delay
            .saturating_mul(1 << doublings)
            .min(policy.longest_delay);
        Verdict::RestartAfter(delay + jitter(delay, entropy))
    }
}

/// Up to a quarter of `delay`.
fn jitter(delay: Duration, entropy: u64) -> Duration {
    let share = u32::try_from(entropy % 1000).unwrap_or(0);
    delay / 4 * share / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    #[test]
    fn delays_double_and_stay_below_their_bound() {
        let mut restarts = Restarts::default();
        let policy = RestartPolicy {
            most: 30,
            ..RestartPolicy::ROOM
        };
        let mut last = Duration::ZERO;
        for _ in 0..20 {
            let Verdict::RestartAfter(delay) = restarts.judge(&policy, at(0), 0) else {
                panic!()
            };
            assert!(delay >= last && delay <= policy.longest_delay);
            last = delay;
        }
        assert_eq!(last, policy.longest_delay);
    }

    #[test]
    fn a_room_that_keeps_falling_is_given_up_and_a_leaf_is_quarantined() {
        let mut room = Restarts::default();
        let mut leaf = Restarts::default();
        for _ in 0..RestartPolicy::ROOM.most {
            assert_ne!(
                room.judge(&RestartPolicy::ROOM, at(1), 0),
                Verdict::Escalate
            );
            leaf.judge(&RestartPolicy::LEAF, at(1), 0);
        }
        assert_eq!(
            room.judge(&RestartPolicy::ROOM, at(1), 0),
            Verdict::Escalate
        );
        let span = Verdict::RestartAfter(Duration::from_secs(60));
        assert_eq!(leaf.judge(&RestartPolicy::LEAF, at(1), 0), span);
    }

    #[test]
    fn old_panics_are_forgotten() {
        let mut room = Restarts::default();
        for second in 0..100 {
            let verdict = room.judge(&RestartPolicy::ROOM, at(second * 30), 0);
            assert_ne!(verdict, Verdict::Escalate);
        }
    }
}
