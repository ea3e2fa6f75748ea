//! Time and chance come in from outside, so that tests can choose them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;

/// The time of day and the time since some start.
pub trait Clock: Send + Sync {
    /// The time of day.
    fn wall(&self) -> Timestamp;
    /// Time that only goes forward.
    fn now(&self) -> Instant;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// A source of chance that many may share.
#[derive(Clone)]
pub struct Chance(Arc<Mutex<StdRng>>);

impl Chance {
    /// Always the same sequence for the same seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// A sequence nobody can foresee.
    #[must_use]
    pub fn random() -> Self {
        Self(Arc::new(Mutex::new(StdRng::from_rng(&mut rand::rng()))))
    }

    /// Between half of `delay` and all of it.
    #[must_use]
    pub fn jitter(&self, delay: Duration) -> Duration {
        delay.mul_f64(self.0.lock().random_range(0.5..=1.0))
    }

    /// Less than `end`, which is at least 1.
    #[must_use]
    pub fn below(&self, end: u32) -> u32 {
        self.0.lock().random_range(0..end.max(1))
    }
}
