use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{Bounds, Effect, Event, Policy};
use crate::runtime::Kind;

const BOUNDS: Bounds = Bounds {
    size: 2,
    max: 5,
    memory: 1 << 30,
    min_free: 100,
};
const TICK: Event = Event::Tick { free: 1000 };

/// Starts all that the policy wants; returns the names.
fn fill(policy: &mut Policy, now: &mut Instant) -> Vec<String> {
    let mut names = Vec::new();
    *now += Duration::from_secs(1);
    let mut effects = policy.decide(TICK, *now);
    while let Some(Effect::Start { id, .. }) = effects.pop() {
        names.push(id.clone());
        *now += Duration::from_secs(1);
        effects = policy.decide(Event::Waits { id }, *now);
    }
    names
}

#[test]
fn the_usual_kind_waits_and_the_first_started_goes_first() {
    let mut now = Instant::now();
    let mut policy = Policy::new(BOUNDS, Kind::Egress, 7);
    let names = fill(&mut policy, &mut now);
    assert_eq!(names, ["generic-00000007-1", "generic-00000007-2"]);
    assert_eq!(policy.claim(Kind::Egress, now), Some(names[0].clone()));
    assert_eq!(
        policy.decide(TICK, now),
        [],
        "the start of what was given away is left alone"
    );
    now = policy.wake(now).unwrap();
    assert!(matches!(
        policy.decide(TICK, now)[..],
        [Effect::Start { .. }]
    ));
    assert_eq!(policy.decide(TICK, now), [], "one at a time");
}

#[test]
fn a_kind_that_was_wanted_stays_for_a_while() {
    let mut now = Instant::now();
    let mut policy = Policy::new(BOUNDS, Kind::Egress, 7);
    fill(&mut policy, &mut now);
    assert_eq!(policy.waiting(Kind::Closed), 0);
    assert_eq!(policy.claim(Kind::Closed, now), None);
    fill(&mut policy, &mut now);
    assert_eq!(policy.waiting(Kind::Closed), 1);
    now += Duration::from_secs(700);
    let effects = policy.decide(TICK, now);
    assert!(matches!(effects[..], [Effect::End { .. }]), "{effects:?}");
}

#[test]
fn a_burst_makes_the_pool_larger_and_its_end_smaller() {
    let mut now = Instant::now();
    let mut policy = Policy::new(BOUNDS, Kind::Egress, 7);
    fill(&mut policy, &mut now);
    for _ in 0..20 {
        policy.claim(Kind::Egress, now);
    }
    fill(&mut policy, &mut now);
    assert_eq!(policy.waiting(Kind::Egress), 5, "max");
    now += Duration::from_secs(60);
    policy.decide(TICK, now);
    assert_eq!(policy.waiting(Kind::Egress), 2, "size");
}

#[test]
fn without_memory_and_at_the_end_there_are_none() {
    let mut now = Instant::now();
    let mut policy = Policy::new(BOUNDS, Kind::Egress, 7);
    let names = fill(&mut policy, &mut now);
    let ended = names.into_iter().map(|id| Effect::End { id });
    assert_eq!(
        policy.decide(Event::Tick { free: 99 }, now),
        ended.collect::<Vec<_>>()
    );
    assert_eq!(policy.decide(Event::Tick { free: 99 }, now), []);
    assert_eq!(fill(&mut policy, &mut now).len(), 2);
    assert_eq!(policy.decide(Event::Close, now).len(), 2);
    now += Duration::from_secs(3600);
    assert_eq!(policy.decide(TICK, now), []);
}

#[test]
fn failures_are_not_repeated_at_once() {
    let mut now = Instant::now();
    let mut policy = Policy::new(BOUNDS, Kind::Process, 7);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let effects = policy.decide(TICK, now);
        let [Effect::Start { id, .. }] = &effects[..] else {
            panic!("{effects:?}")
        };
        assert_eq!(policy.decide(Event::Lost { id: id.clone() }, now), []);
        let next = policy.wake(now).unwrap();
        pauses.push((next - now).as_secs());
        now = next;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
}

proptest! {
    #[test]
    fn whatever_happens_it_stays_within_its_bounds(
        moves in prop::collection::vec((0_u8..8, 0_u64..2_000), 0..200),
        size in 0_u32..4,
    ) {
        let bounds = Bounds { size, memory: 3 * (24 << 20), ..BOUNDS };
        let mut now = Instant::now();
        let mut policy = Policy::new(bounds, Kind::Egress, 1);
        let (mut starting, mut waiting) = (Vec::<String>::new(), BTreeSet::new());
        for (what, millis) in moves {
            now += Duration::from_millis(millis);
            let kind = if millis % 2 == 0 { Kind::Egress } else { Kind::Closed };
            let effects = match what {
                0 | 1 => {
                    if let Some(id) = policy.claim(kind, now) {
                        prop_assert!(waiting.remove(&id), "given twice, or never waited");
                    }
                    Vec::new()
                }
                2 | 3 if !starting.is_empty() => {
                    let id = starting.remove(0);
                    waiting.insert(id.clone());
                    policy.decide(Event::Waits { id }, now)
                }
                4 if !starting.is_empty() => policy.decide(Event::Lost { id: starting.remove(0) }, now),
                5 if !waiting.is_empty() => {
                    let id = waiting.pop_first().unwrap();
                    policy.decide(Event::Lost { id }, now)
                }
                6 => policy.decide(Event::Tick { free: millis }, now),
                _ => policy.decide(TICK, now),
            };
            for effect in effects {
                match effect {
                    Effect::Start { id, .. } => starting.push(id),
                    Effect::End { id } => prop_assert!(waiting.remove(&id)),
                }
            }
            prop_assert!(starting.len() <= 1);
            prop_assert!(waiting.len() <= 3);
            prop_assert!(size > 0 || waiting.is_empty() && starting.is_empty());
        }
    }
}
