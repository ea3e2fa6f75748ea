use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use crate::router::{Slots, Taken, Waiting};

const NOW: Duration = Duration::ZERO;

struct Caller(u32);

impl Waiting for Caller {
    fn is_gone(&self) -> bool {
        self.0 == 0
    }
}

type Pods = Slots<&'static str, Caller>;

fn pods(names: &[&'static str], most: u32) -> Pods {
    let mut slots = Pods::default();
    for name in names {
        slots.add(name, name, most, NOW);
    }
    slots
}

#[test]
fn calls_spread_over_pods_and_respect_their_limits() {
    let mut slots = pods(&["a", "b"], 2);
    let taken: Vec<_> = (0..4).map(|n| slots.take(NOW, n << 32).unwrap()).collect();
    assert_eq!(taken.iter().filter(|(_, pod)| *pod == "a").count(), 2);
    assert!(slots.take(NOW, 0).is_none());
    let of_b = taken.iter().find(|(_, pod)| *pod == "b").unwrap().0;
    slots.give_back(of_b, NOW);
    assert_eq!(slots.take(NOW, 0).unwrap().1, "b");
}

#[test]
fn of_two_pods_the_one_with_fewer_calls_gets_the_next() {
    let mut slots = pods(&["a", "b"], 8);
    let first = slots.take(NOW, 0).unwrap().1;
    // The chance names both pods.
    let second = slots.take(NOW, 1 << 32).unwrap().1;
    assert_ne!(first, second);
}

#[test]
fn with_many_pods_calls_are_spread_evenly() {
    let names: Vec<&'static str> = (0..100).map(|n| &*format!("pod-{n}").leak()).collect();
    let mut slots = pods(&names, 1000);
    let mut chance = 1_u64;
    for _ in 0..10_000 {
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        slots.take(NOW, chance.rotate_left(17)).unwrap();
    }
    let loads: Vec<u32> = names
        .iter()
        .map(|n| slots.in_flight_on(n).unwrap())
        .collect();
    // A single choice at random would leave pods with under 70 and over 130.
    assert!(
        loads.iter().all(|load| (95..=105).contains(load)),
        "{loads:?}"
    );
}

#[test]
fn a_pod_that_was_set_aside_gets_no_calls_until_its_time() {
    let (soon, later) = (Duration::from_millis(10), Duration::from_millis(250));
    let mut slots = pods(&["a", "b"], 4);
    slots.set_aside("a", later, NOW);
    for _ in 0..4 {
        assert_eq!(slots.take(soon, 0).unwrap().1, "b");
    }
    assert!(slots.take(soon, 0).is_none(), "b is full");
    assert!(slots.is_routable(), "calls wait for it");
    assert_eq!(slots.take(later, 0).unwrap().1, "a");
    // Also when others have room.
    let mut slots = pods(&["a", "b"], 4);
    slots.set_aside("a", later, NOW);
    let after: Vec<_> = (0..4)
        .map(|n| slots.take(later, n << 32).unwrap().1)
        .collect();
    assert!(after.contains(&"a"), "{after:?}");
    // One that is gone is not missed.
    slots.set_aside("a", later * 2, later);
    slots.remove("a");
    slots.set_aside("a", later * 2, later);
    assert_eq!(slots.take(later * 2, 0).unwrap().1, "b");
}

#[test]
fn a_draining_pod_finishes_its_calls_and_gets_no_new_ones() {
    let mut slots = pods(&["a"], 2);
    let (taken, _) = slots.take(NOW, 0).unwrap();
    assert_eq!(slots.drain("a"), Some(1));
    assert!(slots.take(NOW, 0).is_none() && !slots.is_routable());
    slots.give_back(taken, NOW);
    assert_eq!(slots.in_flight_on("a"), Some(0));
}

#[test]
fn a_slot_of_a_pod_that_is_gone_is_nobodys() {
    let mut slots = pods(&["a"], 1);
    let (old, _) = slots.take(NOW, 0).unwrap();
    slots.remove("a");
    // The new pod stands where the old one stood.
    slots.add("b", "b", 1, NOW);
    slots.take(NOW, 0).unwrap();
    slots.give_back(old, NOW);
    assert_eq!((slots.in_flight_on("b"), slots.in_flight()), (Some(1), 1));
}

#[test]
fn callers_that_went_away_lose_their_place() {
    let mut slots = pods(&[], 1);
    slots.wait(Caller(0));
    slots.wait(Caller(7));
    slots.add("a", "a", 1, NOW);
    let found = slots.next_match(NOW, 0).map(|(caller, _, _)| caller.0);
    assert_eq!(found, Some(7));
    assert!(slots.next_match(NOW, 0).is_none());
}

proptest! {
    #[test]
    fn the_books_are_right_and_no_pod_is_over_its_limit(
        ops in prop::collection::vec((0_u8..7, 0_usize..4, 1_u32..4, any::<u64>()), 1..200)
    ) {
        let names = ["a", "b", "c", "d"];
        let mut slots = Pods::default();
        let mut limits: HashMap<&str, u32> = HashMap::new();
        let mut draining: Vec<&str> = Vec::new();
        let mut held: Vec<(Taken, &str)> = Vec::new();
        let mut now = NOW;
        for (op, which, n, chance) in ops {
            let name = names[which];
            match op {
                0 => {
                    slots.add(name, name, n, now);
                    limits.entry(name).and_modify(|limit| *limit = n.max(*limit)).or_insert(n);
                    draining.retain(|pod| *pod != name);
                }
                1 => if slots.drain(name).is_some() { draining.push(name); },
                2 => {
                    slots.remove(name);
                    limits.remove(name);
                    draining.retain(|pod| *pod != name);
                    held.retain(|(_, pod)| *pod != name);
                }
                3 => if let Some((taken, pod)) = slots.take(now, chance) {
                    prop_assert!(!draining.contains(&pod));
                    held.push((taken, pod));
                },
                4 => if let Some((taken, _)) = held.pop() { slots.give_back(taken, now); },
                5 => now += Duration::from_millis(u64::from(n) * 10),
                _ => {
                    slots.wait(Caller(n));
                    while let Some((_, taken, pod)) = slots.next_match(now, chance) { held.push((taken, pod)); }
                }
            }
            prop_assert_eq!(slots.in_flight() as usize, held.len());
            let routable = limits.keys().any(|pod| !draining.contains(pod));
            prop_assert_eq!(slots.is_routable(), routable);
            for name in names {
                let mine = held.iter().filter(|(_, pod)| *pod == name).count();
                prop_assert!(mine <= limits.get(name).copied().unwrap_or(0) as usize);
                if let Some(n) = slots.in_flight_on(name) { prop_assert_eq!(n as usize, mine); }
            }
        }
    }
}
