//! What callers and readers are told: whether calls wait, and how the function stands.

use jiff::Timestamp;

use super::state::{Plan, is_alive};
use super::{Effect, PodStage, PodView, Summary};
use crate::functions::Build;
use crate::router::{Refusal, RouteState};

/// Failures of a kind that another try may mend are retried so often before waiting calls are refused.
const PATIENCE: u32 = 3;
/// Reasons that lie in the function itself: another try would end the same way.
const HOPELESS: [&str; 4] = [
    "ImportError",
    "HandlerMissing",
    "SecretMissing",
    "ConfigMapMissing",
];
/// A layer for the nodes that have room is being built: calls wait, as for any build.
const NO_LAYER: &str = "NoLayer";

impl Plan {
    pub(super) fn set_route(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(wanted) = &self.wanted else { return };
        let state = match &wanted.build {
            _ if wanted.rule.is_paused() => RouteState::Closed(Refusal::Paused),
            Build::Failed(refusal) => RouteState::Closed(refusal.clone()),
            Build::Done(_) if self.backoff.remaining(now).is_some() && self.is_hopeless() => {
                RouteState::Closed(self.crash_refusal(now))
            }
            Build::Done(_) | Build::Pending => match &wanted.unschedulable {
                Some(nowhere) => RouteState::Closed(nowhere.clone()),
                None => RouteState::Open,
            },
        };
        if self.route.as_ref() != Some(&state) {
            self.route = Some(state.clone());
            effects.push(Effect::SetRoute(state));
        }
    }

    /// Whether waiting for the next try would be in vain.
    fn is_hopeless(&self) -> bool {
        if self.is_short_of(NO_LAYER) {
            return false;
        }
        let lies_in_function = self
            .backoff
            .last()
            .is_some_and(|(reason, _)| HOPELESS.contains(&reason.as_str()));
        lies_in_function || self.backoff.failures() >= PATIENCE
    }

    fn crash_refusal(&self, now: Timestamp) -> Refusal {
        let (reason, message) = self.backoff.last().cloned().unwrap_or_default();
        // Whole seconds, so that the state does not change at every look.
        let wait = self
            .backoff
            .remaining(now)
            .map_or(0, |_| 1_u64 << self.backoff.failures().min(6));
        let message = format!(
            "{message} ({} launches failed; the next is tried within {} s)",
            self.backoff.failures(),
            wait.min(60)
        );
        Refusal::Unavailable { reason, message }
    }

    pub(super) fn show(&mut self, effects: &mut Vec<Effect>) {
        let Some(wanted) = &self.wanted else { return };
        if self.deleted {
            return;
        }
        let alive = |pod: &&PodView| is_alive(pod);
        let ready =
            |pod: &&PodView| pod.stage == PodStage::Ready && !self.draining.contains(&pod.uid);
        let nowhere = match &wanted.unschedulable {
            Some(Refusal::Unavailable { reason, message }) => Some((reason, message)),
            _ => None,
        };
        // A pod that worked and died is no trouble when none is wanted any more.
        let matters = self.backoff.failures() > 0 || self.decision.replicas > 0;
        let failed = self
            .backoff
            .last()
            .filter(|_| matters)
            .map(|(reason, message)| (reason, message));
        let trouble = match (&wanted.build, nowhere.or(failed)) {
            (Build::Done(_), Some((reason, message))) => Some((reason.clone(), message.clone())),
            _ => None,
        };
        let summary = Summary {
            revision: self.revision().map(|revision| revision.name.clone()),
            desired: self.decision.replicas,
            why: self.decision.why.clone(),
            replicas: u32::try_from(self.pods.values().filter(alive).count()).unwrap_or(u32::MAX),
            ready: self
                .pods
                .values()
                .filter(ready)
                .map(|pod| (pod.name.clone(), pod.node.clone()))
                .collect(),
            trouble,
        };
        // The numbers in `why` move with every sample; alone they are not worth a write.
        let same = |old: &Summary| {
            Summary {
                why: summary.why.clone(),
                ..old.clone()
            } == summary
        };
        if !self.shown.as_ref().is_some_and(same) {
            self.shown = Some(summary.clone());
            effects.push(Effect::Show(summary));
        }
    }
}
