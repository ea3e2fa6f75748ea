//! Builds and pods that fail, and what callers are told.

use super::*;

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
