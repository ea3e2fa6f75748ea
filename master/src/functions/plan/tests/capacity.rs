//! Nodes that are full, absent or lose a pod.

use super::*;

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
fn pods_that_rest_go_when_another_function_needs_the_room_and_come_back_with_the_next_call() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    world.sample(1, 0, 1);
    world.come_up();
    world.on(Event::GiveWay);
    assert_eq!(world.plan.decision.replicas, 1, "a call just came in");
    world.sample(0, 0, 0);
    assert_eq!(world.plan.resting(), Some(world.now));
    world.on(Event::GiveWay);
    assert_eq!(world.plan.decision.replicas, 0);
    assert_eq!(world.plan.resting(), None, "it has nothing more to give");
    world.sample(0, 0, 0);
    assert!(world.pods.is_empty(), "long before its window is over");
    world.sample(1, 0, 1);
    assert_eq!((world.plan.decision.replicas, world.launches), (1, 2));
}

#[test]
fn pods_that_somebody_asked_for_do_not_give_way() {
    let scaling = Scaling {
        min_replicas: Some(1),
        ..Scaling::default()
    };
    let pinned = Scaling {
        pinned: Some(2),
        ..Scaling::default()
    };
    for (scaling, kept) in [(scaling, 1), (pinned, 2)] {
        let mut world = World::new();
        world.on(Event::Applied(Wanted {
            rule: Rule::new(Some(&scaling), 2),
            ..ready_to_run()
        }));
        world.come_up();
        world.sample(0, 0, 0);
        assert_eq!(world.plan.resting(), None);
        world.on(Event::GiveWay);
        assert_eq!(world.plan.decision.replicas, kept);
    }
}

#[test]
fn calls_wait_while_another_functions_pods_give_way_however_often_there_was_no_room() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    world.sample(1, 0, 1);
    let refuse = |world: &mut World, event: fn(String) -> Event| {
        let (uid, name) = world
            .pods
            .values()
            .map(|pod| (pod.uid.clone(), pod.name.clone()))
            .next()
            .unwrap();
        world.pods.remove(&uid);
        world.on(event(name));
    };
    for wait in [1, 2, 4] {
        refuse(&mut world, |name| Event::LaunchFailed {
            name,
            reason: "NoCapacity".to_owned(),
            message: "all nodes are full".to_owned(),
        });
        if wait < 4 {
            assert_eq!(world.route, Some(RouteState::Open));
        }
        world.now += jiff::SignedDuration::from_secs(wait);
        world.sample(0, 0, 1);
    }
    assert_eq!(world.launches, 4);
    for more in 1..=5 {
        refuse(&mut world, |name| Event::RoomComes { name });
        assert_eq!(world.route, Some(RouteState::Open));
        world.now += jiff::SignedDuration::from_millis(250);
        world.sample(0, 0, 1);
        assert_eq!(world.launches, 4 + more, "tried again soon");
    }
    world.come_up();
    assert_eq!(world.routed.len(), 1);
}
