//! Revisions and pods that give way to others.

use super::*;

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
