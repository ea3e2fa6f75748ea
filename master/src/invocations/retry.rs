//! When an attempt is made again, and when not. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::{Class, Outcome, Record, State};

/// The rules of attempts.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Attempts that count.
    pub attempts: u32,
    /// Delay before the second attempt; each further one doubles it.
    pub first_delay: Duration,
    /// Longest delay.
    pub longest_delay: Duration,
    /// An invocation that has not succeeded by this age is a dead letter.
    pub max_age: Duration,
    /// How long an ended invocation can be looked at, and how long an idempotency key counts.
    pub keep: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: 3,
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(60),
            max_age: Duration::from_secs(6 * 3600),
            keep: Duration::from_secs(24 * 3600),
        }
    }
}

impl Policy {
    /// The rules of one invocation: its function's, and these where that says nothing.
    #[must_use]
    fn of(&self, record: &Record) -> Self {
        let retry = record.retry.unwrap_or_default();
        let seconds = |said: Option<u32>, default: Duration| {
            said.map_or(default, |seconds| Duration::from_secs(u64::from(seconds)))
        };
        Self {
            attempts: retry.attempts.unwrap_or(self.attempts),
            first_delay: seconds(retry.backoff_seconds, self.first_delay),
            longest_delay: seconds(retry.max_backoff_seconds, self.longest_delay),
            max_age: seconds(retry.max_age_seconds, self.max_age),
            keep: self.keep,
        }
    }

    /// What comes of an invocation whose attempt ended like this. `entropy` spreads the delays.
    #[must_use]
    pub fn judge(
        &self,
        mut record: Record,
        outcome: &Outcome,
        now: Timestamp,
        entropy: u64,
    ) -> Record {
        let rules = self.of(&record);
        if outcome.class == Class::Refused {
            record.refusals = record.refusals.saturating_add(1);
        } else {
            record.attempts = record.attempts.saturating_add(1);
            record.refusals = 0;
            record.status = outcome.response.as_ref().map(|response| response.status);
            record.content_type = outcome
                .response
                .as_ref()
                .and_then(|response| response.content_type.clone());
        }
        record.error.clone_from(&outcome.error);
        match outcome.class {
            Class::Done => end(record, State::Succeeded, now),
            Class::Hopeless => end(record, State::Failed, now),
            Class::Retry if record.attempts >= rules.attempts => end(record, State::Failed, now),
            Class::Retry => {
                let doublings = record.attempts.saturating_sub(1);
                rules.put_off(record, doublings, now, entropy)
            }
            Class::Refused => {
                let doublings = record.refusals.saturating_sub(1);
                rules.put_off(record, doublings, now, entropy)
            }
        }
    }

    /// An invocation that is too old for another attempt, as a dead letter; else `None`.
    #[must_use]
    pub fn expire(&self, record: &Record, now: Timestamp) -> Option<Record> {
        let rules = self.of(record);
        (now >= rules.expiry(record)).then(|| rules.too_old(record.clone(), now))
    }

    fn expiry(&self, record: &Record) -> Timestamp {
        record
            .since
            .checked_add(self.max_age)
            .unwrap_or(Timestamp::MAX)
    }

    fn put_off(&self, mut record: Record, doublings: u32, now: Timestamp, entropy: u64) -> Record {
        let due = now
            .checked_add(self.delay(doublings, entropy))
            .unwrap_or(Timestamp::MAX);
        if due >= self.expiry(&record) {
            return self.too_old(record, now);
        }
        (record.state, record.due) = (State::Pending, due);
        record
    }

    /// Half of it is certain, half is chance, so that calls that failed together do not come back
    /// together.
    fn delay(&self, doublings: u32, entropy: u64) -> Duration {
        let whole = self
            .first_delay
            .saturating_mul(1 << doublings.min(20))
            .min(self.longest_delay);
        let share = u32::try_from(entropy % 1001).unwrap_or(0);
        whole / 2 + whole / 2 * share / 1000
    }

