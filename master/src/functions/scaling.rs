//! How many pods a function wants. Pure.

use std::collections::VecDeque;

use common::resources::{PolicyKind, Scaling};
use jiff::Timestamp;

/// The rule of one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    policy: PolicyKind,
    window_seconds: u32,
    requests_per_replica: u32,
    concurrency: u32,
    min: u32,
    max: u32,
    pinned: Option<u32>,
}

/// Calls of a function now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls counted since the last sample.
    pub triggers: u64,
    /// Calls on pods.
    pub in_flight: u32,
    /// Calls that wait for a pod.
    pub waiting: u32,
}

/// How many pods, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Pods wanted.
    pub replicas: u32,
    /// Which rule said so, with its numbers, for people.
    pub why: String,
}

impl Rule {
    /// Most pods when the function does not say.
    pub const DEFAULT_MAX: u32 = 10;
    /// Seconds looked back on when the function does not say (seed 2).
    pub const DEFAULT_WINDOW_SECONDS: u32 = 30;
    /// Requests in the window that one pod is meant for when the function does not say (seed 2).
    pub const DEFAULT_REQUESTS_PER_REPLICA: u32 = 100;

    /// The rule of a function's `spec.scaling`.
    #[must_use]
    pub fn new(scaling: Option<&Scaling>, concurrency: u32) -> Self {
        let none = Scaling::default();
        let scaling = scaling.unwrap_or(&none);
        let max = scaling.max_replicas.unwrap_or(Self::DEFAULT_MAX).max(1);
        Self {
            policy: scaling.policy.unwrap_or_default(),
            window_seconds: scaling
                .window_seconds
                .unwrap_or(Self::DEFAULT_WINDOW_SECONDS)
                .max(1),
            requests_per_replica: scaling
                .requests_per_replica
                .unwrap_or(Self::DEFAULT_REQUESTS_PER_REPLICA)
                .max(1),
            concurrency: concurrency.max(1),
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

    /// How many pods the rule wants for the calls in the window and now. Calls in flight or waiting
    /// keep one pod at least.
    #[must_use]
    pub fn decide(&self, window: &Window, load: Load) -> Decision {
        if let Some(pinned) = self.pinned {
            return Decision {
                replicas: pinned,
                why: format!("pinned to {pinned}"),
            };
        }
        let busy = load.in_flight.saturating_add(load.waiting);
        let (wanted, why) = match self.policy {
            PolicyKind::Requests => {
                let count = window.total();
                let wanted = count.div_ceil(u64::from(self.requests_per_replica));
                let why = format!(
                    "requests: {count} in {} s / {} = {wanted}",
                    self.window_seconds, self.requests_per_replica
                );
                (wanted, why)
            }
            PolicyKind::Concurrency => {
                let wanted = u64::from(busy.div_ceil(self.concurrency));
                // The pods of a window with calls stay, so that a pause between two does not end them.
                let wanted = wanted.max(u64::from(window.total() > 0));
                (
                    wanted,
                    format!(
                        "concurrency: {busy} in flight / {} = {wanted}",
                        self.concurrency
                    ),
                )
            }
        };
        let wanted = u32::try_from(wanted)
            .unwrap_or(u32::MAX)
            .max(u32::from(busy > 0));
        let replicas = wanted.clamp(self.min, self.max);
        let why = match replicas {
            n if n == wanted => why,
            n if n == self.min => format!("{why}, raised to minReplicas {n}"),
            n => format!("{why}, capped by maxReplicas {n}"),
        };
        Decision { replicas, why }
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
}

/// Calls of the last seconds.
#[derive(Clone, Debug, Default)]
pub struct Window {
    samples: VecDeque<(Timestamp, u64)>,
    total: u64,
}

impl Window {
    /// Adds what was counted since the last sample and forgets what is older than `seconds`.
    pub fn push(&mut self, now: Timestamp, triggers: u64, seconds: u32) {
        if triggers > 0 {
            self.samples.push_back((now, triggers));
            self.total += triggers;
        }
        let oldest = now.as_second() - i64::from(seconds);
        while let Some(&(at, count)) = self.samples.front()
            && at.as_second() <= oldest
        {
            self.samples.pop_front();
            self.total -= count;
        }
    }

    /// Calls in the window.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn window(triggers: u64) -> Window {
        let mut window = Window::default();
        window.push(at(0), triggers, 30);
        window
    }

    #[test]
    fn the_seeds_rule_is_triggers_of_the_last_30_s_by_100() {
        let rule = Rule::new(None, 8);
        let replicas = |n| rule.decide(&window(n), Load::default()).replicas;
        assert_eq!(
            [0, 1, 100, 101, 1000, 99_999].map(replicas),
            [0, 1, 1, 2, 10, 10]
        );
        let mut passed = window(250);
        passed.push(at(29), 0, 30);
        assert_eq!(passed.total(), 250);
        passed.push(at(30), 0, 30);
        assert_eq!(rule.decide(&passed, Load::default()).replicas, 0);
    }

    #[test]
    fn a_waiting_call_wants_a_pod_even_with_an_empty_window() {
        let rule = Rule::new(None, 8);
        let load = Load {
            waiting: 1,
            ..Load::default()
        };
        assert_eq!(rule.decide(&Window::default(), load).replicas, 1);
    }

    #[test]
    fn a_pin_beats_the_rule() {
        let scaling = Scaling {
            pinned: Some(0),
            ..Scaling::default()
        };
        let rule = Rule::new(Some(&scaling), 8);
        assert!(rule.is_paused());
        assert_eq!(rule.decide(&window(5000), Load::default()).replicas, 0);
    }

    proptest! {
        #[test]
        fn the_rule_stays_between_its_bounds(
            min in 0_u32..5, max in 1_u32..20, triggers in 0_u64..100_000, waiting in 0_u32..50
        ) {
            let scaling = Scaling {
                min_replicas: Some(min), max_replicas: Some(max), ..Scaling::default()
            };
            let rule = Rule::new(Some(&scaling), 8);
            let load = Load { waiting, ..Load::default() };
            let replicas = rule.decide(&window(triggers), load).replicas;
            prop_assert!(replicas <= max && replicas >= min.min(max));
            prop_assert!(waiting == 0 || replicas >= 1);
        }
    }
}
