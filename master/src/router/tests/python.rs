//! A pretended Python pod and clients that call it in a closed loop, in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::router::{Slots, Taken, Waiting};

/// What one call does: it waits without the interpreter's lock, then computes with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) waits: Duration,
    pub(super) computes: Duration,
}

pub(super) fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// A call in the pretended queue; its caller stays.
struct Client;

impl Waiting for Client {
    fn is_gone(&self) -> bool {
        false
    }
}

/// One pod behind slots of its own. The lock costs more, the more threads want it.
pub(super) struct Load<F> {
    slots: Slots<(), Client>,
    work: F,
    now: Duration,
    chance: u64,
    calls: u64,
    /// Calls that compute next: end of their wait, then which, and how long they compute.
    waiting: BinaryHeap<Reverse<(Duration, u64, Duration)>>,
    /// Calls that want the lock, in order.
    wanting: std::collections::VecDeque<(u64, Duration)>,
    /// The call that has it, and until when.
    computing: Option<(Duration, u64)>,
    taken: std::collections::HashMap<u64, Taken>,
    pub(super) done: u64,
}

impl<F: FnMut(u64, u64, Duration) -> Work> Load<F> {
    /// `work` says what a call does, by its number, a chance, and the time.
    pub(super) fn new(most: u32, seed: u64, work: F) -> Self {
        let mut slots = Slots::default();
        slots.add("pod", (), most, Duration::ZERO);
        Self {
            slots,
            work,
            now: Duration::ZERO,
            chance: seed | 1,
            calls: 0,
            waiting: BinaryHeap::new(),
            wanting: std::collections::VecDeque::new(),
            computing: None,
            taken: std::collections::HashMap::new(),
            done: 0,
        }
    }

    fn chance(&mut self) -> u64 {
        self.chance = self
            .chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.chance >> 16
    }

    /// So many clients call as fast as they are answered, for this time. Returns calls per second.
    pub(super) fn run(&mut self, clients: u32, seconds: u64) -> f64 {
        let (from, begun) = (self.done, self.now);
        let until = self.now + Duration::from_secs(seconds);
        let there = self.slots.in_flight() as usize + self.slots.waiting();
        for _ in there..clients as usize {
            self.slots.wait(Client);
        }
        self.serve();
        while self.now < until {
            if !self.step() {
                // Only time helps: calls that are overdue.
                self.now += micros(1000);
            }
            self.serve();
        }
        (self.done - from) as f64 / (self.now - begun).as_secs_f64()
    }

    pub(super) fn limit(&self) -> u32 {
        self.slots.limit_of("pod").unwrap()
    }

    fn serve(&mut self) {
        loop {
            let chance = self.chance();
            let Some((_, taken, ())) = self.slots.next_match(self.now, chance) else {
                return;
            };
            self.calls += 1;
            let work = (self.work)(self.calls, chance, self.now);
            self.taken.insert(self.calls, taken);
            self.waiting
                .push(Reverse((self.now + work.waits, self.calls, work.computes)));
        }
    }

    /// The next thing that happens; `false` when nothing does.
    fn step(&mut self) -> bool {
        let wakes = self.waiting.peek().map(|Reverse((at, _, _))| *at);
        let ends = self.computing.map(|(at, _)| at);
        match (wakes, ends) {
            (None, None) => return false,
            (Some(wakes), ends) if ends.is_none_or(|ends| wakes <= ends) => {
                if let Some(Reverse((at, call, computes))) = self.waiting.pop() {
                    self.now = self.now.max(at);
                    self.wanting.push_back((call, computes));
                }
            }
            _ => {
                if let Some((at, call)) = self.computing.take() {
                    self.now = self.now.max(at);
                    self.done += 1;
                    let taken = self.taken.remove(&call).unwrap();
                    // The client calls again at once.
                    self.slots.give_back(taken, self.now);
                    self.slots.wait(Client);
                }
            }
        }
        if self.computing.is_none()
            && let Some((call, computes)) = self.wanting.pop_front()
        {
            let fight = 1.0 + 0.03 * self.wanting.len() as f64;
            self.computing = Some((self.now + computes.mul_f64(fight), call));
        }
        true
    }
}
