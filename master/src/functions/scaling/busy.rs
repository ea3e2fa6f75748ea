use std::collections::VecDeque;

use jiff::Timestamp;

/// How busy a function was, second by second: calls on pods and calls that waited.
#[derive(Clone, Debug, Default)]
pub(super) struct Busy {
    seconds: VecDeque<Second>,
}

#[derive(Clone, Copy, Debug)]
struct Second {
    at: i64,
    sum: u64,
    samples: u32,
    most: u32,
}

impl Busy {
    /// Adds a sample and forgets seconds older than `keep`.
    pub(super) fn push(&mut self, now: Timestamp, busy: u32, keep: u32) {
        let at = now.as_second();
        match self.seconds.back_mut() {
            Some(second) if second.at >= at => {
                second.sum += u64::from(busy);
                second.samples += 1;
                second.most = second.most.max(busy);
            }
            _ => self.seconds.push_back(Second {
                at,
                sum: u64::from(busy),
                samples: 1,
                most: busy,
            }),
        }
        while self
            .seconds
            .front()
            .is_some_and(|second| second.at <= at - i64::from(keep))
        {
            self.seconds.pop_front();
        }
    }

    /// The mean of the last seconds, or of the time that is known, when that is shorter. A second
    /// without a sample was idle.
    pub(super) fn mean(&self, now: Timestamp, seconds: u32) -> f64 {
        let (now, Some(first)) = (now.as_second(), self.seconds.front()) else {
            return 0.0;
        };
        let length = i64::from(seconds.max(1)).min(now - first.at + 1).max(1);
        let sum: f64 = self
            .within(now, seconds)
            .map(|second| second.sum as f64 / f64::from(second.samples))
            .sum();
        sum / length as f64
    }

    /// The most of the last seconds.
    pub(super) fn most(&self, now: Timestamp, seconds: u32) -> u32 {
        let within = self.within(now.as_second(), seconds);
        within.map(|second| second.most).max().unwrap_or(0)
    }

    fn within(&self, now: i64, seconds: u32) -> impl Iterator<Item = &Second> {
        let oldest = now - i64::from(seconds.max(1));
        self.seconds.iter().filter(move |second| second.at > oldest)
    }
}
