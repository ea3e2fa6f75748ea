//! From zero, with the load, and back.

use super::*;

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
