use std::collections::VecDeque;

/// A place in a queue of calls, as the queue's owner names it.
pub trait Waiting {
    /// Whether the caller has gone.
    fn is_gone(&self) -> bool;
}

/// Which pods have room for how many calls, and who waits. Pure bookkeeping: no locks, no time.
#[derive(Debug)]
pub struct Slots<P, W> {
    pods: Vec<PodSlots<P>>,
    queue: VecDeque<W>,
    turn: usize,
}

#[derive(Debug)]
struct PodSlots<P> {
    pod: P,
    uid: String,
    limit: u32,
    in_flight: u32,
    draining: bool,
}

impl<P, W> Default for Slots<P, W> {
    fn default() -> Self {
        Self {
            pods: Vec::new(),
            queue: VecDeque::new(),
            turn: 0,
        }
    }
}

impl<P: Clone, W: Waiting> Slots<P, W> {
    /// Adds a pod that takes up to `limit` calls at once. A known one gets the new limit and takes
    /// calls again if it was draining.
    pub fn add(&mut self, uid: &str, pod: P, limit: u32) {
        let limit = limit.max(1);
        match self.find(uid) {
            Some(known) => (known.limit, known.draining) = (limit, false),
            None => self.pods.push(PodSlots {
                pod,
                uid: uid.to_owned(),
                limit,
                in_flight: 0,
                draining: false,
            }),
        }
    }

    /// The pod takes no more calls; those in flight go on. Returns how many there are, or `None` for
    /// a pod that is not known.
    pub fn drain(&mut self, uid: &str) -> Option<u32> {
        let pod = self.find(uid)?;
        pod.draining = true;
        Some(pod.in_flight)
    }

    /// Forgets the pod.
    pub fn remove(&mut self, uid: &str) {
        self.pods.retain(|pod| pod.uid != uid);
    }

    /// Takes a slot of the pod with the fewest calls in flight; among equals they take turns.
    pub fn take(&mut self) -> Option<P> {
        let count = self.pods.len();
        self.turn = self.turn.wrapping_add(1);
        let turn = self.turn;
        let best = (0..count)
            .map(|offset| (turn + offset) % count)
            .filter(|&index| {
                let pod = &self.pods[index];
                !pod.draining && pod.in_flight < pod.limit
            })
            .min_by_key(|&index| self.pods[index].in_flight)?;
        self.pods[best].in_flight += 1;
        Some(self.pods[best].pod.clone())
    }

    /// Gives a slot back.
    pub fn give_back(&mut self, uid: &str) {
        if let Some(pod) = self.find(uid) {
            pod.in_flight = pod.in_flight.saturating_sub(1);
        }
    }

    /// Puts a call at the end of the queue.
    pub fn wait(&mut self, waiter: W) {
        self.queue.push_back(waiter);
    }

    /// The next pair of a waiting call and a slot for it, while there are both. Callers that have
    /// gone are passed over.
    pub fn next_match(&mut self) -> Option<(W, P)> {
        while self.queue.front().is_some_and(Waiting::is_gone) {
            self.queue.pop_front();
        }
        if self.queue.is_empty() {
            return None;
        }
        let pod = self.take()?;
        let waiter = self.queue.pop_front()?;
        Some((waiter, pod))
    }

    /// Empties the queue.
    pub fn drop_queue(&mut self) -> VecDeque<W> {
        std::mem::take(&mut self.queue)
    }

    /// Calls that wait. Those whose callers have gone are counted until their turn comes.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Drops queue entries whose callers have gone. Called before a full queue refuses a call.
    pub fn sweep(&mut self) {
        self.queue.retain(|waiter| !waiter.is_gone());
    }

    /// Calls in flight over all pods.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.pods.iter().map(|pod| pod.in_flight).sum()
    }

    /// Calls in flight on one pod, or `None` for a pod that is not known.
    #[must_use]
    pub fn in_flight_on(&self, uid: &str) -> Option<u32> {
        self.pods
            .iter()
            .find(|pod| pod.uid == uid)
            .map(|pod| pod.in_flight)
    }

    /// Uids of the pods that take calls.
    pub fn routable(&self) -> impl Iterator<Item = &str> {
        self.pods
            .iter()
            .filter(|pod| !pod.draining)
            .map(|pod| pod.uid.as_str())
    }

    fn find(&mut self, uid: &str) -> Option<&mut PodSlots<P>> {
        self.pods.iter_mut().find(|pod| pod.uid == uid)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Caller(u32);

    impl Waiting for Caller {
        fn is_gone(&self) -> bool {
            self.0 == 0
        }
    }

    #[test]
    fn calls_spread_over_pods_and_respect_their_limits() {
        let mut slots: Slots<&str, Caller> = Slots::default();
        slots.add("a", "a", 2);
        slots.add("b", "b", 2);
        let taken: Vec<_> = (0..4).map(|_| slots.take().unwrap()).collect();
        assert_eq!(taken.iter().filter(|p| **p == "a").count(), 2);
        assert_eq!(slots.take(), None);
        slots.give_back("b");
        assert_eq!(slots.take(), Some("b"));
    }

    #[test]
    fn a_draining_pod_finishes_its_calls_and_gets_no_new_ones() {
        let mut slots: Slots<&str, Caller> = Slots::default();
        slots.add("a", "a", 2);
        slots.take();
        assert_eq!(slots.drain("a"), Some(1));
        assert_eq!(slots.take(), None);
        slots.give_back("a");
        assert_eq!(slots.in_flight_on("a"), Some(0));
    }

    #[test]
    fn callers_that_went_away_lose_their_place() {
        let mut slots: Slots<&str, Caller> = Slots::default();
        slots.wait(Caller(0));
        slots.wait(Caller(7));
        slots.add("a", "a", 1);
        assert_eq!(slots.next_match().map(|(caller, _)| caller.0), Some(7));
        assert!(slots.next_match().is_none());
    }

    proptest! {
        #[test]
        fn no_pod_is_ever_over_its_limit(
            ops in prop::collection::vec((0_u8..6, 0_usize..4, 1_u32..4), 1..200)
        ) {
            let names = ["a", "b", "c", "d"];
            let mut slots: Slots<&str, Caller> = Slots::default();
            let mut limits = [0_u32; 4];
            let mut held: Vec<&str> = Vec::new();
            for (op, which, n) in ops {
                match op {
                    0 => { slots.add(names[which], names[which], n); limits[which] = limits[which].max(n); }
                    1 => { slots.drain(names[which]); }
                    2 => {
                        slots.remove(names[which]);
                        held.retain(|p| *p != names[which]);
                        limits[which] = 0;
                    }
                    3 => if let Some(pod) = slots.take() { held.push(pod); },
                    4 => if let Some(pod) = held.pop() { slots.give_back(pod); },
                    _ => {
                        slots.wait(Caller(n));
                        while let Some((_, pod)) = slots.next_match() { held.push(pod); }
                    }
                }
                for (index, name) in names.iter().enumerate() {
                    let mine = held.iter().filter(|p| *p == name).count();
                    prop_assert!(mine <= limits[index] as usize);
                    if let Some(n) = slots.in_flight_on(name) { prop_assert_eq!(n as usize, mine); }
                }
            }
        }
    }
}
