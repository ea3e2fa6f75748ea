//! Plan and policy in virtual time, against a pretended store and pretended functions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use crate::invocations::{
    Class, Effect, Event, Id, Open, Outcome, Plan, Policy, Record, State, Width,
};
use crate::key::ObjectKey;

const WIDTH: Width = Width {
    total: 4,
    per_function: 2,
};

/// Carries out what the plan says. What happens is decided by a stream of numbers.
struct World {
    plan: Plan,
    policy: Policy,
    now: Timestamp,
    chance: u64,
    /// The store: records, and the index of open ones follows from them.
    store: BTreeMap<Id, Record>,
    /// Attempts under way and when they end.
    attempts: BTreeMap<Id, Timestamp>,
    wake: Option<Timestamp>,
    /// How often user code was run, and how often a crash made that necessary.
    runs: BTreeMap<Id, u32>,
    repeats: BTreeMap<Id, u32>,
    crashes: u32,
    next: u128,
}

fn open(id: Id, record: &Record) -> Open {
    Open {
        id,
        function: record.function(),
        due: record.due,
    }
}

impl World {
    fn new(chance: u64) -> Self {
        Self {
            plan: Plan::new(WIDTH),
            policy: Policy::default(),
            now: Timestamp::from_second(1_000_000).unwrap(),
            chance,
            store: BTreeMap::new(),
            attempts: BTreeMap::new(),
            wake: None,
            runs: BTreeMap::new(),
            repeats: BTreeMap::new(),
            crashes: 0,
            next: 0,
        }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.chance = self
            .chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.chance >> 33) % below
    }

    fn on(&mut self, event: Event) {
        self.wake = None;
        for effect in self.plan.on(event, self.now) {
            match effect {
                Effect::WakeAt(at) => {
                    assert!(at > self.now, "a wake-up in the past is a busy loop");
                    self.wake = Some(at);
                }
                Effect::Start(id) => self.start(id),
            }
        }
        let mut of_function = BTreeMap::<_, usize>::new();
        for id in self.attempts.keys() {
            *of_function.entry(self.store[id].function()).or_default() += 1;
        }
        assert!(
            self.attempts.len() <= WIDTH.total,
            "more attempts than allowed"
        );
        assert!(of_function.values().all(|n| *n <= WIDTH.per_function));
    }

    fn start(&mut self, id: Id) {
        // As in an attempt: what the store shows counts, not what the plan believes.
        let took = Duration::from_millis(if self.is_due(id) {
            self.draw(70_000)
        } else {
            1
        });
        if self.is_due(id) {
            self.store.get_mut(&id).unwrap().state = State::Running;
        }
        let before = self
            .attempts
            .insert(id, self.now.checked_add(took).unwrap());
        assert!(before.is_none(), "two attempts at once");
    }

    fn is_due(&self, id: Id) -> bool {
        let record = &self.store[&id];
        !record.state.is_final() && record.due <= self.now
    }

    fn accept(&mut self) {
        self.next += 1;
        let id = Id(self.next);
        let function = ObjectKey::new("default", &format!("f{}", self.draw(3)));
        let record = Record::new(&function, 0, self.now);
        let opened = open(id, &record);
        self.store.insert(id, record);
        self.on(Event::Opened(opened));
    }

    /// An attempt ends; the function of an odd id is never well.
    fn end(&mut self, id: Id) {
        self.attempts.remove(&id);
        let record = self.store[&id].clone();
        if record.state.is_final() {
            return self.on(Event::Finished(id));
        }
        if record.state == State::Pending {
            return self.on(Event::Again(id, record.due));
        }
        if let Some(dead) = self.policy.expire(&record, self.now) {
            return self.write(id, dead);
        }
        let class = match self.draw(10) {
            0..3 => Class::Retry,
            3..6 => Class::Refused,
            6 => Class::Hopeless,
            _ if id.0 % 2 == 1 => Class::Refused,
            _ => Class::Done,
        };
        if class != Class::Refused {
            *self.runs.entry(id).or_default() += 1;
        }
        if self.draw(50) == 0 {
            // The store is in trouble: nothing was written, the function may have run.
            *self.repeats.entry(id).or_default() += u32::from(class != Class::Refused);
            let later = self.now.checked_add(Duration::from_millis(500)).unwrap();
            return self.on(Event::Again(id, later));
        }
        let outcome = Outcome {
            class,
            error: Some("why".to_owned()),
            response: None,
        };
        let entropy = self.draw(u64::MAX);
        let record = self.policy.judge(record, &outcome, self.now, entropy);
        self.write(id, record);
    }

    /// The store's watch and the end of the attempt are told in either order.
    fn write(&mut self, id: Id, record: Record) {
        let entry = open(id, &record);
        let due = record.due;
        let mut events = if record.state.is_final() {
            [Event::Closed(entry), Event::Finished(id)]
        } else {
            [Event::Opened(entry), Event::Again(id, due)]
        };
        self.store.insert(id, record);
        if self.draw(2) == 0 {
            events.reverse();
        }
        events.into_iter().for_each(|event| self.on(event));
    }

    fn open(&self) -> Vec<Open> {
        let open_ones = self
            .store
            .iter()
            .filter(|(_, record)| !record.state.is_final());
        open_ones.map(|(id, record)| open(*id, record)).collect()
    }

    /// The master is killed: attempts under way are made again.
    fn crash(&mut self) {
        self.crashes += 1;
        for (id, _) in std::mem::take(&mut self.attempts) {
            if self.store[&id].state != State::Running {
                continue;
            }
            *self.runs.entry(id).or_default() += 1;
            *self.repeats.entry(id).or_default() += 1;
        }
        self.plan = Plan::new(WIDTH);
        let open = self.open();
        self.on(Event::Restarted(open));
    }

    /// The watch fell behind.
    fn relist(&mut self) {
        let open = self.open();
        self.on(Event::Restarted(open));
    }

    /// Lets time go to the next thing that happens; false when nothing will.
    fn step(&mut self) -> bool {
        let ending = self.attempts.iter().map(|(id, at)| (*at, *id)).min();
        match (ending, self.wake) {
            (Some((at, _)), Some(wake)) if wake < at => {
                self.now = wake;
                self.on(Event::Tick);
            }
            (Some((at, id)), _) => {
                self.now = self.now.max(at);
                self.end(id);
            }
            (None, Some(wake)) => {
                self.now = wake;
                self.on(Event::Tick);
            }
            (None, None) => return false,
        }
        true
    }

    fn check(&self) {
        let known = self.plan.waiting() + self.plan.running();
        let idle = self
            .attempts
            .keys()
            .filter(|id| self.store[*id].state.is_final())
            .count();
        assert_eq!(
            known,
            self.open().len() + idle,
            "the plan lost one, or has one too many"
        );
        for (id, runs) in &self.runs {
            let repeats = self.repeats.get(id).copied().unwrap_or(0);
            assert!(*runs <= self.policy.attempts + repeats, "{id}: {runs} runs");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_is_lost_no_attempt_is_one_too_many_and_all_end(
        chance in any::<u64>(),
        moves in prop::collection::vec(0_u8..20, 1..120),
    ) {
        let mut world = World::new(chance);
        for step in moves {
            match step {
                0..8 => world.accept(),
                8 => world.crash(),
                9 => world.relist(),
                _ => {
                    world.step();
                }
            }
            world.check();
        }
        let accepted = world.store.len();
        let mut steps = 0_u32;
        while world.step() {
            world.check();
            steps += 1;
            prop_assert!(steps < 400_000, "it does not end");
        }
        prop_assert_eq!(world.store.len(), accepted);
        prop_assert!(world.store.values().all(|record| record.state.is_final()));
        prop_assert_eq!((world.plan.waiting(), world.plan.running()), (0, 0));
    }
}

fn opened(id: u128, function: &str, second: i64) -> Event {
    let function = ObjectKey::new("default", function);
    Event::Opened(Open {
        id: Id(id),
        function,
        due: Timestamp::from_second(second).unwrap(),
    })
}

#[test]
fn one_function_leaves_room_for_others_and_the_oldest_goes_first() {
    let now = Timestamp::from_second(100).unwrap();
    let mut plan = Plan::new(WIDTH);
    let mut started = BTreeSet::new();
    for id in 1..=10 {
        for effect in plan.on(opened(id, "busy", 1), now) {
            started.insert(effect);
        }
    }
    assert_eq!(started.len(), WIDTH.per_function);
    assert_eq!(
        plan.on(opened(20, "other", 50), now),
        [Effect::Start(Id(20))]
    );
    assert_eq!(plan.on(Event::Finished(Id(1)), now), [Effect::Start(Id(3))]);
    assert_eq!((plan.waiting(), plan.running()), (7, 3));
}

#[test]
fn what_is_not_due_waits_for_its_time() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let mut plan = Plan::new(WIDTH);
    assert_eq!(
        plan.on(opened(1, "f", 50), at(10)),
        [Effect::WakeAt(at(50))]
    );
    assert_eq!(
        plan.on(opened(2, "f", 40), at(10)),
        [Effect::WakeAt(at(40))]
    );
    assert_eq!(
        plan.on(Event::Tick, at(40)),
        [Effect::Start(Id(2)), Effect::WakeAt(at(50))]
    );
}

