//! The plan in virtual time, against a pretended cluster.

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

#[test]
fn after_apply_nothing_runs() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    world.pass(5);
    assert_eq!(
        (world.launches, world.shown.as_ref().unwrap().desired),
        (0, 0)
    );
}

#[test]
fn many_waiting_calls_start_one_pod_and_it_is_routed_once_ready() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    for _ in 0..10 {
        world.sample(9, 0, 90);
    }
    assert_eq!(world.launches, 1, "no storm on a cold function");
    assert!(world.routed.is_empty());
    world.come_up();
    assert_eq!(world.routed.len(), 1);
}

/// 88 calls of 2 s each come at once; each pod takes two at a time.
#[test]
fn a_burst_on_a_cold_function_neither_storms_nor_queues_behind_one_pod() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    let (mut left, mut launched) = (88_u32, Vec::new());
    world.sample(88, 0, left);
    assert_eq!(world.launches, 1, "one launch from zero");
    for second in 1..60_u64 {
        world.now += jiff::SignedDuration::from_secs(1);
        world.come_up();
        let capacity = 2 * u32::try_from(world.routed.len()).unwrap();
        let in_flight = capacity.min(left);
        let load = Load {
            in_flight,
            waiting: left - in_flight,
            longest_wait: Duration::from_secs(if left > in_flight { second } else { 0 }),
            capacity,
            ..Load::default()
        };
        let idle = world.draining.clone();
        world.on(Event::Sampled { load, idle });
        launched.push(world.launches);
        if second % 2 == 0 {
            left -= in_flight;
        }
    }
    assert_eq!(launched[..6], [1, 2, 4, 8, 10, 10], "{launched:?}");
    assert_eq!(world.launches, 10, "never more than maxReplicas");
    assert_eq!(left, 0);
}

#[test]
fn full_nodes_are_a_limit_and_no_trouble_while_pods_serve() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    world.sample(300, 0, 1);
    world.come_up();
    assert_eq!(world.routed.len(), 1);
    for _ in 0..30 {
        world.now += jiff::SignedDuration::from_millis(200);
        world.sample(0, 1, 0);
        // The scheduler refuses whatever was asked for.
        let asked: Vec<_> = world
            .pods
            .values()
            .filter(|pod| pod.stage == PodStage::Starting)
            .map(|pod| (pod.uid.clone(), pod.name.clone()))
            .collect();
        for (uid, name) in asked {
            world.pods.remove(&uid);
            world.on(Event::LaunchFailed {
                name,
                reason: "NoCapacity".to_owned(),
                message: "all nodes are full".to_owned(),
            });
        }
    }
    assert!(world.launches <= 4, "{} launches", world.launches);
    let told = |reason: &str| world.told.iter().filter(|told| *told == reason).count();
    assert_eq!((told("NoCapacity"), told("PodFailed")), (1, 0));
    let shown = world.shown.clone().unwrap();
    assert_eq!((shown.desired, shown.trouble), (1, None));
    assert!(
        shown.why.contains("capped at 1 by what the nodes take"),
        "{}",
        shown.why
    );
    world.now += jiff::SignedDuration::from_secs(10);
    world.sample(0, 1, 0);
    assert_eq!(world.launches, 4, "one more is tried after a while");
    world.come_up();
    world.sample(0, 1, 0);
    assert_eq!(world.launches, 5, "and with room there come more");
}

#[test]
fn a_pod_that_never_shows_up_is_asked_for_again_after_a_while() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    world.sample(1, 0, 1);
    for _ in 0..29 {
        world.now += jiff::SignedDuration::from_secs(1);
        world.sample(0, 0, 1);
    }
    assert_eq!(world.launches, 1);
    world.now += jiff::SignedDuration::from_secs(1);
    world.sample(0, 0, 1);
    assert_eq!(world.launches, 2);
}

