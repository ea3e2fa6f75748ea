use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::resources::derive_pod_name;
use jiff::Timestamp;

use super::backoff::Backoff;
use super::ceiling::Ceiling;
use super::leaving::KEEP_FAILED_FOR;
use super::moving::Moves;
use super::{Effect, Event, PodStage, PodView, Summary};
use crate::functions::{Build, Decision, Load, Revision, Scaler, Wanted};
use crate::router::RouteState;

/// Pods started at once; more follow as these come up.
const MOST_LAUNCHING: usize = 8;
/// Seconds after which a pod that was asked for and never showed up is asked for again.
const LAUNCH_SECONDS: i64 = 30;
/// Seconds that a pod waits for a call that was expected.
const EXPECTED_SECONDS: i64 = 15;
/// The scheduler's word for nodes that are full.
pub(in crate::functions) const NO_CAPACITY: &str = "NoCapacity";
/// How often calls are sampled while there is anything to do.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// What is known and under way for one function.
#[derive(Clone, Debug)]
pub struct Plan {
    function: String,
    pub(super) wanted: Option<Wanted>,
    pub(super) pods: BTreeMap<String, PodView>,
    /// Since when each pod is at its stage, as far as this plan has seen.
    pub(super) since: BTreeMap<String, Timestamp>,
    /// Pods asked for whose objects have not shown up, and since when.
    launching: BTreeMap<String, Timestamp>,
    pub(super) draining: BTreeSet<String>,
    pub(super) deleting: BTreeSet<String>,
    pub(super) routed: BTreeSet<String>,
    pub(super) idle: BTreeSet<String>,
    scaler: Scaler,
    ceiling: Ceiling,
    pub(super) backoff: Backoff,
    pub(super) decision: Decision,
    pub(super) route: Option<RouteState>,
    pub(super) shown: Option<Summary>,
    pub(super) deleted: bool,
    /// Ready pods whose objects do not show it yet.
    sooner: BTreeSet<String>,
    /// When this plan began: what came before it does not know.
    began: Option<Timestamp>,
    /// When a call was said to be likely soon.
    expected: Option<Timestamp>,
    pub(super) moves: Moves,
    /// When it had calls last.
    busy: Option<Timestamp>,
    /// Its pods end although the rule would keep them: others need the room. Until its next call.
    gives_way: bool,
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

    fn note(&mut self, event: Event, now: Timestamp, effects: &mut Vec<Effect>) {
        match event {
            Event::Begun { wanted, pods } => {
                self.wanted = Some(wanted);
                for pod in pods {
                    self.note_pod(pod, now, effects);
                }
            }
            Event::Applied(wanted) => {
                let differs = |old: &Wanted| {
                    old.build != wanted.build || old.unschedulable != wanted.unschedulable
                };
                if self.wanted.as_ref().is_some_and(differs) {
                    // New code deserves a new try, and so do new nodes.
                    self.backoff.clear();
                }
                self.wanted = Some(wanted);
            }
            Event::Deleted => self.deleted = true,
            Event::Pod(pod) => {
                let starting = pod.stage == PodStage::Starting;
                // What its object shows was written before its node said that it is ready.
                if !(starting && self.sooner.contains(&pod.uid)) {
                    self.sooner.remove(&pod.uid);
                    self.note_pod(pod, now, effects);
                }
            }
            Event::ReadySooner(pod) => {
                let known = self.pods.get(&pod.uid);
                let starts = known.is_some_and(|known| known.stage == PodStage::Starting);
                // A word that comes late must not bring a pod back that is gone.
                if starts && pod.stage == PodStage::Ready {
                    self.sooner.insert(pod.uid.clone());
                    self.note_pod(pod, now, effects);
                }
            }
            Event::PodGone { uid } => {
                if let Some(pod) = self.pods.remove(&uid) {
                    self.launching.remove(&pod.name);
                }
                self.since.remove(&uid);
                self.moves.forget(&uid);
                for set in [
                    &mut self.draining,
                    &mut self.deleting,
                    &mut self.routed,
                    &mut self.sooner,
                    &mut self.idle,
                ] {
                    set.remove(&uid);
                }
                effects.push(Effect::Unroute { uid });
                if self.is_short_of(NO_CAPACITY) {
                    // What it took is free now.
                    self.backoff.clear();
                }
            }
            Event::LaunchFailed {
                name,
                reason,
                message,
            } => {
                self.launching.remove(&name);
                self.moves.refused(&reason, now);
                let alive = self.pods.values().filter(|pod| self.counts(pod)).count();
                let alive = u32::try_from(alive).unwrap_or(u32::MAX);
                // With pods at work, nodes that are full are a limit to scaling and no trouble.
                if alive > 0 && reason == NO_CAPACITY {
                    if self.ceiling.note(now, alive) {
                        effects.push(Effect::Tell {
                            warning: true,
                            reason: NO_CAPACITY,
                            message,
                        });
                    }
                } else {
                    self.note_failure(&reason, &message, now, effects);
                }
                if reason == NO_CAPACITY {
                    self.make_room(effects);
                }
            }
            Event::RoomComes { name } => {
                self.launching.remove(&name);
                self.backoff.soon(now);
            }
            Event::Unhealthy { uid, reason } => {
                if let Some(pod) = self.pods.get(&uid)
                    && self.draining.insert(uid.clone())
                {
                    let message = format!("pod {} takes no more calls and is replaced", pod.name);
                    effects.push(Effect::Tell {
                        warning: true,
                        reason,
                        message,
                    });
                    effects.push(Effect::Drain { uid });
                }
            }
            Event::Expected => self.expected = Some(now),
            Event::GiveWay => self.gives_way = self.resting().is_some(),
            Event::Sampled { load, idle } => {
                if load.triggers > 0 || load.busy() > 0 {
                    self.busy = Some(now);
                    self.gives_way = false;
                }
                if let Some(wanted) = &self.wanted {
                    let ready = self.pods.values().filter(|pod| self.is_routed(pod)).count();
                    let ready = u32::try_from(ready).unwrap_or(u32::MAX);
                    self.scaler
                        .sample(&wanted.rule, now, Load { ready, ..load });
                }
                self.idle.extend(idle);
            }
        }
    }

