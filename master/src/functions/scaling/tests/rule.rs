use std::time::Duration;

use common::resources::{PolicyKind, Scaling};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::functions::{Load, Rule, Scaler};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

fn triggers(triggers: u64) -> Load {
    Load {
        triggers,
        ..Load::default()
    }
}

fn after(rule: &Rule, load: Load) -> u32 {
    let mut scaler = Scaler::default();
    scaler.sample(rule, at(0), load);
    scaler.decide(rule, at(0), None).replicas
}

#[test]
fn the_seeds_rule_is_triggers_of_the_last_30_s_by_100() {
    let rule = Rule::new(None, 8);
    assert_eq!(
        [0, 1, 100, 101, 1000, 99_999].map(|n| after(&rule, triggers(n))),
        [0, 1, 1, 2, 10, 10]
    );
    let mut scaler = Scaler::default();
    scaler.sample(&rule, at(0), triggers(250));
    scaler.sample(&rule, at(29), triggers(0));
    assert_eq!(scaler.decide(&rule, at(29), None).replicas, 3);
    scaler.sample(&rule, at(30), triggers(0));
    assert_eq!(scaler.decide(&rule, at(30), None).replicas, 0);
}

#[test]
fn a_waiting_call_wants_a_pod_even_with_an_empty_window() {
    let load = Load {
        waiting: 1,
        ..Load::default()
    };
    assert_eq!(after(&Rule::new(None, 8), load), 1);
}

#[test]
fn a_pin_beats_the_rule() {
    let scaling = Scaling {
        pinned: Some(0),
        ..Scaling::default()
    };
    let rule = Rule::new(Some(&scaling), 8);
    assert!(rule.is_paused());
    assert_eq!(after(&rule, triggers(5000)), 0);
}

#[test]
fn what_the_nodes_take_caps_the_rule_and_is_said() {
    let rule = Rule::new(None, 8);
    let mut scaler = Scaler::default();
    scaler.sample(&rule, at(0), triggers(1000));
    let decision = scaler.decide(&rule, at(0), Some(3));
    assert_eq!(decision.replicas, 3);
    assert_eq!(
        decision.why,
        "requests: 1000 in 30 s / 100 = 10, capped at 3 by what the nodes take"
    );
}

fn concurrency() -> Rule {
    let scaling = Scaling {
        policy: Some(PolicyKind::Concurrency),
        target_concurrency: Some(5),
        ..Scaling::default()
    };
    Rule::new(Some(&scaling), 8)
}

fn busy(in_flight: u32, ready: u32) -> Load {
    Load {
        triggers: 10,
        in_flight,
        ready,
        capacity: 8 * ready,
        ..Load::default()
    }
}

#[test]
fn the_target_is_70_percent_of_what_a_pod_takes() {
    let policy = Some(PolicyKind::Concurrency);
    let scaling = Scaling {
        policy,
        ..Scaling::default()
    };
    let target = |concurrency| Rule::new(Some(&scaling), concurrency).target;
    assert_eq!([1, 2, 8, 100].map(target), [1, 1, 5, 70]);
}

#[test]
fn a_steady_concurrency_is_met_by_its_mean() {
    let (rule, mut scaler) = (concurrency(), Scaler::default());
    for second in 0..60 {
        scaler.sample(&rule, at(second), busy(15, 3));
        let decision = scaler.decide(&rule, at(second), None);
        assert_eq!(decision.replicas, 3, "{}", decision.why);
    }
}

#[test]
fn a_burst_makes_it_panic_and_nothing_is_taken_away_for_a_window() {
    let (rule, mut scaler) = (concurrency(), Scaler::default());
    let mut wanted = Vec::new();
    for second in 0..100 {
        // 40 at once for 5 s, on a base of 5.
        let at_once = if (60..65).contains(&second) { 40 } else { 5 };
        let ready = wanted.last().copied().unwrap_or(1);
        scaler.sample(&rule, at(second), busy(at_once, ready));
        wanted.push(scaler.decide(&rule, at(second), None).replicas);
    }
    assert!(wanted[..60].iter().all(|n| *n == 1), "{wanted:?}");
    assert_eq!(
        wanted[62], 8,
        "three seconds later all are wanted: {wanted:?}"
    );
    assert!(wanted[62..90].iter().all(|n| *n == 8), "{wanted:?}");
}

#[test]
fn calls_that_wait_although_pods_run_are_relieved_step_by_step() {
    // 200 calls at once that take 2 s each: the requests are few, the wait is long.
    let (rule, mut scaler) = (Rule::new(None, 8), Scaler::default());
    let mut wanted = Vec::new();
    for second in 0..8_u32 {
        let ready = wanted.last().copied().unwrap_or(1);
        let load = Load {
            triggers: if second == 0 { 200 } else { 0 },
            in_flight: 8 * ready,
            waiting: 200 - 8 * ready,
            longest_wait: Duration::from_secs(second.into()),
            capacity: 8 * ready,
            ready,
        };
        scaler.sample(&rule, at(second.into()), load);
        wanted.push(scaler.decide(&rule, at(second.into()), None).replicas);
    }
    assert_eq!(wanted, [2, 4, 8, 10, 10, 10, 10, 10]);
}

#[test]
fn a_wait_for_the_first_pod_is_no_reason_for_more() {
    let (rule, mut scaler) = (Rule::new(None, 8), Scaler::default());
    let load = |ready| Load {
        triggers: 0,
        waiting: 50,
        longest_wait: Duration::from_secs(20),
        ready,
        capacity: 8 * ready,
        ..Load::default()
    };
    for second in 0..20 {
        scaler.sample(&rule, at(second), load(0));
        assert_eq!(scaler.decide(&rule, at(second), None).replicas, 1);
    }
    scaler.sample(&rule, at(20), load(1));
    assert_eq!(scaler.decide(&rule, at(20), None).replicas, 1);
}

proptest! {
    #[test]
    fn the_rule_stays_between_its_bounds(
        min in 0_u32..5,
        max in 1_u32..20,
        by_concurrency in any::<bool>(),
        ceiling in prop::option::of(1_u32..10),
        loads in prop::collection::vec((0_u64..5_000, 0_u32..200, 0_u32..50, 0_u32..20, 0_i64..5), 1..60),
    ) {
        let policy = if by_concurrency { PolicyKind::Concurrency } else { PolicyKind::Requests };
        let scaling = Scaling {
            min_replicas: Some(min), max_replicas: Some(max), policy: Some(policy), ..Scaling::default()
        };
        let (rule, mut scaler, mut now) = (Rule::new(Some(&scaling), 8), Scaler::default(), 0);
        for (triggers, in_flight, waiting, ready, gap) in loads {
            now += gap;
            let load = Load {
                triggers, in_flight, waiting, ready, capacity: ready * 4, longest_wait: Duration::from_secs(2)
            };
            scaler.sample(&rule, at(now), load);
            let replicas = scaler.decide(&rule, at(now), ceiling).replicas;
            prop_assert!(replicas <= max);
            prop_assert!(replicas <= ceiling.unwrap_or(max));
            prop_assert!(replicas >= min.min(max).min(ceiling.unwrap_or(max)));
            prop_assert!(in_flight + waiting == 0 || replicas >= 1);
        }
    }
}