#[test]
fn an_idle_function_goes_back_to_zero_after_its_window() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    world.sample(1, 0, 1);
    world.come_up();
    world.pass(29);
    assert_eq!(world.pods.len(), 1);
    world.pass(3);
    assert!(world.pods.is_empty() && world.routed.is_empty());
}

#[test]
fn a_pod_with_calls_is_drained_before_it_is_deleted() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    world.sample(250, 0, 1);
    world.come_up();
    world.sample(0, 1, 0);
    world.come_up();
    assert_eq!(world.routed.len(), 3);
    world.now += jiff::SignedDuration::from_secs(31);
    // Calls are in flight everywhere, so nothing is idle.
    world.on(Event::Sampled {
        load: Load {
            triggers: 0,
            in_flight: 3,
            ..Load::default()
        },
        idle: Vec::new(),
    });
    assert_eq!(
        (world.routed.len(), world.draining.len(), world.pods.len()),
        (1, 2, 3)
    );
    world.sample(0, 1, 0);
    assert_eq!(world.pods.len(), 1);
}

#[test]
fn a_new_revision_takes_over_without_a_gap() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    world.sample(1, 0, 1);
    world.come_up();
    let old = world.routed.clone();
    world.on(Event::Applied(wanted(Build::Pending)));
    assert_eq!(
        world.routed, old,
        "the old code serves while the new one is built"
    );
    world.on(Event::Applied(wanted(Build::Done(revision("two")))));
    assert_eq!(
        world.routed, old,
        "the old pod serves until the new one is ready"
    );
    assert_eq!(world.launches, 2);
    world.come_up();
    assert_eq!(world.routed.len(), 1);
    assert_ne!(world.routed, old);
    world.sample(0, 0, 0);
    assert!(world.pods.values().all(|pod| pod.revision == "two"));
}

#[test]
fn a_rollout_on_a_full_cluster_makes_room_one_pod_at_a_time() {
    let mut world = World::new();
    let pinned = |build| {
        let scaling = Scaling {
            pinned: Some(2),
            ..Scaling::default()
        };
        Wanted {
            rule: Rule::new(Some(&scaling), 2),
            ..wanted(build)
        }
    };
    world.on(Event::Applied(pinned(Build::Done(revision("one")))));
    world.settle();
    world.come_up();
    world.on(Event::Applied(pinned(Build::Done(revision("two")))));
    for _ in 0..2 {
        // None of the new pods finds a place.
        let new = world
            .pods
            .values()
            .filter(|pod| pod.stage == PodStage::Starting);
        let names: Vec<_> = new.map(|pod| pod.name.clone()).collect();
        for name in names {
            world.pods.remove(&format!("uid-{name}"));
            world.on(Event::LaunchFailed {
                name,
                reason: "NoCapacity".to_owned(),
                message: "full".to_owned(),
            });
        }
    }
    assert!(
        world.told.contains(&"RolloutMakesRoom".to_owned()),
        "{:?}",
        world.told
    );
    assert_eq!(world.routed.len(), 1, "the other old pod goes on");
    for _ in 0..10 {
        world.pass(1);
        world.come_up();
    }
    assert!(world.pods.values().all(|pod| pod.revision == "two"));
    assert_eq!(world.routed.len(), 2);
}

#[test]
fn without_a_node_that_it_may_run_on_calls_are_refused_at_once_and_tried_when_one_comes() {
    let mut world = World::new();
    let nowhere = Refusal::Unavailable {
        reason: "NoMatchingNode".into(),
        message: "no arm64".into(),
    };
    world.on(Event::Applied(Wanted {
        unschedulable: Some(nowhere.clone()),
        ..ready_to_run()
    }));
    world.sample(0, 0, 1);
    assert_eq!(world.route, Some(RouteState::Closed(nowhere)));
    let trouble = world.shown.as_ref().unwrap().trouble.clone();
    assert_eq!(
        (world.launches, trouble.unwrap().0.as_str()),
        (0, "NoMatchingNode")
    );
    world.on(Event::Applied(ready_to_run()));
    world.sample(1, 0, 1);
    assert_eq!(
        (world.launches, world.route.clone()),
        (1, Some(RouteState::Open))
    );
}

