use common::resources::PolicyKind;
use jiff::Timestamp;

use super::busy::Busy;
use super::panic::Panic;
use super::relief::Relief;
use super::steady::Steady;
use super::window::Window;
use super::{Decision, Load, Rule};

/// What one function's scaling remembers.
#[derive(Clone, Debug, Default)]
pub struct Scaler {
    window: Window,
    busy: Busy,
    panic: Panic,
    relief: Relief,
    steady: Steady,
    load: Load,
}

impl Scaler {
    /// Notes the calls as they stand at `now`.
    pub fn sample(&mut self, rule: &Rule, now: Timestamp, load: Load) {
        self.window.push(now, load.triggers, rule.window_seconds);
        self.busy.push(now, load.busy(), rule.window_seconds);
        self.load = load;
    }

    /// The calls as they stood last.
    #[must_use]
    pub fn load(&self) -> Load {
        self.load
    }

    /// Whether there were calls in the window.
    #[must_use]
    pub fn had_calls(&self) -> bool {
        self.window.total() > 0
    }

    /// How many pods are wanted at `now`. Calls in flight or waiting keep one pod at least. `ceiling`
    /// is what the nodes take, when more were tried.
    #[must_use]
    pub fn decide(&mut self, rule: &Rule, now: Timestamp, ceiling: Option<u32>) -> Decision {
        if let Some(pinned) = rule.pinned {
            self.steady.forget();
            return Decision {
                replicas: pinned,
                why: format!("pinned to {pinned}"),
            };
        }
        self.window.push(now, 0, rule.window_seconds);
        let (wanted, mut why) = match rule.policy {
            PolicyKind::Requests => self.by_requests(rule),
            PolicyKind::Concurrency => self.by_concurrency(rule, now),
        };
        let busy = self.load.busy() > 0;
        let mut wanted = wanted.max(u32::from(busy));
        let idle = !busy && self.window.total() == 0;
        if idle {
            self.relief.end();
        }
        let relief = self
            .relief
            .note(now, &self.load, &self.busy, rule.window_seconds);
        if relief > wanted {
            why = format!("{why}, raised to {relief} for calls that waited");
            wanted = relief;
        }
        if wanted == 0 {
            self.steady.forget();
        } else {
            let steady = self.steady.note(now, wanted, rule.steady_seconds());
            if steady > wanted {
                why = format!("{why}, kept at {steady} for {} s", rule.steady_seconds());
                wanted = steady;
            }
        }
        bound(rule, wanted, why, ceiling)
    }

    /// Seed 2's rule.
    fn by_requests(&self, rule: &Rule) -> (u32, String) {
        let count = self.window.total();
        let wanted = count.div_ceil(u64::from(rule.requests_per_replica));
        let why = format!(
            "requests: {count} in {} s / {} = {wanted}",
            rule.window_seconds, rule.requests_per_replica
        );
        (u32::try_from(wanted).unwrap_or(u32::MAX), why)
    }

    /// Knative's: the mean of a window, and of a short one in a burst.
    fn by_concurrency(&mut self, rule: &Rule, now: Timestamp) -> (u32, String) {
        let pods = |mean: f64| {
            // Rounded first, so that sums of fractions do not make one pod more.
            let pods = (mean / f64::from(rule.target) * 1e6).round() / 1e6;
            pods.ceil() as u32
        };
        let mean = self.busy.mean(now, rule.window_seconds);
        let burst = self.busy.mean(now, rule.panic_seconds());
        let (stable, sudden) = (pods(mean), pods(burst));
        let why = format!(
            "concurrency: {mean:.1} at once in {} s / {} = {stable}",
            rule.window_seconds, rule.target
        );
        if self.window.total() == 0 && self.load.busy() == 0 {
            self.panic.end();
            return (0, why);
        }
        let panic = self.panic.note(
            now,
            sudden,
            self.load.ready,
            rule.panic_threshold_percent,
            rule.window_seconds,
        );
        match panic.filter(|panic| *panic > stable) {
            Some(panic) => (
                panic,
                format!(
                    "{why}, panic: {burst:.1} at once in {} s = {panic}",
                    rule.panic_seconds()
                ),
            ),
            None => (stable.max(1), why),
        }
    }
}

fn bound(rule: &Rule, wanted: u32, why: String, ceiling: Option<u32>) -> Decision {
    let replicas = wanted.clamp(rule.min, rule.max);
    let why = match replicas {
        n if n > wanted => format!("{why}, raised to minReplicas {n}"),
        n if n < wanted => format!("{why}, capped by maxReplicas {n}"),
        _ => why,
    };
    match ceiling.filter(|ceiling| *ceiling < replicas) {
        Some(ceiling) => Decision {
            replicas: ceiling,
            why: format!("{why}, capped at {ceiling} by what the nodes take"),
        },
        None => Decision { replicas, why },
    }
}
