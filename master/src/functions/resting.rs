//! Functions whose pods have nothing to do, and which of them gives way when another finds no room.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::key::ObjectKey;

/// A function that had a call just now is likely to get another one.
const RESTED: Duration = Duration::from_secs(2);

/// Since when functions with pods have had no calls, and how to tell them to give way.
#[derive(Debug)]
pub struct Resting<T>(Mutex<HashMap<ObjectKey, (Timestamp, T)>>);

impl<T> Default for Resting<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Resting<T> {
    /// A function has had pods without calls since then; `None`: it has calls, or no pods to give.
    pub(super) fn set(&self, function: &ObjectKey, since: Option<(Timestamp, T)>) {
        let mut all = self.0.lock();
        match since {
            Some(since) => all.insert(function.clone(), since),
            None => all.remove(function),
        };
    }

    /// Takes out the one that has rested longest, when any has for long enough.
    pub(super) fn take_longest(&self, now: Timestamp) -> Option<(ObjectKey, T)> {
        let mut all = self.0.lock();
        let rested = |since: Timestamp| {
            Duration::try_from(now.duration_since(since)).is_ok_and(|rest| rest >= RESTED)
        };
        let longest = all.iter().filter(|(_, (since, _))| rested(*since));
        // Of two the first by name, so that the outcome follows from what is known.
        let longest = longest.min_by_key(|(function, (since, _))| (*since, (*function).clone()));
        let key = longest.map(|(function, _)| function.clone())?;
        all.remove(&key).map(|(_, tell)| (key, tell))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[test]
    fn the_one_that_has_rested_longest_gives_way_first_and_once() {
        let resting = Resting::default();
        let [a, b, c] = ["a", "b", "c"].map(|name| ObjectKey::new("default", name));
        resting.set(&a, Some((at(5), "a")));
        resting.set(&b, Some((at(3), "b")));
        resting.set(&c, Some((at(9), "c")));
        let next = |now| resting.take_longest(at(now)).map(|(_, tell)| tell);
        assert_eq!(next(4), None, "it had a call just now");
        assert_eq!(next(10), Some("b"));
        resting.set(&a, None);
        assert_eq!(next(10), None, "a has a call, c had one just now");
        assert_eq!(next(11), Some("c"));
        assert_eq!(next(20), None);
    }
}
