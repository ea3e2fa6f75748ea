//! Pods that are asked for, and room that is made for them.

use common::resources::derive_pod_name;
use jiff::Timestamp;

use super::state::is_alive;
use super::{Effect, Plan, PodStage, PodView};

/// Pods started at once; more follow as these come up.
const MOST_LAUNCHING: usize = 8;

impl Plan {
    /// Asks for the pods that are missing, a few at a time.
    pub(super) fn launch(&mut self, now: Timestamp, entropy: u64, effects: &mut Vec<Effect>) {
        let Some(revision) = self.revision().cloned() else {
            return;
        };
        let nowhere = self
            .wanted
            .as_ref()
            .is_some_and(|w| w.unschedulable.is_some());
        if self.deleted || nowhere || self.backoff.remaining(now).is_some() {
            return;
        }
        let hard = self
            .wanted
            .as_ref()
            .is_some_and(|wanted| wanted.hard_update);
        if hard
            && self
                .pods
                .values()
                .any(|pod| pod.revision != revision.name && is_alive(pod))
        {
            return;
        }
        let have = self.pods.values().filter(|pod| self.counts(pod)).count() + self.launching.len();
        let coming_up = |pod: &&PodView| pod.stage == PodStage::Starting && self.counts(pod);
        let starting = self.launching.len() + self.pods.values().filter(coming_up).count();
        let desired = self.reachable(now);
        let missing = desired.saturating_sub(have);
        // Calls that wait for the first pod wait for one launch: whether it succeeds is not known yet.
        let cold = !self.pods.values().any(|pod| self.is_routed(pod));
        let most = if cold && self.scaler.load().waiting > 0 {
            1
        } else {
            MOST_LAUNCHING
        };
        for index in 0..missing.min(most.saturating_sub(starting)) {
            let suffix = suffix(entropy, index);
            let name = derive_pod_name(&self.function, &revision.name, &suffix);
            self.launching.insert(name.clone(), now);
            effects.push(Effect::Launch {
                name,
                revision: revision.clone(),
            });
        }
    }

    /// Drains one pod of an older revision that stands in the way of its successor, so that a rollout
    /// on a full cluster ends.
    pub(super) fn make_room(&mut self, effects: &mut Vec<Effect>) {
        let Some(revision) = self.revision().map(|revision| revision.name.clone()) else {
            return;
        };
        let mut old = self
            .pods
            .values()
            .filter(|pod| pod.revision != revision && is_alive(pod));
        let leaving = |pod: &PodView| self.draining.contains(&pod.uid);
        if old.clone().any(leaving) {
            return;
        }
        let Some((uid, name)) = old.next().map(|pod| (pod.uid.clone(), pod.name.clone())) else {
            return;
        };
        self.draining.insert(uid.clone());
        self.routed.remove(&uid);
        effects.push(Effect::Tell {
            warning: true,
            reason: "RolloutMakesRoom",
            message: format!(
                "the cluster has no room for revision {revision} beside the old one: pod {name} ends \
                 before its successor starts; calls wait for it"
            ),
        });
        effects.push(Effect::Drain { uid });
    }
}

/// Five letters and digits that cannot be misread.
fn suffix(entropy: u64, index: usize) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut bits = entropy.wrapping_add((index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    (0..5)
        .map(|_| {
            let letter = LETTERS[(bits % LETTERS.len() as u64) as usize];
            bits /= LETTERS.len() as u64;
            char::from(letter)
        })
        .collect()
}
