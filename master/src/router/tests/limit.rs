use std::time::Duration;

use proptest::prelude::*;

use super::python::{Load, Work, micros};
use crate::router::Limiter;

/// Computes 35 us; 30 us are the way there and back.
fn computing(_: u64, _: u64, _: Duration) -> Work {
    Work {
        waits: micros(30),
        computes: micros(35),
    }
}

fn sleeping(_: u64, _: u64, _: Duration) -> Work {
    Work {
        waits: micros(50_000),
        computes: micros(100),
    }
}

#[test]
fn a_function_that_computes_settles_near_two_and_is_faster_for_it() {
    for clients in [16, 64] {
        let mut load = Load::new(8, 7, computing);
        load.run(clients, 3);
        let settled = load.run(clients, 10);
        assert!((2..=3).contains(&load.limit()), "{}", load.limit());
        // Eight at once, always: as if nobody learnt.
        let fixed = 1e6 / (35.0 * (1.0 + 0.03 * 6.0));
        assert!(settled > 1.1 * fixed, "{settled} against {fixed}");
    }
}

#[test]
fn a_function_that_sleeps_gets_all_that_it_may() {
    for most in [8, 50] {
        let mut load = Load::new(most, 7, sleeping);
        let full = f64::from(most) * 1000.0 / 50.1;
        for (seconds, share) in [(3, 0.965), (27, 0.985)] {
            let calls = load.run(2 * most, seconds);
            assert!(
                calls > share * full,
                "{calls} of {full} with {most} in {seconds} s"
            );
        }
    }
}

#[test]
fn a_mixed_function_gets_about_what_keeps_the_interpreter_busy() {
    // 5 ms of every 50 need the lock: ten at once keep it busy.
    let mut load = Load::new(40, 7, |_, _, _| Work {
        waits: micros(45_000),
        computes: micros(5_000),
    });
    load.run(80, 30);
    let calls = load.run(80, 30);
    assert!((9..=20).contains(&load.limit()), "{}", load.limit());
    assert!(calls > 0.9 * 200.0, "{calls}");
}

#[test]
fn a_slow_start_is_forgotten() {
    let mut load = Load::new(8, 7, |call, _, _| {
        let waits = micros(if call <= 200 { 1_000 } else { 50_000 });
        // The first calls fill caches, with the lock in hand.
        let computes = micros(if call <= 200 { 40_000 } else { 100 });
        Work { waits, computes }
    });
    load.run(32, 60);
    assert_eq!(load.limit(), 8);
}

#[test]
fn a_function_that_begins_to_sleep_gets_its_calls_back() {
    let mut load = Load::new(8, 7, |_, _, now| {
        if now < Duration::from_secs(10) {
            computing(0, 0, now)
        } else {
            sleeping(0, 0, now)
        }
    });
    load.run(32, 10);
    assert!(load.limit() <= 3, "{}", load.limit());
    load.run(32, 1);
    let calls = load.run(32, 10);
    assert!(calls > 0.9 * 8_000.0 / 50.1, "{calls}");
}

#[test]
fn calls_that_take_long_do_not_keep_the_others_out() {
    // Every 1000th call sleeps 2 s beside calls that compute.
    let mut load = Load::new(8, 7, |call, _, _| Work {
        waits: micros(if call.is_multiple_of(1000) {
            2_000_000
        } else {
            30
        }),
        computes: micros(35),
    });
    // Without a way around, two of them would hold a limit of 2 for 2 s.
    let calls = load.run(32, 20);
    assert!(calls > 1_500.0, "{calls}");
}

#[test]
fn one_at_a_time_stays_one_at_a_time() {
    let mut load = Load::new(1, 7, sleeping);
    load.run(16, 10);
    assert_eq!(load.limit(), 1);
}

#[test]
fn a_pod_with_room_to_spare_is_left_alone() {
    let mut load = Load::new(8, 7, computing);
    load.run(4, 10);
    assert_eq!(
        load.limit(),
        8,
        "nothing waited, so there was nothing to learn"
    );
}

/// Of many loads by chance, always the same ones, the share of which something is so.
fn share(is_so: impl Fn(u64) -> bool) -> f64 {
    let seeds = 40;
    let spread = |seed: u64| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let so = (1..=seeds).filter(|seed| is_so(spread(*seed))).count();
    so as f64 / seeds as f64
}

/// Sleeps of random length, outliers among them, on a machine that stutters.
#[test]
fn noise_does_not_cost_a_waiting_function_its_concurrency() {
    let kept = share(|seed| {
        let mut load = Load::new(8, seed, |_, chance, _| {
            let outlier = if chance % 200 == 0 { 10 } else { 1 };
            Work {
                waits: micros((30_000 + chance / 1000 % 40_000) * outlier),
                computes: micros(50 + chance / 7 % 500),
            }
        });
        load.run(32, 20);
        // 50 ms in the mean, outliers 2.5 ms more.
        load.run(32, 30) > 0.9 * 8_000.0 / 52.5
    });
    assert!(kept >= 0.95, "{kept}");
}

#[test]
fn noise_does_not_keep_a_computing_function_from_settling() {
    let settled = share(|seed| {
        let mut load = Load::new(8, seed, |_, chance, _| Work {
            waits: micros(30 + chance / 3 % 30),
            computes: micros(10 + chance / 1000 % 50),
        });
        load.run(64, 5);
        load.limit() <= 4
    });
    assert!(settled >= 0.95, "{settled}");
}

#[test]
fn nor_one_that_computes_for_long() {
    let settled = share(|seed| {
        let mut load = Load::new(8, seed, |_, chance, _| Work {
            waits: micros(100 + chance / 3 % 1_000),
            computes: micros(10_000 + chance / 1000 % 20_000),
        });
        load.run(64, 30);
        load.limit() <= 4
    });
    assert!(settled >= 0.95, "{settled}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_limit_stays_between_one_and_what_the_function_allows(
        most in 1_u32..40,
        ends in prop::collection::vec((1_u64..200_000, 1_u64..500_000, any::<bool>(), 0_u32..50), 1..400),
    ) {
        let mut limiter = Limiter::new(most);
        let (mut now, mut most) = (Duration::ZERO, most);
        for (gap, took, bound, change) in ends {
            if change == 0 {
                most = (took % 40) as u32;
                limiter.set_most(most);
            }
            now += micros(gap);
            limiter.on_done(now, micros(took), bound);
            prop_assert!((1..=most.max(1)).contains(&limiter.limit()));
            prop_assert!(limiter.overdue_after() >= Duration::from_millis(10));
        }
    }
}
