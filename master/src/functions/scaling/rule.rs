use common::resources::{PolicyKind, Scaling};

use super::Decision;

/// What a function's `spec.scaling` says, with the defaults filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub(super) policy: PolicyKind,
    pub(super) window_seconds: u32,
    pub(super) requests_per_replica: u32,
    pub(super) target: u32,
    pub(super) panic_window_percent: u32,
    pub(super) panic_threshold_percent: u32,
    pub(super) min: u32,
    pub(super) max: u32,
    pub(super) pinned: Option<u32>,
}

impl Rule {
    /// The rule of a function whose pods take `concurrency` calls at once.
    #[must_use]
    pub fn new(scaling: Option<&Scaling>, concurrency: u32) -> Self {
        let none = Scaling::default();
        let scaling = scaling.unwrap_or(&none);
        let max = scaling
            .max_replicas
            .unwrap_or(Scaling::DEFAULT_MAX_REPLICAS)
            .max(1);
        let or = |field: Option<u32>, default: u32| field.unwrap_or(default).max(1);
        Self {
            policy: scaling.policy.unwrap_or_default(),
            window_seconds: or(scaling.window_seconds, Scaling::DEFAULT_WINDOW_SECONDS),
            requests_per_replica: or(
                scaling.requests_per_replica,
                Scaling::DEFAULT_REQUESTS_PER_REPLICA,
            ),
            target: or(
                scaling.target_concurrency,
                Scaling::default_target_concurrency(concurrency),
            ),
            panic_window_percent: or(
                scaling.panic_window_percent,
                Scaling::DEFAULT_PANIC_WINDOW_PERCENT,
            ),
            panic_threshold_percent: or(
                scaling.panic_threshold_percent,
                Scaling::DEFAULT_PANIC_THRESHOLD_PERCENT,
            ),
            min: scaling.min_replicas.unwrap_or(0).min(max),
            max,
            pinned: scaling.pinned,
        }
    }

    /// Whether the function is turned off by hand.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.pinned == Some(0)
    }

    /// Fewest pods there are, whatever others need.
    #[must_use]
    pub fn least(&self) -> u32 {
        self.pinned.unwrap_or(self.min)
    }

    /// Whether pods that were found running stay, although the decision is for fewer.
    #[must_use]
    pub fn keeps(&self, running: u32, decision: &Decision) -> bool {
        self.pinned.is_none() && running > decision.replicas && running <= self.max
    }

    /// Seconds that the rule looks back on.
    #[must_use]
    pub fn window_seconds(&self) -> u32 {
        self.window_seconds
    }

    /// Seconds that a number of pods stands before a lower one, other than 0, takes its place.
    pub(super) fn steady_seconds(&self) -> u32 {
        self.window_seconds
    }

    pub(super) fn panic_seconds(&self) -> u32 {
        (self.window_seconds * self.panic_window_percent)
            .div_ceil(100)
            .max(1)
    }
}
