//! How many pods a function is to have.

use jiff::Timestamp;

use super::{Effect, Plan, PodView};
use crate::functions::Decision;

/// Seconds that a pod waits for a call that was expected.
const EXPECTED_SECONDS: i64 = 15;

impl Plan {
    /// Says how many pods the function is to have, and why.
    pub(super) fn decide_replicas(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(wanted) = &self.wanted else { return };
        let seconds = wanted.rule.window_seconds();
        let mut decision = if self.deleted {
            Decision::default()
        } else {
            let alive = self.pods.values().filter(|pod| self.counts(pod)).count();
            match u32::try_from(alive).unwrap_or(u32::MAX) {
                0 => self.ceiling.forget(),
                alive => self.ceiling.disprove(alive),
            }
            let ceiling = self.ceiling.at(now);
            self.scaler.decide(&wanted.rule, now, ceiling)
        };
        let began = self.began.unwrap_or(now).as_second();
        let found = self.found(began);
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        if self.is_new(now, seconds) && !self.deleted && wanted.rule.keeps(found, &decision) {
            decision = Decision {
                replicas: found,
                why: format!(
                    "{found} found running; their calls of the last {seconds} s are not known"
                ),
            };
        }
        let expected = self
            .expected
            .is_some_and(|since| now.as_second() - since.as_second() < EXPECTED_SECONDS);
        if decision.replicas == 0 && expected && !self.deleted && !wanted.rule.is_paused() {
            decision = Decision {
                replicas: 1,
                why: "a running workflow calls it next".to_owned(),
            };
        }
        if self.gives_way && decision.replicas > wanted.rule.least() {
            decision = Decision {
                replicas: wanted.rule.least(),
                why: "no calls, and another function has no room for its own".to_owned(),
            };
        }
        if decision.replicas != self.decision.replicas && !self.deleted {
            let message = format!(
                "{} -> {} ({})",
                self.decision.replicas, decision.replicas, decision.why
            );
            effects.push(Effect::Tell {
                warning: false,
                reason: "Scaled",
                message,
            });
        }
        self.decision = decision;
    }

    /// Whether the plan is younger than its window, so that an empty window means nothing.
    fn is_new(&self, now: Timestamp, seconds: u32) -> bool {
        let age = self
            .began
            .map_or(0, |began| now.as_second() - began.as_second());
        age < i64::from(seconds)
    }

    /// How many pods there were before this plan began; some that leave may have been replaced.
    fn found(&self, began: i64) -> usize {
        let old = |pod: &&PodView| self.serves(pod) && pod.created.as_second() < began;
        let old = self.pods.values().filter(old);
        let (leave, stay): (Vec<_>, Vec<_>) = old.partition(|pod| pod.disruption.is_some());
        leave.len().max(stay.len())
    }

    /// How many pods are wanted, as far as the nodes take them.
    pub(super) fn reachable(&self, now: Timestamp) -> usize {
        let ceiling = self.ceiling.at(now);
        self.decision.replicas.min(ceiling.unwrap_or(u32::MAX)) as usize
    }
}
