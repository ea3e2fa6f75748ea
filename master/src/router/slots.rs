use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::Limiter;

/// Overdue calls are looked for at most so often while no pod has room.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A place in a queue of calls, as the queue's owner names it.
pub trait Waiting {
    /// Whether the caller has gone.
    fn is_gone(&self) -> bool;
}

/// Which pods have room for how many calls, and who waits. Pure bookkeeping: no locks; time and chance
/// are parameters. Taking and giving back a slot cost the same with one pod and with a thousand.
#[derive(Debug)]
pub struct Slots<P, W> {
    pods: Vec<Option<PodSlots<P>>>,
    vacant: Vec<usize>,
    by_uid: HashMap<String, usize>,
    /// Pods that take calls and have room.
    open: Vec<usize>,
    /// Pods that are left out for a while.
    aside: Vec<usize>,
    queue: VecDeque<W>,
    in_flight: u32,
    routable: usize,
    serial: u64,
    next_look: Duration,
}

#[derive(Debug)]
struct PodSlots<P> {
    pod: P,
    serial: u64,
    limiter: Limiter,
    /// When the calls in flight began.
    begun: Vec<Duration>,
    draining: bool,
    /// Until when it is left out.
    aside_until: Duration,
    /// Where it stands in `open`.
    place: Option<usize>,
}

/// A slot that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    index: usize,
    serial: u64,
    begun: Duration,
}

impl<P> PodSlots<P> {
    fn in_flight(&self) -> u32 {
        u32::try_from(self.begun.len()).unwrap_or(u32::MAX)
    }

    fn has_room(&self, now: Duration) -> bool {
        let (busy, limit) = (self.in_flight(), self.limiter.limit());
        if self.draining || now < self.aside_until || busy >= self.limiter.most() {
            return false;
        }
        busy < limit || busy < limit.saturating_add(self.overdue(now))
    }

    fn overdue(&self, now: Duration) -> u32 {
        let after = self.limiter.overdue_after();
        let overdue = |begun: &&Duration| now.saturating_sub(**begun) > after;
        u32::try_from(self.begun.iter().filter(overdue).count()).unwrap_or(u32::MAX)
    }
}

impl<P, W> Default for Slots<P, W> {
    fn default() -> Self {
        Self {
            pods: Vec::new(),
            vacant: Vec::new(),
            by_uid: HashMap::new(),
            open: Vec::new(),
            aside: Vec::new(),
            queue: VecDeque::new(),
            in_flight: 0,
            routable: 0,
            serial: 0,
            next_look: Duration::ZERO,
        }
    }
}

impl<P: Clone, W: Waiting> Slots<P, W> {
    /// Adds a pod that takes up to `most` calls at once. A known one gets the new limit and takes
    /// calls again if it was draining.
    pub fn add(&mut self, uid: &str, pod: P, most: u32, now: Duration) {
        if let Some(&index) = self.by_uid.get(uid) {
            if let Some(known) = &mut self.pods[index] {
                known.limiter.set_most(most);
                self.routable += usize::from(std::mem::take(&mut known.draining));
            }
            self.place(index, now);
            return;
        }
        self.serial += 1;
        let slots = PodSlots {
            pod,
            serial: self.serial,
            limiter: Limiter::new(most),
            begun: Vec::new(),
            draining: false,
            aside_until: Duration::ZERO,
            place: None,
        };
        let index = match self.vacant.pop() {
            Some(index) => {
                self.pods[index] = Some(slots);
                index
            }
            None => {
                self.pods.push(Some(slots));
                self.pods.len() - 1
            }
        };
        self.by_uid.insert(uid.to_owned(), index);
        self.routable += 1;
        self.place(index, now);
    }

    /// The pod takes no more calls; those in flight go on. Returns how many there are, or `None` for
    /// a pod that is not known.
    pub fn drain(&mut self, uid: &str) -> Option<u32> {
        let index = *self.by_uid.get(uid)?;
        let pod = self.pods[index].as_mut()?;
        if !std::mem::replace(&mut pod.draining, true) {
            self.routable -= 1;
        }
        let in_flight = pod.in_flight();
        self.displace(index);
        Some(in_flight)
    }

    /// The pod gets no call before `until`: its node could not be reached.
    pub fn set_aside(&mut self, uid: &str, until: Duration, now: Duration) {
        let Some(&index) = self.by_uid.get(uid) else {
            return;
        };
        if let Some(pod) = &mut self.pods[index] {
            pod.aside_until = until;
            if !self.aside.contains(&index) {
                self.aside.push(index);
            }
        }
        self.place(index, now);
    }

    /// Forgets the pod.
    pub fn remove(&mut self, uid: &str) {
        self.drain(uid);
        if let Some(index) = self.by_uid.remove(uid)
            && let Some(pod) = self.pods[index].take()
        {
            self.in_flight -= pod.in_flight();
            self.vacant.push(index);
        }
    }

    /// Takes a slot: of two pods with room, chosen by `entropy`, the one with fewer calls in flight.
    pub fn take(&mut self, now: Duration, entropy: u64) -> Option<(Taken, P)> {
        self.take_back(now);
        if self.open.is_empty() {
            self.look(now);
        }
        let count = self.open.len() as u64;
        if count == 0 {
            return None;
        }
        let pick = |bits: u64| self.open[(bits % count) as usize];
        let (one, other) = (pick(entropy & 0xffff_ffff), pick(entropy >> 32));
        let index = if self.load(other) < self.load(one) {
            other
        } else {
            one
        };
        let pod = self.pods[index].as_mut()?;
        pod.begun.push(now);
        self.in_flight += 1;
        let taken = Taken {
            index,
            serial: pod.serial,
            begun: now,
        };
        let found = pod.pod.clone();
        self.place(index, now);
        Some((taken, found))
    }

