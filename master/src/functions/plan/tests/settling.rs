//! Whatever happens in whatever order, it comes to rest.

use super::*;

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
