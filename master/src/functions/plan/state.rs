use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::backoff::Backoff;
use super::ceiling::Ceiling;
use super::leaving::KEEP_FAILED_FOR;
use super::moving::Moves;
use super::{Effect, Event, PodStage, PodView, Summary};
use crate::functions::{Build, Decision, Revision, Scaler, Wanted};
use crate::router::RouteState;

/// Seconds after which a pod that was asked for and never showed up is asked for again.
const LAUNCH_SECONDS: i64 = 30;
/// The scheduler's word for nodes that are full.
pub(in crate::functions) const NO_CAPACITY: &str = "NoCapacity";
/// How often calls are sampled while there is anything to do.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// What is known and under way for one function.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) function: String,
    pub(super) wanted: Option<Wanted>,
    pub(super) pods: BTreeMap<String, PodView>,
    /// Since when each pod is at its stage, as far as this plan has seen.
    pub(super) since: BTreeMap<String, Timestamp>,
    /// Pods asked for whose objects have not shown up, and since when.
    pub(super) launching: BTreeMap<String, Timestamp>,
    pub(super) draining: BTreeSet<String>,
    pub(super) deleting: BTreeSet<String>,
    pub(super) routed: BTreeSet<String>,
    pub(super) idle: BTreeSet<String>,
    pub(super) scaler: Scaler,
    pub(super) ceiling: Ceiling,
    pub(super) backoff: Backoff,
    pub(super) decision: Decision,
    pub(super) route: Option<RouteState>,
    pub(super) shown: Option<Summary>,
    pub(super) deleted: bool,
    /// Ready pods whose objects do not show it yet.
    pub(super) sooner: BTreeSet<String>,
    /// When this plan began: what came before it does not know.
    pub(super) began: Option<Timestamp>,
    /// When a call was said to be likely soon.
    pub(super) expected: Option<Timestamp>,
    pub(super) moves: Moves,
    /// When it had calls last.
    pub(super) busy: Option<Timestamp>,
    /// Its pods end although the rule would keep them: others need the room. Until its next call.
    pub(super) gives_way: bool,
}

impl Plan {
    /// The plan of a function nothing is known of yet.
    #[must_use]
    pub fn new(function: &str) -> Self {
        Self {
            function: function.to_owned(),
            wanted: None,
            pods: BTreeMap::new(),
            since: BTreeMap::new(),
            launching: BTreeMap::new(),
            draining: BTreeSet::new(),
            deleting: BTreeSet::new(),
            routed: BTreeSet::new(),
            sooner: BTreeSet::new(),
            idle: BTreeSet::new(),
            scaler: Scaler::default(),
            ceiling: Ceiling::default(),
            backoff: Backoff::default(),
            decision: Decision::default(),
            route: None,
            shown: None,
            deleted: false,
            began: None,
            expected: None,
            moves: Moves::default(),
            busy: None,
            gives_way: false,
        }
    }

    /// Since when the function has pods that have nothing to do and could go.
    #[must_use]
    pub fn resting(&self) -> Option<Timestamp> {
        let wanted = self.wanted.as_ref()?;
        let spare = self.decision.replicas > wanted.rule.least() && !self.deleted;
        let has_pods = self.pods.values().any(|pod| self.is_routed(pod));
        let rests = self.scaler.load().busy() == 0 && !self.gives_way;
        let since = self.busy.or(self.began);
        since.filter(|_| spare && has_pods && rests)
    }

    /// Whether the function and its pods are gone.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.deleted && self.pods.is_empty() && self.launching.is_empty()
    }

    /// Notes an event and says what to do. `entropy` makes pod names.
    pub fn on(&mut self, event: Event, now: Timestamp, entropy: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.began.get_or_insert(now);
        self.launching
            .retain(|_, since| now.duration_since(*since).as_secs() < LAUNCH_SECONDS);
        self.note(event, now, &mut effects);
        self.decide_replicas(now, &mut effects);
        self.launch(now, entropy, &mut effects);
        self.retire(now, &mut effects);
        self.clean(now, &mut effects);
        self.set_route(now, &mut effects);
        self.show(&mut effects);
        self.wake(now, &mut effects);
        effects
    }

    pub(super) fn is_short_of(&self, what: &str) -> bool {
        self.backoff
            .last()
            .is_some_and(|(reason, _)| reason == what)
    }

    pub(super) fn revision(&self) -> Option<&Revision> {
        match &self.wanted.as_ref()?.build {
            Build::Done(revision) => Some(revision),
            Build::Pending | Build::Failed(_) => None,
        }
    }

    /// Whether the pod counts towards what is wanted: it serves, and may stay where it is.
    pub(super) fn counts(&self, pod: &PodView) -> bool {
        self.serves(pod) && pod.disruption.is_none()
    }

    /// Whether the pod is of the right revision and not on its way out. While nothing newer can run,
    /// every revision is right.
    pub(super) fn serves(&self, pod: &PodView) -> bool {
        let alive = matches!(pod.stage, PodStage::Starting | PodStage::Ready);
        let current = self
            .revision()
            .is_none_or(|revision| revision.name == pod.revision);
        alive && current && !self.draining.contains(&pod.uid)
    }

    pub(super) fn is_routed(&self, pod: &PodView) -> bool {
        pod.stage == PodStage::Ready && !self.draining.contains(&pod.uid)
    }

    fn wake(&self, now: Timestamp, effects: &mut Vec<Effect>) {
        let busy = self.pods.values().any(|pod| !is_failed(pod))
            || !self.launching.is_empty()
            || self.scaler.load().waiting > 0
            || self.scaler.had_calls();
        if let Some(rest) = self.backoff.remaining(now) {
            effects.push(Effect::WakeIn(rest.min(SAMPLE_EVERY)));
        } else if busy {
            effects.push(Effect::WakeIn(SAMPLE_EVERY));
        } else if let Some(oldest) = self.pods.values().map(|pod| self.stage_age(pod, now)).max() {
            effects.push(Effect::WakeIn(KEEP_FAILED_FOR.saturating_sub(oldest)));
        }
    }
}

pub(super) fn is_failed(pod: &PodView) -> bool {
    matches!(pod.stage, PodStage::Failed { .. })
}

pub(super) fn age(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

pub(super) fn is_alive(pod: &PodView) -> bool {
    matches!(pod.stage, PodStage::Starting | PodStage::Ready)
}
