//! The rule against a pretended cluster in virtual time.

use std::collections::VecDeque;
use std::time::Duration;

use common::resources::{PolicyKind, Scaling};
use jiff::Timestamp;
use proptest::prelude::*;

use super::shapes;
use crate::functions::{Load, Rule, Scaler};

/// Parts of a second in which calls come and go.
const STEPS: u32 = 20;
const STEP: Duration = Duration::from_millis(50);

/// One function: pods that come up after a while, take `concurrency` calls each and lose none.
struct Cluster {
    rule: Rule,
    scaler: Scaler,
    concurrency: u32,
    call: Duration,
    start: Duration,
    now: Duration,
    /// When the pods are ready.
    pods: Vec<Duration>,
    /// When the calls on pods end.
    running: Vec<Duration>,
    /// When the calls that wait came.
    waiting: VecDeque<Duration>,
    arriving: f64,
    triggers: u64,
}

/// One second of a simulation.
#[derive(Clone, Copy, Debug)]
struct Second {
    wanted: u32,
    busy: u32,
    longest_wait: Duration,
}

impl Cluster {
    fn new(rule: Rule, concurrency: u32, call: Duration) -> Self {
        Self {
            rule,
            scaler: Scaler::default(),
            concurrency,
            call,
            start: Duration::from_millis(500),
            now: Duration::ZERO,
            pods: Vec::new(),
            running: Vec::new(),
            waiting: VecDeque::new(),
            arriving: 0.0,
            triggers: 0,
        }
    }

    fn run(&mut self, shape: &[f64]) -> Vec<Second> {
        shape.iter().map(|rate| self.second(*rate)).collect()
    }

    fn second(&mut self, rate: f64) -> Second {
        for _ in 0..STEPS {
            self.arriving += rate / f64::from(STEPS);
            while self.arriving >= 1.0 {
                self.arriving -= 1.0;
                self.triggers += 1;
                self.waiting.push_back(self.now);
            }
            self.serve();
            self.now += STEP;
            let now = self.now;
            self.running.retain(|end| *end > now);
        }
        self.serve();
        let ready = self.ready();
        let load = Load {
            triggers: std::mem::take(&mut self.triggers),
            in_flight: self.running.len() as u32,
            waiting: self.waiting.len() as u32,
            longest_wait: self
                .waiting
                .front()
                .map_or(Duration::ZERO, |since| self.now - *since),
            capacity: ready * self.concurrency,
            ready,
        };
        let at = Timestamp::from_second(1_000_000).unwrap()
            + jiff::SignedDuration::try_from(self.now).unwrap();
        self.scaler.sample(&self.rule, at, load);
        let wanted = self.scaler.decide(&self.rule, at, None).replicas;
        while (self.pods.len() as u32) < wanted {
            self.pods.push(self.now + self.start);
        }
        // Pods drain: their calls go on in `running`.
        self.pods.truncate(wanted as usize);
        Second {
            wanted,
            busy: load.busy(),
            longest_wait: load.longest_wait,
        }
    }

    fn ready(&self) -> u32 {
        self.pods.iter().filter(|at| **at <= self.now).count() as u32
    }

    fn serve(&mut self) {
        while (self.running.len() as u32) < self.ready() * self.concurrency
            && self.waiting.pop_front().is_some()
        {
            self.running.push(self.now + self.call);
        }
    }
}

fn rule(policy: PolicyKind) -> Rule {
    let scaling = Scaling {
        policy: Some(policy),
        ..Scaling::default()
    };
    Rule::new(Some(&scaling), 8)
}

const POLICIES: [PolicyKind; 2] = [PolicyKind::Requests, PolicyKind::Concurrency];

fn simulate(policy: PolicyKind, call_ms: u64, shape: &[f64]) -> Vec<Second> {
    let mut cluster = Cluster::new(rule(policy), 8, Duration::from_millis(call_ms));
    let mut seconds = cluster.run(shape);
    // Nothing comes any more.
    seconds.extend(cluster.run(&shapes::steady(0.0, 200)));
    seconds
}

/// What must hold whatever comes.
fn check(seconds: &[Second]) {
    for second in seconds {
        assert!(second.wanted <= 10, "over the cap: {second:?}");
        assert!(
            second.busy == 0 || second.wanted > 0,
            "calls and no pod: {second:?}"
        );
    }
    let last = seconds.last().unwrap();
    assert_eq!((last.wanted, last.busy), (0, 0), "zero is reached");
}

fn changes(seconds: &[Second]) -> usize {
    seconds
        .windows(2)
        .filter(|pair| pair[0].wanted != pair[1].wanted)
        .count()
}

#[test]
fn a_steady_load_settles_and_does_not_flap() {
    for policy in POLICIES {
        // Some of the rates are at the edge between two numbers of pods.
        for rate in [0.5, 1.0, 3.3, 3.34, 10.0, 20.0, 33.0, 60.0] {
            let seconds = simulate(policy, 100, &shapes::steady(rate, 600));
            check(&seconds);
            let settled = changes(&seconds[60..600]);
            assert_eq!(settled, 0, "{policy:?} at {rate}/s: {:?}", &seconds[60..90]);
        }
    }
}