    fn too_old(&self, mut record: Record, now: Timestamp) -> Record {
        let age = match self.max_age.as_secs() {
            seconds if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
            seconds => format!("{seconds} s"),
        };
        let last = record
            .error
            .take()
            .unwrap_or_else(|| "no attempt could be made".to_owned());
        record.error = Some(format!("given up after {age}: {last}"));
        end(record, State::Failed, now)
    }
}

fn end(mut record: Record, state: State, now: Timestamp) -> Record {
    record.state = state;
    record.completed = Some(now);
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::ObjectKey;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn fresh() -> Record {
        Record::new(&ObjectKey::new("default", "f"), 0, at(0))
    }

    fn outcome(class: Class) -> Outcome {
        Outcome::without_answer(class, "why")
    }

    #[test]
    fn three_failures_make_a_dead_letter() {
        let policy = Policy::default();
        let mut record = fresh();
        for attempt in 1..3 {
            record = policy.judge(record, &outcome(Class::Retry), at(attempt), 0);
            assert_eq!(
                (record.state, i64::from(record.attempts)),
                (State::Pending, attempt)
            );
            assert!(record.due > at(attempt));
        }
        record = policy.judge(record, &outcome(Class::Retry), at(9), 0);
        assert_eq!(
            (record.state, record.completed),
            (State::Failed, Some(at(9)))
        );
        assert_eq!(record.error.as_deref(), Some("why"));
    }

    #[test]
    fn delays_double_to_a_bound_and_chance_is_half_of_them() {
        let policy = Policy::default();
        assert_eq!(policy.delay(0, 0), Duration::from_millis(500));
        assert_eq!(policy.delay(0, 1000), Duration::from_secs(1));
        assert_eq!(policy.delay(1, 1000), Duration::from_secs(2));
        assert_eq!(policy.delay(30, 1000), policy.longest_delay);
        assert_eq!(policy.delay(u32::MAX, 0), policy.longest_delay / 2);
    }

    #[test]
    fn refusals_use_up_no_attempt_but_the_age_ends_them() {
        let policy = Policy::default();
        let mut record = fresh();
        let mut now = at(0);
        let mut refusals = 0;
        while record.state == State::Pending {
            record = policy.judge(record, &outcome(Class::Refused), now, 1000);
            (now, refusals) = (record.due.max(now), refusals + 1);
        }
        assert_eq!((record.state, record.attempts), (State::Failed, 0));
        assert!((360..400).contains(&refusals), "{refusals}");
        assert_eq!(record.error.as_deref(), Some("given up after 6 h: why"));
    }

    #[test]
    fn a_function_has_its_own_rules_where_it_says_so() {
        let policy = Policy::default();
        let retry = common::resources::Retry {
            attempts: Some(1),
            max_age_seconds: Some(10),
            ..Default::default()
        };
        let record = Record {
            retry: Some(retry),
            ..fresh()
        };
        assert_eq!(policy.expire(&record, at(9)), None);
        assert_eq!(policy.expire(&record, at(10)).unwrap().state, State::Failed);
        let record = policy.judge(record, &outcome(Class::Retry), at(1), 0);
        assert_eq!((record.state, record.attempts), (State::Failed, 1));
        let patient = Record {
            retry: Some(common::resources::Retry {
                attempts: Some(9),
                backoff_seconds: Some(100),
                max_backoff_seconds: Some(150),
                ..Default::default()
            }),
            attempts: 5,
            ..fresh()
        };
        let record = policy.judge(patient, &outcome(Class::Retry), at(0), 1000);
        assert_eq!((record.state, record.due), (State::Pending, at(150)));
    }

    #[test]
    fn an_old_invocation_gets_no_further_attempt() {
        let policy = Policy::default();
        assert_eq!(policy.expire(&fresh(), at(6 * 3600 - 1)), None);
        let dead = policy.expire(&fresh(), at(6 * 3600)).unwrap();
        assert_eq!(dead.state, State::Failed);
        assert!(
            policy
                .expire(&dead.again(at(6 * 3600)), at(7 * 3600))
                .is_none()
        );
    }
}
