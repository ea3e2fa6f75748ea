//! What events change in a plan.

use jiff::Timestamp;

use super::state::{NO_CAPACITY, age};
use super::{Effect, Event, Plan, PodStage, PodView};
use crate::functions::{Load, Wanted};

impl Plan {
    /// Notes what an event says.
    pub(super) fn note(&mut self, event: Event, now: Timestamp, effects: &mut Vec<Effect>) {
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
}

fn tell_failure(reason: &str, message: &str, effects: &mut Vec<Effect>) {
    effects.push(Effect::Tell {
        warning: true,
        reason: "PodFailed",
        message: format!("{reason}: {message}"),
    });
}