#[test]
fn a_hundred_thousand_wait_for_one_wake_up() {
    let mut plan = Plan::new(WIDTH);
    let now = Timestamp::from_second(0).unwrap();
    for id in 0..100_000 {
        plan.on(opened(id, "f", 1000), now);
    }
    assert_eq!(plan.waiting(), 100_000);
    assert_eq!(plan.on(Event::Tick, now).len(), 1);
}

#[test]
fn functions_whose_attempts_take_long_leave_places_to_others() {
    let width = Width {
        total: 32,
        per_function: 16,
    };
    let now = Timestamp::from_second(1_000_000).unwrap();
    let mut plan = Plan::new(width);
    let mut next = 0;
    let mut open = |name: &str| {
        next += 1;
        Event::Opened(Open {
            id: Id(next),
            function: ObjectKey::new("default", name),
            due: now,
        })
    };
    let mut starts = |plan: &mut Plan, name: &str, count: u32| -> usize {
        let begun = (0..count).map(|_| plan.on(open(name), now));
        begun.flatten().count()
    };
    assert_eq!(starts(&mut plan, "slow-1", 100), 16);
    assert_eq!(
        starts(&mut plan, "slow-2", 100),
        8,
        "a quarter is kept for others"
    );
    assert_eq!(starts(&mut plan, "quick", 10), 2, "of whom each gets a few");
    assert_eq!(starts(&mut plan, "slow-3", 10), 2);
    assert_eq!(starts(&mut plan, "other", 1), 1);
    // A place that is free again goes to those who have few.
    let freed = plan.on(Event::Finished(Id(1)), now);
    assert_eq!(freed.len(), 0, "the others have theirs: {freed:?}");
    assert_eq!(starts(&mut plan, "late", 1), 1);
}