#[test]
fn a_steady_load_that_one_pod_cannot_take_gets_what_it_needs_and_keeps_it() {
    for policy in POLICIES {
        // 20 calls at once in the mean; the requests alone would ask for fewer pods.
        let seconds = simulate(policy, 4_000, &shapes::steady(5.0, 600));
        check(&seconds);
        let late = &seconds[100..600];
        assert!(
            late.iter().all(|second| second.wanted >= 3),
            "{policy:?}: {late:?}"
        );
        assert!(
            late.iter()
                .all(|second| second.longest_wait < Duration::from_secs(1))
        );
        assert!(
            changes(late) <= 2,
            "{policy:?} flaps {} times",
            changes(late)
        );
    }
}

#[test]
fn a_spike_is_met_and_gone_after_the_window() {
    for policy in POLICIES {
        let seconds = simulate(policy, 200, &shapes::spike(200.0, 10, 10, 20));
        check(&seconds);
        let most = seconds.iter().map(|second| second.wanted).max().unwrap();
        assert!(
            most >= 7,
            "{policy:?} wants only {most} for 40 calls at once"
        );
        let zero = seconds
            .iter()
            .rposition(|second| second.wanted > 0)
            .unwrap();
        assert!(
            zero < 20 + 31 + 30,
            "{policy:?} still wants pods in second {zero}"
        );
    }
}

#[test]
fn a_sine_is_followed() {
    for policy in POLICIES {
        let seconds = simulate(policy, 200, &shapes::sine(15.0, 300.0, 900));
        check(&seconds);
        let day = &seconds[300..900];
        // Up and down twice; a step each way is no flapping.
        let steps = changes(day);
        assert!(steps <= 2 * 2 * 10, "{policy:?}: {steps} changes");
        let rises = day
            .windows(2)
            .filter(|pair| pair[0].wanted == 0 && pair[1].wanted > 0)
            .count();
        assert!(rises <= 2, "{policy:?} came from zero {rises} times");
    }
}

#[test]
fn on_and_off_at_the_windows_edge() {
    for policy in POLICIES {
        for off in [28, 29, 30, 31, 32, 45] {
            let seconds = simulate(policy, 100, &shapes::on_off(5.0, 2, off, 600));
            check(&seconds);
            let zeros = seconds[..600]
                .windows(2)
                .filter(|pair| pair[0].wanted > 0 && pair[1].wanted == 0)
                .count();
            let periods = 600 / (2 + off);
            if off < 30 {
                assert_eq!(
                    zeros, 0,
                    "{policy:?}: a pause of {off} s is within the window"
                );
            } else {
                assert!(
                    zeros <= periods + 1,
                    "{policy:?}: {zeros} ends in {periods} pauses"
                );
            }
        }
    }
}

#[test]
fn a_recorded_load_is_met_without_flapping() {
    let shape = shapes::recorded();
    assert_eq!(shape.len(), 1_800);
    for policy in POLICIES {
        let seconds = simulate(policy, 200, &shape);
        check(&seconds);
        let during = &seconds[..shape.len()];
        let waited = |second: &Second| second.longest_wait >= Duration::from_secs(1);
        assert!(!during.iter().any(waited), "{policy:?}: calls waited");
        assert_eq!(flaps(during, 25), 0, "{policy:?}");
        let steps = changes(during);
        assert!(steps < 180, "{policy:?}: {steps} changes in half an hour");
    }
}

/// How often a pod is taken away so few seconds after one was added, although calls go on.
fn flaps(seconds: &[Second], within: usize) -> usize {
    let mut flaps = 0;
    let mut added = None;
    for (at, pair) in seconds.windows(2).enumerate() {
        if pair[1].wanted > pair[0].wanted {
            added = Some(at);
        } else if pair[1].wanted < pair[0].wanted && pair[1].wanted > 0 {
            flaps += usize::from(added.is_some_and(|added| at - added < within));
        }
    }
    flaps
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_comes_the_bounds_hold_and_zero_is_reached(
        rates in prop::collection::vec(prop_oneof![Just(0.0), 0.0..5.0, 0.0..300.0_f64], 1..40),
        call_ms in 1_u64..1_500,
    ) {
        let shape: Vec<f64> = rates.iter().flat_map(|rate| [*rate; 4]).collect();
        for policy in POLICIES {
            let mut cluster = Cluster::new(rule(policy), 8, Duration::from_millis(call_ms));
            let mut seconds = cluster.run(&shape);
            // 300/s of 1.5 s are over what ten pods can do: time to work the queue off.
            seconds.extend(cluster.run(&shapes::steady(0.0, 1_500)));
            check(&seconds);
        }
    }
}
