//! Pods that come before their calls, and words that come before their objects.

use super::*;

fn one_starting() -> (World, PodView) {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    world.sample(1, 0, 1);
    world.settle();
    let pod = world.pods.values().next().unwrap().clone();
    (world, pod)
}

#[test]
fn a_pod_that_its_node_calls_ready_is_routed_once_and_stays_so_until_its_object_says_it() {
    let (mut world, pod) = one_starting();
    let ready = PodView {
        stage: PodStage::Ready,
        ..pod.clone()
    };
    world.pods.insert(pod.uid.clone(), ready.clone());
    world.on(Event::ReadySooner(ready.clone()));
    assert_eq!(world.routed, std::slice::from_ref(&pod.uid));
    // What was written before.
    world.on(Event::Pod(pod.clone()));
    assert_eq!(world.routed, std::slice::from_ref(&pod.uid));
    world.on(Event::Pod(ready));
    assert_eq!(world.routed, [pod.uid]);
}

#[test]
fn a_plan_that_begins_with_pods_starts_no_others_in_their_places() {
    let mut world = World::new();
    let mut three = ready_to_run();
    let pinned = Scaling {
        pinned: Some(3),
        ..Scaling::default()
    };
    three.rule = Rule::new(Some(&pinned), 2);
    world.on(Event::Applied(three.clone()));
    world.settle();
    world.come_up();
    assert_eq!((world.launches, world.routed.len()), (3, 3));
    // The master is another one, the pods are the same.
    world.plan = Plan::new("f");
    world.routed.clear();
    let pods: Vec<_> = world.pods.values().cloned().collect();
    world.on(Event::Begun {
        wanted: three,
        pods,
    });
    assert_eq!((world.launches, world.routed.len()), (3, 3));
    world.pass(10);
    assert_eq!((world.launches, world.pods.len()), (3, 3));
}

#[test]
fn a_word_of_readiness_that_comes_late_brings_no_pod_back() {
    let (mut world, pod) = one_starting();
    world.pods.remove(&pod.uid);
    world.on(Event::PodGone {
        uid: pod.uid.clone(),
    });
    world.on(Event::ReadySooner(PodView {
        stage: PodStage::Ready,
        ..pod
    }));
    assert!(world.routed.is_empty());
}

#[test]
fn a_pod_waits_for_a_call_that_is_expected_and_goes_when_none_comes() {
    let mut world = World::new();
    world.on(Event::Applied(ready_to_run()));
    for _ in 0..5 {
        world.on(Event::Expected);
    }
    world.settle();
    world.come_up();
    assert_eq!((world.launches, world.routed.len()), (1, 1));
    world.pass(10);
    assert_eq!(world.routed.len(), 1);
    world.pass(10);
    assert!(world.pods.is_empty(), "the hint ends by itself");
    let mut paused = ready_to_run();
    let pinned = Scaling {
        pinned: Some(0),
        ..Scaling::default()
    };
    paused.rule = Rule::new(Some(&pinned), 2);
    world.on(Event::Applied(paused));
    world.on(Event::Expected);
    world.settle();
    assert_eq!(world.launches, 1, "a function that is off stays off");
}
