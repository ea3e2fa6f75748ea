//! Pods that leave: those that are too many or too old, and those that failed.

use std::time::Duration;

use jiff::Timestamp;

use super::state::{Plan, age, is_alive, is_failed};
use super::{Effect, PodStage, PodView};

/// Failed pods kept for people to look at.
const KEEP_FAILED: usize = 2;
/// How long they are kept.
pub(super) const KEEP_FAILED_FOR: Duration = Duration::from_secs(3600);

impl Plan {
    /// Drains pods that are too many, of an older revision, of a deleted function, or that leave their
    /// node.
    pub(super) fn retire(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let desired = self.decision.replicas as usize;
        let mut leaving: Vec<String> = Vec::new();
        let mut counted: Vec<&PodView> =
            self.pods.values().filter(|pod| self.counts(pod)).collect();
        // The youngest go first, pods that never got ready before all.
        counted.sort_by_key(|pod| (pod.stage == PodStage::Ready, std::cmp::Reverse(pod.created)));
        let too_many = counted.len().saturating_sub(desired);
        leaving.extend(counted.iter().take(too_many).map(|pod| pod.uid.clone()));
        let ready = counted
            .iter()
            .filter(|pod| pod.stage == PodStage::Ready)
            .count();
        leaving.extend(self.moved(ready, now));
        if let Some(revision) = self.revision() {
            let hard = self
                .wanted
                .as_ref()
                .is_some_and(|wanted| wanted.hard_update);
            if ready >= desired || hard {
                let old = self
                    .pods
                    .values()
                    .filter(|pod| pod.revision != revision.name);
                leaving.extend(old.filter(|pod| is_alive(pod)).map(|pod| pod.uid.clone()));
            }
        }
        for uid in leaving {
            if self.draining.insert(uid.clone()) {
                self.routed.remove(&uid);
                effects.push(Effect::Drain { uid });
            }
        }
    }

    /// Deletes drained pods without calls and all but the last failed ones.
    pub(super) fn clean(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let mut failed: Vec<&PodView> = self.pods.values().filter(|pod| is_failed(pod)).collect();
        failed.sort_by_key(|pod| std::cmp::Reverse(pod.created));
        let keep = if self.deleted { 0 } else { KEEP_FAILED };
        let mut doomed: Vec<String> = failed
            .iter()
            .enumerate()
            .filter(|(index, pod)| *index >= keep || self.stage_age(pod, now) >= KEEP_FAILED_FOR)
            .map(|(_, pod)| pod.uid.clone())
            .collect();
        doomed.extend(
            self.draining
                .iter()
                .filter(|uid| self.is_idle(uid))
                .cloned(),
        );
        for uid in doomed {
            let Some(pod) = self.pods.get(&uid) else {
                continue;
            };
            if pod.stage != PodStage::Ending && self.deleting.insert(uid.clone()) {
                effects.push(Effect::Delete {
                    uid,
                    name: pod.name.clone(),
                });
            }
        }
    }

    fn is_idle(&self, uid: &str) -> bool {
        self.idle.contains(uid)
            || self
                .pods
                .get(uid)
                .is_some_and(|pod| pod.stage == PodStage::Starting)
    }

    /// How long a pod has been at its stage.
    pub(super) fn stage_age(&self, pod: &PodView, now: Timestamp) -> Duration {
        self.since
            .get(&pod.uid)
            .map_or(Duration::ZERO, |since| age(*since, now))
    }
}
