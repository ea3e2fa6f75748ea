//! A lane and a pod in virtual time: a call that is said not to be begun never is, whatever the delays, whoever leaves,
//! and whenever the pod dies.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{answer, late};
use crate::queue::{Outcome, Queue};

/// How long a call waits for its turn, in ticks.
const WITHIN: u64 = 5;

/// What happens in one tick.
#[derive(Clone, Debug)]
enum Step {
    /// A call is sent that will run for so many ticks.
    Send(u64),
    /// The gateway reads what is in the socket.
    Read,
    /// One of those who wait leaves.
    Leave(prop::sample::Index),
    /// The gateway is busy elsewhere.
    Nothing,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![8 => 0..2_u64, 1 => 3..30_u64].prop_map(Step::Send),
        4 => Just(Step::Read),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
        4 => Just(Step::Nothing),
    ]
}

/// Takes requests up in their order, one at a time.
#[derive(Default)]
struct Pod {
    requests: VecDeque<Request>,
    running: Option<(u64, u64)>,
    begun: Vec<u64>,
    /// Sent and not yet read.
    socket: String,
}

struct Request {
    number: u64,
    runs: u64,
    begin_by: Option<u64>,
}

impl Pod {
    fn tick(&mut self, now: u64) {
        loop {
            if let Some((number, until)) = self.running {
                if now < until {
                    return;
                }
                self.running = None;
                self.socket.push_str(&answer(&number.to_string(), ""));
            }
            let Some(request) = self.requests.pop_front() else {
                return;
            };
            if request.begin_by.is_some_and(|time| now > time) {
                self.socket.push_str(&late());
            } else {
                self.begun.push(request.number);
                self.running = Some((request.number, now + request.runs));
            }
        }
    }
}

#[derive(Default)]
struct Gateway {
    queue: Queue,
    waiting: Vec<(u64, Option<u64>)>,
    unbegun: Vec<u64>,
}

impl Gateway {
    fn read(&mut self, pod: &mut Pod) {
        let bytes = std::mem::take(&mut pod.socket);
        self.queue.incoming().extend_from_slice(bytes.as_bytes());
        self.queue.advance();
        self.collect();
    }

    fn collect(&mut self) {
        let (queue, unbegun) = (&mut self.queue, &mut self.unbegun);
        self.waiting
            .retain(|&(number, _)| match queue.take(number) {
                None => true,
                Some(Outcome::Whole(_, body)) => {
                    assert_eq!(body, number.to_string(), "the answer of another call");
                    false
                }
                Some(Outcome::Unbegun) => {
                    unbegun.push(number);
                    false
                }
                Some(Outcome::Long(_) | Outcome::Broken(_)) => false,
            });
    }

    /// Gives up those that wait for their turn for too long.
    fn look_at_the_clock(&mut self, now: u64, pod: &mut Pod) {
        let overdue =
            |&&(_, begin_by): &&(u64, Option<u64>)| begin_by.is_some_and(|time| now > time);
        let overdue: Vec<_> = self.waiting.iter().filter(overdue).copied().collect();
        for (number, _) in overdue {
            self.read(pod);
            if self.queue.give_up(number) {
                self.waiting.retain(|(other, _)| *other != number);
                self.unbegun.push(number);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_said_not_to_be_begun_never_is(
        steps in prop::collection::vec((step(), any::<bool>(), 0..3_u8), 1..150),
        dies in prop::option::of(0..150_usize),
    ) {
        let (mut pod, mut gateway) = (Pod::default(), Gateway::default());
        for (tick, (step, looks, goes)) in steps.into_iter().enumerate() {
            let now = tick as u64;
            // Within a tick, the pod goes before the gateway, in its middle, or after it.
            if goes == 0 {
                pod.tick(now);
            }
            match step {
                Step::Send(runs) if !gateway.queue.is_closing() => {
                    let begin_by = (gateway.queue.under_way() > 0).then_some(now + WITHIN);
                    let number = gateway.queue.push(false);
                    gateway.waiting.push((number, begin_by));
                    pod.requests.push_back(Request { number, runs, begin_by });
                }
                Step::Read => gateway.read(&mut pod),
                Step::Leave(index) if !gateway.waiting.is_empty() => {
                    let index = index.index(gateway.waiting.len());
                    let (number, _) = gateway.waiting.remove(index);
                    gateway.queue.leave(number);
                }
                Step::Send(_) | Step::Leave(_) | Step::Nothing => {}
            }
            if goes == 1 {
                pod.tick(now);
            }
            if looks {
                gateway.look_at_the_clock(now, &mut pod);
            }
            if goes == 2 {
                pod.tick(now);
            }
            if dies == Some(tick) {
                gateway.read(&mut pod);
                gateway.queue.end("the pod is gone");
                gateway.collect();
                prop_assert!(gateway.waiting.is_empty());
                break;
            }
        }
        for number in &gateway.unbegun {
            prop_assert!(!pod.begun.contains(number), "{} was begun", number);
        }
        // Whoever waits gets an answer, or hears that there is none.
        for now in 1000..6000 {
            if gateway.waiting.is_empty() {
                break;
            }
            pod.tick(now);
            gateway.look_at_the_clock(now, &mut pod);
            gateway.read(&mut pod);
        }
        if dies.is_none() {
            prop_assert!(gateway.waiting.is_empty(), "{:?}", gateway.waiting);
        }
    }
}
