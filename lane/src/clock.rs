use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// A time by the clock that all processes of a machine share, which has no leaps: nanoseconds since some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Monotonic(u64);

impl Monotonic {
    /// Now.
    ///
    /// # Errors
    /// On systems without such a clock.
    pub(crate) fn now() -> nix::Result<Self> {
        let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
        Ok(Self::new(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// So many nanoseconds since the clock's beginning.
    pub(crate) fn new(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// Nanoseconds since the clock's beginning.
    pub(crate) fn nanoseconds(self) -> u64 {
        self.0
    }
}

impl std::ops::Add<Duration> for Monotonic {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        let later = u64::try_from(later.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(later))
    }
}
