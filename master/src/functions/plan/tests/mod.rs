//! The plan in virtual time, against a pretended cluster.

mod capacity;
mod failures;
mod moving;
mod rollout;
mod scaling;
mod settling;
mod starting;

use std::collections::BTreeMap;
use std::time::Duration;

use common::digest::Digest;
use common::link::Origin;
use common::resources::Scaling;
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::functions::{Build, Load, Revision, Rule, Wanted};
use crate::router::{Refusal, RouteState};

/// A pretended cluster: carries out effects as told, and keeps what a route would know.
struct World {
    plan: Plan,
    now: Timestamp,
    entropy: u64,
    pods: BTreeMap<String, PodView>,
    routed: Vec<String>,
    gone: Vec<String>,
    draining: Vec<String>,
    route: Option<RouteState>,
    told: Vec<String>,
    launches: usize,
    shown: Option<Summary>,
}

fn revision(name: &str) -> Revision {
    Revision {
        name: name.to_owned(),
        origin: Origin::Layer {
            digest: Digest::of(name.as_bytes()),
            size: 1,
            full_base: false,
            image: None,
        },
        layers: Vec::new(),
        image: None,
        handler: None,
        style: None,
        concurrency: 2,
    }
}

fn wanted(build: Build) -> Wanted {
    Wanted {
        build,
        unschedulable: None,
        rule: Rule::new(None, 2),
        hard_update: false,
    }
}

fn ready_to_run() -> Wanted {
    wanted(Build::Done(revision("one")))
}

impl World {
    fn new() -> Self {
        Self {
            plan: Plan::new("f"),
            now: Timestamp::from_second(1_000_000).unwrap(),
            entropy: 0,
            pods: BTreeMap::new(),
            routed: Vec::new(),
            gone: Vec::new(),
            draining: Vec::new(),
            route: None,
            told: Vec::new(),
            launches: 0,
            shown: None,
        }
    }

    fn on(&mut self, event: Event) {
        self.entropy += 1;
        for effect in self.plan.on(event, self.now, self.entropy) {
            self.carry_out(effect);
        }
        while let Some(uid) = self.gone.pop() {
            self.on(Event::PodGone { uid });
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Launch { name, revision } => {
                self.launches += 1;
                let uid = format!("uid-{name}");
                let pod = PodView {
                    uid: uid.clone(),
                    name,
                    node: "n".to_owned(),
                    revision: revision.name,
                    concurrency: revision.concurrency,
                    stage: PodStage::Starting,
                    created: self.now,
                    disruption: None,
                };
                self.pods.insert(uid, pod);
            }
            Effect::Route { uid, .. } => {
                assert!(
                    self.pods[&uid].stage == PodStage::Ready,
                    "routed before it was ready"
                );
                self.routed.push(uid);
            }
            Effect::Drain { uid } => {
                self.routed.retain(|routed| *routed != uid);
                self.draining.push(uid);
            }
            Effect::Delete { uid, .. } => {
                self.pods
                    .remove(&uid)
                    .expect("deleted a pod that is not there");
                self.draining.retain(|draining| *draining != uid);
                self.gone.push(uid);
            }
            Effect::Unroute { uid } => self.routed.retain(|routed| *routed != uid),
            Effect::SetRoute(state) => self.route = Some(state),
            Effect::Tell { reason, .. } => self.told.push(reason.to_owned()),
            Effect::WakeIn(delay) => {
                let failed = |pod: &PodView| matches!(pod.stage, PodStage::Failed { .. });
                let at_rest = self.plan.pods.values().all(failed);
                assert!(delay <= Duration::from_secs(1) || at_rest, "{delay:?}");
            }
            Effect::Show(summary) => self.shown = Some(summary),
        }
    }

    /// Tells the plan what the pretended store shows.
    fn settle(&mut self) {
        for uid in self.pods.keys().cloned().collect::<Vec<_>>() {
            if let Some(pod) = self.pods.get(&uid).cloned() {
                self.on(Event::Pod(pod));
            }
        }
    }

    fn come_up(&mut self) {
        for pod in self
            .pods
            .values_mut()
            .filter(|pod| pod.stage == PodStage::Starting)
        {
            pod.stage = PodStage::Ready;
        }
        self.settle();
    }

    /// Pods that did not come up yet never do.
    fn fail(&mut self, reason: &str) {
        self.end(&PodStage::Starting, reason);
    }

    /// Pods that are ready die.
    fn die(&mut self, reason: &str) {
        self.end(&PodStage::Ready, reason);
    }

    fn end(&mut self, stage: &PodStage, reason: &str) {
        self.settle();
        for pod in self.pods.values_mut().filter(|pod| pod.stage == *stage) {
            pod.stage = PodStage::Failed {
                reason: reason.to_owned(),
                message: "why".to_owned(),
            };
        }
        self.settle();
    }

    fn sample(&mut self, triggers: u64, in_flight: u32, waiting: u32) {
        let idle = self.draining.clone();
        self.on(Event::Sampled {
            load: Load {
                triggers,
                in_flight,
                waiting,
                ..Load::default()
            },
            idle,
        });
    }

    fn pass(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now += jiff::SignedDuration::from_secs(1);
            self.sample(0, 0, 0);
            self.settle();
        }
    }
}
