use std::time::Duration;

/// Calls of a function now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls counted since the last sample.
    pub triggers: u64,
    /// Calls on pods.
    pub in_flight: u32,
    /// Calls that wait for a pod.
    pub waiting: u32,
    /// How long the first of them waits.
    pub longest_wait: Duration,
    /// Calls that all ready pods together get at once by now.
    pub capacity: u32,
    /// Pods that take calls.
    pub ready: u32,
}

impl Load {
    /// Calls on pods and calls that wait for one.
    #[must_use]
    pub fn busy(&self) -> u32 {
        self.in_flight.saturating_add(self.waiting)
    }

    /// Calls that one ready pod gets at once, at least 1.
    pub(super) fn per_pod(&self) -> u32 {
        (self.capacity / self.ready.max(1)).max(1)
    }
}

/// How many pods, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Pods wanted.
    pub replicas: u32,
    /// Which rule said so, with its numbers, for people.
    pub why: String,
}