    /// Gives a slot back.
    pub fn give_back(&mut self, taken: Taken, now: Duration) {
        let bound = !self.queue.is_empty();
        let Some(pod) = self.of(taken) else { return };
        if let Some(at) = pod.begun.iter().position(|begun| *begun == taken.begun) {
            pod.begun.swap_remove(at);
            let took = now.saturating_sub(taken.begun);
            pod.limiter.on_done(now, took, bound);
            self.in_flight -= 1;
        }
        self.place(taken.index, now);
    }

    /// Gives a slot back that no call has used.
    pub fn return_unused(&mut self, taken: Taken, now: Duration) {
        let Some(pod) = self.of(taken) else { return };
        if let Some(at) = pod.begun.iter().position(|begun| *begun == taken.begun) {
            pod.begun.swap_remove(at);
            self.in_flight -= 1;
        }
        self.place(taken.index, now);
    }

    /// Puts a call at the end of the queue.
    pub fn wait(&mut self, waiter: W) {
        self.queue.push_back(waiter);
    }

    /// The next pair of a waiting call and a slot for it, while there are both. Callers that have
    /// gone are passed over.
    pub fn next_match(&mut self, now: Duration, entropy: u64) -> Option<(W, Taken, P)> {
        while self.queue.front().is_some_and(Waiting::is_gone) {
            self.queue.pop_front();
        }
        if self.queue.is_empty() {
            return None;
        }
        let (taken, pod) = self.take(now, entropy)?;
        let waiter = self.queue.pop_front()?;
        Some((waiter, taken, pod))
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

    /// Who waits longest.
    #[must_use]
    pub fn first_waiting(&self) -> Option<&W> {
        self.queue.front()
    }

    /// Drops queue entries whose callers have gone. Called before a full queue refuses a call.
    pub fn sweep(&mut self) {
        self.queue.retain(|waiter| !waiter.is_gone());
    }

    /// Calls in flight over all pods.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Calls in flight on one pod, or `None` for a pod that is not known.
    #[must_use]
    pub fn in_flight_on(&self, uid: &str) -> Option<u32> {
        self.pod(uid).map(PodSlots::in_flight)
    }

    /// Calls that one pod gets at once by now, or `None` for a pod that is not known.
    #[must_use]
    pub fn limit_of(&self, uid: &str) -> Option<u32> {
        self.pod(uid).map(|pod| pod.limiter.limit())
    }

    /// Calls that all pods that take calls get at once by now.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        let routable = self.pods.iter().flatten().filter(|pod| !pod.draining);
        routable.map(|pod| pod.limiter.limit()).sum()
    }

    /// Whether any pod takes calls.
    #[must_use]
    pub fn is_routable(&self) -> bool {
        self.routable > 0
    }

    /// How many pods take calls.
    #[must_use]
    pub fn routable_count(&self) -> usize {
        self.routable
    }

    /// Uids of the pods that take calls.
    pub fn routable(&self) -> impl Iterator<Item = &str> {
        let routable = |index: usize| {
            let pod = self.pods[index].as_ref();
            pod.is_some_and(|pod| !pod.draining)
        };
        self.by_uid
            .iter()
            .filter(move |(_, index)| routable(**index))
            .map(|(uid, _)| uid.as_str())
    }

    fn pod(&self, uid: &str) -> Option<&PodSlots<P>> {
        self.pods[*self.by_uid.get(uid)?].as_ref()
    }

    /// The pod of a slot, unless it was removed since.
    fn of(&mut self, taken: Taken) -> Option<&mut PodSlots<P>> {
        let pod = self.pods.get_mut(taken.index)?.as_mut()?;
        (pod.serial == taken.serial).then_some(pod)
    }

    /// How full a pod is, for comparing; pods of two revisions may have other limits.
    fn load(&self, index: usize) -> u64 {
        self.pods[index].as_ref().map_or(u64::MAX, |pod| {
            u64::from(pod.in_flight()) * 1_000_000 / u64::from(pod.limiter.limit())
        })
    }

    /// Puts pods that were left out for long enough among the others.
    fn take_back(&mut self, now: Duration) {
        let pods = &self.pods;
        let is_over = |index: &mut usize| {
            let pod = pods[*index].as_ref();
            pod.is_none_or(|pod| pod.aside_until <= now)
        };
        let over: Vec<usize> = self.aside.extract_if(.., is_over).collect();
        over.into_iter().for_each(|index| self.place(index, now));
    }

    /// Looks for pods whose calls are overdue, so that they have room after all.
    fn look(&mut self, now: Duration) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + LOOK_EVERY;
        (0..self.pods.len()).for_each(|index| self.place(index, now));
    }

    /// Puts the pod among the open ones, or takes it out, as it has room.
    fn place(&mut self, index: usize, now: Duration) {
        let Some(pod) = &mut self.pods[index] else {
            return;
        };
        match (pod.has_room(now), pod.place) {
            (true, None) => {
                pod.place = Some(self.open.len());
                self.open.push(index);
            }
            (false, Some(_)) => self.displace(index),
            _ => {}
        }
    }

    fn displace(&mut self, index: usize) {
        let place = self.pods[index].as_mut().and_then(|pod| pod.place.take());
        let Some(place) = place else { return };
        self.open.swap_remove(place);
        if let Some(&moved) = self.open.get(place)
            && let Some(pod) = &mut self.pods[moved]
        {
            pod.place = Some(place);
        }
    }
}
