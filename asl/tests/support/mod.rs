//! A world for runs: a virtual clock, simulated functions, and a journal.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, VecDeque};

use asl::{
    Child, Command, Decision, Effect, ExecutionContext, Failure, Invocation, Moment, Outcome,
    Program, Record, Run, TimerId,
};
use jiff::Timestamp;
use serde_json::Value;

pub struct World {
    pub program: Program,
    pub run: Run,
    pub journal: Vec<Record>,
    pub now: Timestamp,
    pub entropy: u64,
    pub timers: BTreeMap<TimerId, Timestamp>,
    pub tasks: VecDeque<Invocation>,
    pub outcome: Option<Outcome>,
    /// Reads and writes that are asked for.
    pub outside: VecDeque<Effect>,
    pub children: VecDeque<Child>,
    /// What readers find.
    pub items: Vec<Value>,
    /// What writers were given.
    pub written: Vec<asl::ChildResult>,
}

pub fn context() -> ExecutionContext {
    ExecutionContext {
        id: "arn:aws:states:us-east-1:111111111111:execution:machine:run".into(),
        name: "run".into(),
        role: Some("arn:aws:iam::111111111111:role/any".into()),
        start_time: "2026-01-01T00:00:00Z".parse().unwrap(),
        state_machine_id: "arn:aws:states:us-east-1:111111111111:stateMachine:machine".into(),
        state_machine_name: "machine".into(),
    }
}

impl World {
    pub fn new(program: Program) -> World {
        World {
            program,
            run: Run::new(),
            journal: Vec::new(),
            now: "2026-12-01T00:00:00Z".parse().unwrap(),
            entropy: 1,
            timers: BTreeMap::new(),
            tasks: VecDeque::new(),
            outcome: None,
            outside: VecDeque::new(),
            children: VecDeque::new(),
            items: Vec::new(),
            written: Vec::new(),
        }
    }

    pub fn moment(&mut self) -> Moment {
        self.entropy = self
            .entropy
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        Moment {
            now: self.now,
            entropy: std::array::from_fn(|place| self.entropy.to_le_bytes()[place % 8]),
        }
    }

    /// Decides until there is no more to decide; all of it together.
    pub fn send(&mut self, command: Command) -> Decision {
        let mut all = self.decide(command);
        while all.more {
            let next = self.decide(Command::Resume);
            all.records.extend(next.records);
            all.effects.extend(next.effects);
            all.more = next.more;
        }
        all
    }

    pub fn decide(&mut self, command: Command) -> Decision {
        let moment = self.moment();
        let decision = self.run.decide(&self.program, command, &moment).unwrap();
        self.journal.extend(decision.records.iter().cloned());
        for effect in decision.effects.clone() {
            self.carry_out(effect);
        }
        decision
    }

    pub fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::InvokeTask(invocation) => self.tasks.push_back(invocation),
            Effect::StartTimer { timer, at } => {
                self.timers.insert(timer, at);
            }
            Effect::CancelTimer { timer } => {
                self.timers.remove(&timer);
            }
            Effect::CancelTask { task } => self.tasks.retain(|t| t.task != task),
            Effect::ReadItems { .. } | Effect::WriteResults { .. } => {
                self.outside.push_back(effect)
            }
            Effect::StartChild(child) => self.children.push_back(child),
            Effect::StopChild { map, index } => {
                self.children.retain(|c| (c.map, c.index) != (map, index))
            }
            Effect::Finish(outcome) => self.outcome = Some(outcome),
        }
    }

    /// The next thing that happens: a task answers, or a timer fires. None if nothing is in flight.
    pub fn next_command(
        &mut self,
        call: &dyn Fn(&Invocation) -> Result<Value, Failure>,
    ) -> Option<Command> {
        if let Some(invocation) = self.tasks.pop_front() {
            let task = invocation.task;
            return Some(match call(&invocation) {
                Ok(output) => Command::TaskSucceeded { task, output },
                Err(failure) if failure.error.as_deref() == Some("never") => {
                    return self.next_command(call);
                }
                Err(failure) => Command::TaskFailed {
                    task,
                    error: failure.error.unwrap_or_default(),
                    cause: failure.cause,
                },
            });
        }
        if let Some(effect) = self.outside.pop_front() {
            return Some(match effect {
                Effect::ReadItems {
                    map, from, count, ..
                } => {
                    let first = usize::try_from(from).unwrap().min(self.items.len());
                    let last = (first + usize::try_from(count).unwrap()).min(self.items.len());
                    let (items, more) = (self.items[first..last].to_vec(), last < self.items.len());
                    Command::ItemsRead {
                        map,
                        from,
                        items,
                        more,
                    }
                }
                Effect::WriteResults { map, results, .. } => {
                    self.written = results;
                    Command::ResultsWritten {
                        map,
                        output: serde_json::json!({"Bucket": "b", "Key": "k"}),
                    }
                }
                other => panic!("{other:?}"),
            });
        }
        if let Some(child) = self.children.pop_front() {
            let program = self.program.processor(&child.state).unwrap();
            let mut world = World::new(program);
            world.now = self.now;
            let outcome = world.run_dyn((*child.input).clone(), call);
            return Some(Command::ChildEnded {
                map: child.map,
                index: child.index,
                outcome,
            });
        }
        let (timer, at) = self
            .timers
            .iter()
            .map(|(t, at)| (*t, *at))
            .min_by_key(|(t, at)| (*at, *t))?;
        self.timers.remove(&timer);
        self.now = self.now.max(at);
        Some(Command::TimerFired { timer })
    }

    pub fn run(
        &mut self,
        input: Value,
        call: impl Fn(&Invocation) -> Result<Value, Failure>,
    ) -> Outcome {
        self.run_dyn(input, &call)
    }

    fn run_dyn(
        &mut self,
        input: Value,
        call: &dyn Fn(&Invocation) -> Result<Value, Failure>,
    ) -> Outcome {
        self.send(Command::Start {
            input,
            context: context(),
        });
        self.finish_dyn(call)
    }

    /// Another world that has only the journal, as after a crash.
    pub fn resume(program: &Program, journal: &[Record], now: Timestamp) -> World {
        let mut world = World::replayed(program, journal, now);
        while world.go_on() {}
        for effect in world.run.pending() {
            world.carry_out(effect);
        }
        world
    }

    /// The same after its first decision.
    pub fn resume_once(program: &Program, journal: &[Record], now: Timestamp) -> World {
        let mut world = World::replayed(program, journal, now);
        world.go_on();
        world
    }

    fn go_on(&mut self) -> bool {
        let moment = self.moment();
        let decision = self.run.decide(&self.program, Command::Resume, &moment);
        let decision = decision.unwrap();
        self.journal.extend(decision.records);
        decision.more
    }

    fn replayed(program: &Program, journal: &[Record], now: Timestamp) -> World {
        let mut world = World::new(program.clone());
        world.now = now;
        // What the journal holds went through text.
        let text = serde_json::to_string(journal).unwrap();
        world.journal = serde_json::from_str(&text).unwrap();
        for record in &world.journal {
            world.run.apply(record).unwrap();
        }
        world
    }

    pub fn finish(&mut self, call: impl Fn(&Invocation) -> Result<Value, Failure>) -> Outcome {
        self.finish_dyn(&call)
    }

    fn finish_dyn(&mut self, call: &dyn Fn(&Invocation) -> Result<Value, Failure>) -> Outcome {
        while self.outcome.is_none() {
            let command = self.next_command(call).expect("the run waits for nothing");
            self.send(command);
        }
        self.outcome.clone().unwrap()
    }
}
