//! Pods that shall leave their node.

use super::*;

fn evict(world: &mut World, uid: &str) {
    let pod = world.pods.get_mut(uid).unwrap();
    pod.disruption = Some("the node is drained".to_owned());
    world.settle();
}

/// A world with one pod that serves.
fn serving() -> (World, String) {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    world.sample(1, 0, 1);
    world.come_up();
    let first = world.routed[0].clone();
    (world, first)
}

#[test]
fn a_pod_leaves_its_node_when_another_one_is_ready() {
    let (mut world, first) = serving();
    evict(&mut world, &first);
    assert_eq!(world.launches, 2, "its replacement starts at once");
    world.sample(1, 1, 0);
    assert_eq!(
        world.routed,
        std::slice::from_ref(&first),
        "and it serves until then"
    );
    world.come_up();
    assert_eq!(world.draining, std::slice::from_ref(&first));
    assert!(!world.routed.contains(&first) && world.routed.len() == 1);
    world.sample(1, 0, 0);
    assert!(!world.pods.contains_key(&first), "no call is left in it");
    assert_eq!(
        world.told.iter().filter(|told| *told == "PodMoves").count(),
        1
    );
    world.pass(5);
    assert_eq!(world.launches, 2);
}

#[test]
fn where_no_node_takes_another_one_it_leaves_all_the_same() {
    let (mut world, first) = serving();
    evict(&mut world, &first);
    let asked: Vec<_> = world
        .pods
        .values()
        .filter(|pod| pod.uid != first)
        .cloned()
        .collect();
    for pod in asked {
        world.pods.remove(&pod.uid);
        world.on(Event::LaunchFailed {
            name: pod.name,
            reason: "NodesNotReady".to_owned(),
            message: "none is ready and open".to_owned(),
        });
    }
    assert_eq!(world.draining, [first]);
}

#[test]
fn a_replacement_that_never_gets_ready_keeps_it_for_a_while_only() {
    let (mut world, first) = serving();
    evict(&mut world, &first);
    for _ in 0..59 {
        world.now += jiff::SignedDuration::from_secs(1);
        world.sample(1, 1, 0);
        world.fail("ImportError");
    }
    assert_eq!(world.routed, std::slice::from_ref(&first));
    world.now += jiff::SignedDuration::from_secs(1);
    world.sample(1, 1, 0);
    assert!(!world.routed.contains(&first));
}

#[test]
fn after_a_restart_of_the_master_a_move_goes_on_where_it_was() {
    let (mut world, first) = serving();
    evict(&mut world, &first);
    let replacement = world
        .pods
        .keys()
        .find(|uid| **uid != first)
        .cloned()
        .unwrap();
    world.plan = Plan::new("f");
    world.now += jiff::SignedDuration::from_secs(5);
    world.on(Event::Applied(ready_to_run()));
    // As its actor does: those that stay first.
    let staying = world.pods[&replacement].clone();
    world.on(Event::Pod(staying));
    world.settle();
    world.sample(0, 0, 0);
    assert_eq!((world.launches, world.draining.len()), (2, 0));
    world.come_up();
    assert_eq!(world.draining, [first]);
    assert!(world.routed.contains(&replacement));
}
