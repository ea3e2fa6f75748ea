//! Pods that shall leave their node: each goes when another one is ready, or when none can be.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::state::{Plan, age, is_alive};
use super::{Effect, PodStage, PodView};

/// A pod leaves after this time even if no other one got ready.
const MOVE_WITHIN: Duration = Duration::from_secs(60);
/// The scheduler's words for pods that no node takes now.
const NOWHERE: [&str; 6] = [
    "NoNodes",
    "NodesNotReady",
    "NoMatchingNode",
    "NodesTainted",
    "PodTooLarge",
    "NoCapacity",
];

/// What is known of pods that shall leave their node.
#[derive(Clone, Debug, Default)]
pub(super) struct Moves {
    since: BTreeMap<String, Timestamp>,
    /// When the scheduler last found no node for a pod.
    refused: Option<Timestamp>,
}

impl Moves {
    pub(super) fn forget(&mut self, pod: &str) {
        self.since.remove(pod);
    }

    pub(super) fn refused(&mut self, reason: &str, now: Timestamp) {
        if NOWHERE.contains(&reason) {
            self.refused = Some(now);
        }
    }

    /// Whether waiting longer for a replacement would be in vain.
    fn is_over(&self, pod: &str, now: Timestamp) -> bool {
        let since = self.since.get(pod).copied().unwrap_or(now);
        self.refused.is_some_and(|refused| refused >= since) || age(since, now) >= MOVE_WITHIN
    }
}

impl Plan {
    /// Notes that a pod shall leave its node.
    pub(super) fn note_move(&mut self, pod: &PodView, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(why) = pod.disruption.as_ref().filter(|_| is_alive(pod)) else {
            return;
        };
        if self.moves.since.contains_key(&pod.uid) {
            return;
        }
        self.moves.since.insert(pod.uid.clone(), now);
        effects.push(Effect::Tell {
            warning: false,
            reason: "PodMoves",
            message: format!("pod {} leaves node {}: {why}", pod.name, pod.node),
        });
    }

    /// The pods that leave their nodes now. `ready` pods that may stay serve already.
    pub(super) fn moved(&self, ready: usize, now: Timestamp) -> Vec<String> {
        let nowhere = self
            .wanted
            .as_ref()
            .is_some_and(|wanted| wanted.unschedulable.is_some());
        let replaced = nowhere || ready >= self.reachable(now);
        let moving = self
            .pods
            .values()
            .filter(|pod| pod.disruption.is_some() && is_alive(pod));
        moving
            .filter(|pod| {
                replaced || pod.stage == PodStage::Starting || self.moves.is_over(&pod.uid, now)
            })
            .map(|pod| pod.uid.clone())
            .collect()
    }
}