#[test]
fn calls_wait_for_a_layer_that_is_being_built() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    for _ in 0..20 {
        world.now += jiff::SignedDuration::from_secs(1);
        world.sample(0, 0, 1);
        for name in world
            .pods
            .values()
            .map(|pod| pod.name.clone())
            .collect::<Vec<_>>()
        {
            world.pods.clear();
            world.on(Event::LaunchFailed {
                name,
                reason: "NoLayer".to_owned(),
                message: "for amd64".to_owned(),
            });
        }
    }
    assert_eq!(world.route, Some(RouteState::Open));
}

#[test]
fn a_hard_update_ends_the_old_pods_first() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    world.sample(1, 0, 1);
    world.come_up();
    let hard = Wanted {
        hard_update: true,
        ..wanted(Build::Done(revision("two")))
    };
    world.on(Event::Applied(hard));
    assert_eq!((world.launches, world.routed.len()), (1, 0));
    world.sample(1, 0, 1);
    world.sample(0, 0, 1);
    assert!(world.pods.values().all(|pod| pod.revision == "two"));
    assert_eq!(world.launches, 2);
}

#[test]
fn a_failed_build_refuses_with_its_reason_and_the_old_pods_go_on() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    world.sample(1, 0, 1);
    world.come_up();
    let refusal = Refusal::Unavailable {
        reason: "SyntaxError".into(),
        message: "line 3".into(),
    };
    world.on(Event::Applied(wanted(Build::Failed(refusal.clone()))));
    assert_eq!(world.route, Some(RouteState::Closed(refusal)));
    assert_eq!(world.routed.len(), 1);
}

#[test]
fn an_import_error_refuses_at_once_and_is_tried_again_later() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    world.sample(1, 0, 1);
    world.fail("ImportError");
    let Some(RouteState::Closed(Refusal::Unavailable { reason, .. })) = &world.route else {
        panic!("calls still wait: {:?}", world.route)
    };
    assert_eq!(reason, "ImportError");
    assert_eq!(world.launches, 1, "no crash loop");
    world.now += jiff::SignedDuration::from_secs(2);
    world.sample(0, 0, 0);
    assert_eq!(world.route, Some(RouteState::Open));
    world.sample(1, 0, 1);
    assert_eq!(world.launches, 2);
}

#[test]
fn a_passing_failure_keeps_calls_waiting_for_the_next_try() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    world.sample(1, 0, 1);
    world.fail("LayerFailed");
    assert_eq!(world.route, Some(RouteState::Open));
    for _ in 0..20 {
        world.now += jiff::SignedDuration::from_secs(1);
        world.sample(0, 0, 1);
        world.fail("LayerFailed");
    }
    assert!(
        matches!(world.route, Some(RouteState::Closed(_))),
        "patience has an end"
    );
    assert!(world.launches <= 6, "{} launches in 20 s", world.launches);
    assert!(world.pods.len() <= 3, "failed pods pile up");
}

#[test]
fn a_pod_that_worked_and_died_is_replaced_at_once_and_is_no_trouble_at_zero() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    world.sample(1, 0, 1);
    world.come_up();
    world.pass(12);
    world.die("Exited");
    assert_eq!(world.launches, 2, "its successor does not wait");
    assert_eq!(world.route, Some(RouteState::Open));
    world.come_up();
    world.die("Exited");
    assert_eq!(world.launches, 2, "this one does");
    world.pass(2);
    assert_eq!(world.launches, 3);
    world.come_up();
    world.die("Exited");
    world.pass(40);
    let shown = world.shown.as_ref().unwrap();
    assert_eq!((shown.desired, shown.trouble.as_ref()), (0, None));
    assert_eq!(world.pods.len(), 2, "the last two stay for a look");
    world.pass(3600);
    assert!(world.pods.is_empty(), "not for ever");
}