    fn note_pod(&mut self, pod: PodView, now: Timestamp, effects: &mut Vec<Effect>) {
        let uid = pod.uid.clone();
        self.note_move(&pod, now, effects);
        let before = self
            .pods
            .insert(uid.clone(), pod.clone())
            .map(|old| old.stage);
        self.launching.remove(&pod.name);
        if before.as_ref() == Some(&pod.stage) {
            return;
        }
        let since = self.since.insert(uid.clone(), now).unwrap_or(now);
        match &pod.stage {
            PodStage::Starting => {}
            PodStage::Ready => {
                self.backoff.recovered();
                if !self.draining.contains(&uid) && self.routed.insert(uid.clone()) {
                    let (name, node) = (pod.name.clone(), pod.node.clone());
                    effects.push(Effect::Route {
                        uid,
                        name,
                        node,
                        limit: pod.concurrency,
                    });
                }
            }
            PodStage::Failed { reason, message } => {
                self.unroute(&uid, effects);
                match before {
                    // Met again after a restart of the master it is old news.
                    None => {}
                    Some(PodStage::Ready) => {
                        let ready_for = age(since, now);
                        self.backoff.died(now, ready_for, reason, message);
                        tell_failure(reason, message, effects);
                    }
                    Some(_) => self.note_failure(reason, message, now, effects),
                }
            }
            PodStage::Ending => self.unroute(&uid, effects),
        }
    }

    fn unroute(&mut self, uid: &str, effects: &mut Vec<Effect>) {
        if self.routed.remove(uid) {
            effects.push(Effect::Drain {
                uid: uid.to_owned(),
            });
        }
    }

    fn note_failure(
        &mut self,
        reason: &str,
        message: &str,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.backoff.fail(now, reason, message);
        tell_failure(reason, message, effects);
    }

    pub(super) fn is_short_of(&self, what: &str) -> bool {
        self.backoff
            .last()
            .is_some_and(|(reason, _)| reason == what)
    }

    /// Drains one pod of an older revision that stands in the way of its successor, so that a rollout
    /// on a full cluster ends.
    fn make_room(&mut self, effects: &mut Vec<Effect>) {
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

    fn decide_replicas(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
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
    fn serves(&self, pod: &PodView) -> bool {
        let alive = matches!(pod.stage, PodStage::Starting | PodStage::Ready);
        let current = self
            .revision()
            .is_none_or(|revision| revision.name == pod.revision);
        alive && current && !self.draining.contains(&pod.uid)
    }

    fn is_routed(&self, pod: &PodView) -> bool {
        pod.stage == PodStage::Ready && !self.draining.contains(&pod.uid)
    }

    fn launch(&mut self, now: Timestamp, entropy: u64, effects: &mut Vec<Effect>) {
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

fn tell_failure(reason: &str, message: &str, effects: &mut Vec<Effect>) {
    effects.push(Effect::Tell {
        warning: true,
        reason: "PodFailed",
        message: format!("{reason}: {message}"),
    });
}

pub(super) fn is_alive(pod: &PodView) -> bool {
    matches!(pod.stage, PodStage::Starting | PodStage::Ready)
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
