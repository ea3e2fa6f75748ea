use std::collections::VecDeque;

use jiff::Timestamp;

/// What was wanted in the last seconds: a load at the edge between two numbers of pods must not end
/// and start pods all the time.
#[derive(Clone, Debug, Default)]
pub(super) struct Steady {
    /// Falling numbers: a later one that is as high makes an earlier one moot.
    wanted: VecDeque<(i64, u32)>,
}

impl Steady {
    /// The most that was wanted in the last `seconds`, `wanted` included.
    pub(super) fn note(&mut self, now: Timestamp, wanted: u32, seconds: u32) -> u32 {
        let now = now.as_second();
        while self.wanted.back().is_some_and(|(_, last)| *last <= wanted) {
            self.wanted.pop_back();
        }
        self.wanted.push_back((now, wanted));
        while self
            .wanted
            .front()
            .is_some_and(|(at, _)| *at <= now - i64::from(seconds))
            && self.wanted.len() > 1
        {
            self.wanted.pop_front();
        }
        self.wanted.front().map_or(wanted, |(_, most)| *most)
    }

    pub(super) fn forget(&mut self) {
        self.wanted.clear();
    }
}