#[test]
fn a_stuck_pod_leaves_the_route_and_is_replaced() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    world.sample(1, 0, 1);
    world.come_up();
    let stuck = world.routed[0].clone();
    world.on(Event::Unhealthy {
        uid: stuck.clone(),
        reason: "PodStuck",
    });
    assert!(world.routed.is_empty() && world.told.contains(&"PodStuck".to_owned()));
    world.sample(1, 1, 1);
    world.come_up();
    assert_eq!(world.launches, 2);
    assert!(!world.pods.contains_key(&stuck));
}

#[test]
fn a_deleted_function_takes_its_pods_along() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    world.sample(1, 0, 1);
    world.come_up();
    world.on(Event::Deleted);
    world.sample(0, 0, 0);
    world.sample(0, 0, 0);
    assert!(world.pods.is_empty() && world.plan.is_over());
}

#[test]
fn a_paused_function_refuses_and_a_pin_holds() {
    let mut world = World::new();
    let pin = |n| {
        let scaling = Scaling {
            pinned: Some(n),
            ..Scaling::default()
        };
        Wanted {
            rule: Rule::new(Some(&scaling), 2),
            ..ready_to_run()
        }
    };
    world.on(Event::Applied(pin(3)));
    world.settle();
    world.come_up();
    world.pass(60);
    assert_eq!(world.routed.len(), 3);
    world.on(Event::Applied(pin(0)));
    assert_eq!(world.route, Some(RouteState::Closed(Refusal::Paused)));
    world.pass(2);
    assert!(world.pods.is_empty());
}

#[test]
fn a_new_actor_goes_on_with_the_pods_it_finds() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    world.sample(1, 0, 1);
    world.come_up();
    world.now += jiff::SignedDuration::from_secs(2);
    world.plan = Plan::new("f");
    world.routed.clear();
    world.on(Event::Applied(ready_to_run()));
    world.settle();
    assert_eq!(world.routed.len(), 1);
    world.sample(1, 1, 0);
    assert_eq!((world.launches, world.pods.len()), (1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens in between: with no calls for long enough nothing runs, and with a call waiting
    /// a pod comes up.
    #[test]
    fn it_always_settles(ops in prop::collection::vec(0_u8..8, 0..60)) {
        let mut world = World::new();
        world.on(Event::Applied(ready_to_run()));
        for (index, op) in ops.into_iter().enumerate() {
            match op {
                0 => world.sample(120, 2, 1),
                1 => world.come_up(),
                2 => world.fail("LayerFailed"),
                3 => world.pass(1),
                4 => {
                    let name = if index % 2 == 0 { "one" } else { "two" };
                    world.on(Event::Applied(wanted(Build::Done(revision(name)))));
                }
                5 => world.on(Event::Applied(wanted(Build::Pending))),
                6 => if let Some(uid) = world.routed.first().cloned() {
                    world.on(Event::Unhealthy { uid, reason: "PodStuck" });
                },
                _ => {
                    world.plan = Plan::new("f");
                    world.routed.clear();
                    world.draining.clear();
                    world.on(Event::Applied(ready_to_run()));
                    world.settle();
                }
            }
            prop_assert!(world.pods.len() <= 10 + 10 + 3 + 8, "{} pods", world.pods.len());
        }
        world.on(Event::Applied(ready_to_run()));
        world.settle();
        world.pass(100);
        let alive = |pod: &&PodView| !matches!(pod.stage, PodStage::Failed { .. });
        prop_assert_eq!(world.pods.values().filter(alive).count(), 0);
        for _ in 0..70 {
            world.now += jiff::SignedDuration::from_secs(1);
            world.sample(1, 0, 1);
        }
        world.come_up();
        prop_assert!(!world.routed.is_empty());
    }
}
