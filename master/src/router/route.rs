use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use common::resources::Retry;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Counts, Refusal, Slots, Taken, Waiting};
use crate::key::ObjectKey;
use crate::upstream::Endpoint;

/// After this wait a held call looks itself for room, then after twice as long, and so on.
const FIRST_NUDGE: Duration = Duration::from_millis(25);
const LONGEST_NUDGE: Duration = Duration::from_secs(1);
/// How long a pod gets no calls after the way to its node failed, before the jitter.
const AWAY: Duration = Duration::from_millis(250);

/// Told when a call finds no slot.
pub trait DemandSink: Send + Sync {
    /// A function is wanted. `false` when the message was lost, so that the next call sends it again.
    fn demand(&self, function: &ObjectKey) -> bool;
}

/// The way to one function.
pub struct Route {
    key: ObjectKey,
    settings: ArcSwap<RouteSettings>,
    inner: Mutex<Inner>,
    triggers: AtomicU64,
    demanded: AtomicBool,
    counts: OnceLock<Box<Counts>>,
    sink: Arc<dyn DemandSink>,
    /// What the times in `inner` count from.
    began: Instant,
}

/// What the gateway must know of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSettings {
    /// Longest time a call may run.
    pub timeout: Duration,
    /// Longest time a call may wait for a pod.
    pub hold: Duration,
    /// Most calls that wait.
    pub queue_limit: usize,
    /// Whether strangers may call on addresses other than loopback.
    pub open: bool,
    /// How asynchronous calls are tried again, where the function says so.
    pub retry: Option<Retry>,
}

/// Whether waiting makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteState {
    /// Calls wait for a pod.
    Open,
    /// Calls without a free pod are refused with this.
    Closed(Refusal),
}

struct Inner {
    slots: Slots<Arc<Endpoint>, Ticket>,
    state: RouteState,
}

struct Ticket {
    answer: oneshot::Sender<Result<Permit, Refusal>>,
    since: Duration,
}

/// Calls of a function as they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteLoad {
    /// Calls on pods.
    pub in_flight: u32,
    /// Calls that wait.
    pub waiting: usize,
    /// How long the first of them waits.
    pub longest_wait: Duration,
    /// Calls that the pods together get at once by now.
    pub capacity: u32,
    /// Pods that take calls.
    pub ready: u32,
}

impl Waiting for Ticket {
    fn is_gone(&self) -> bool {
        self.answer.is_closed()
    }
}

/// What becomes of a call that asks for a slot.
pub enum Admission {
    /// It may go at once.
    Now(Permit),
    /// It waits.
    Held(Held),
    /// It does not get one.
    Refused(Refusal),
}

/// A call's place in the queue. Dropping it leaves the queue.
pub struct Held {
    route: Arc<Route>,
    answer: oneshot::Receiver<Result<Permit, Refusal>>,
}

impl Held {
    /// Waits for a slot, at most `hold`.
    ///
    /// # Errors
    /// When the call is refused after all, or waited too long.
    pub async fn wait(mut self, hold: Duration) -> Result<Permit, Refusal> {
        let (mut left, mut nudge) = (hold, FIRST_NUDGE);
        loop {
            let step = nudge.min(left);
            match tokio::time::timeout(step, &mut self.answer).await {
                Ok(Ok(result)) => return result,
                Ok(Err(_)) => return Err(Refusal::Deleted),
                Err(_) if step == left => return Err(Refusal::HoldExpired(hold.as_secs())),
                // Room may come with time alone: calls that are overdue do not count.
                Err(_) => self.route.look(),
            }
            left -= step;
            nudge = (nudge * 2).min(LONGEST_NUDGE);
        }
    }
}

/// A slot of a pod. Dropping it gives the slot to the next call.
pub struct Permit {
    /// `None` once the slot was given back by other means.
    route: Option<Arc<Route>>,
    taken: Taken,
    endpoint: Arc<Endpoint>,
}

impl Permit {
    /// Where the call goes.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Gives the slot back without a call having been made, so that nothing is learnt from it.
    pub fn return_unused(mut self) {
        if let Some(route) = self.route.take() {
            let now = route.now();
            let mut inner = route.inner.lock();
            inner.slots.return_unused(self.taken, now);
            route.serve_queue(&mut inner, now);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(route) = self.route.take() else {
            return;
        };
        let now = route.now();
        let mut inner = route.inner.lock();
        inner.slots.give_back(self.taken, now);
        route.serve_queue(&mut inner, now);
    }
}

impl Route {
    /// A route without pods.
    #[must_use]
    pub fn new(key: ObjectKey, settings: RouteSettings, sink: Arc<dyn DemandSink>) -> Arc<Self> {
        Arc::new(Self {
            key,
            settings: ArcSwap::from_pointee(settings),
            inner: Mutex::new(Inner {
                slots: Slots::default(),
                state: RouteState::Open,
            }),
            triggers: AtomicU64::new(0),
            demanded: AtomicBool::new(false),
            counts: OnceLock::new(),
            sink,
            began: Instant::now(),
        })
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// The function.
    #[must_use]
    pub fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// What the gateway must know of the function.
    #[must_use]
    pub fn settings(&self) -> Arc<RouteSettings> {
        self.settings.load_full()
    }

    /// Replaces the settings when they differ.
    pub fn set_settings(&self, settings: RouteSettings) {
        if **self.settings.load() != settings {
            self.settings.store(Arc::new(settings));
        }
    }

    /// What is counted of the function's calls, from the first one on.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        self.counts.get_or_init(Box::default)
    }

    /// What was counted, when there was a call.
    #[must_use]
    pub fn counted(&self) -> Option<&Counts> {
        self.counts.get().map(Box::as_ref)
    }

    /// Counts a call and asks for a slot for it.
    pub fn admit(self: &Arc<Self>) -> Admission {
        self.triggers.fetch_add(1, Ordering::Relaxed);
        let now = self.now();
        let mut inner = self.inner.lock();
        if inner.slots.waiting() == 0
            && let Some((taken, endpoint)) = inner.slots.take(now, rand::random())
        {
            return Admission::Now(Permit {
                route: Some(Arc::clone(self)),
                taken,
                endpoint,
            });
        }
        if let RouteState::Closed(refusal) = &inner.state
            && !inner.slots.is_routable()
        {
            return Admission::Refused(refusal.clone());
        }
        let limit = self.settings.load().queue_limit;
        if inner.slots.waiting() >= limit {
            inner.slots.sweep();
        }
        if inner.slots.waiting() >= limit {
            return Admission::Refused(Refusal::QueueFull(limit));
        }
        let (answer, receiver) = oneshot::channel();
        inner.slots.wait(Ticket { answer, since: now });
        self.serve_queue(&mut inner, now);
        // While pods run, the function's actor looks at the calls by itself, every second.
        let cold = !inner.slots.is_routable();
        drop(inner);
        if cold && !self.demanded.swap(true, Ordering::AcqRel) && !self.sink.demand(&self.key) {
            self.demanded.store(false, Ordering::Release);
        }
        Admission::Held(Held {
            route: Arc::clone(self),
            answer: receiver,
        })
    }

    /// The function's actor has seen the demand; the next call without a slot tells it again.
    pub fn acknowledge_demand(&self) {
        self.demanded.store(false, Ordering::Release);
    }

    /// A pod takes calls, at most `limit` at once.
    pub fn add(self: &Arc<Self>, endpoint: Arc<Endpoint>, limit: u32) {
        let now = self.now();
        let mut inner = self.inner.lock();
        let uid = endpoint.uid.clone();
        inner.slots.add(&uid, endpoint, limit, now);
        self.serve_queue(&mut inner, now);
    }

    /// A pod takes no more calls. Returns how many it still works on.
    pub fn drain(&self, uid: &str) -> Option<u32> {
        self.inner.lock().slots.drain(uid)
    }

    /// The way to a pod's node failed: others are asked for a while, and calls wait where there are none.
    pub fn set_aside(&self, uid: &str) {
        let now = self.now();
        let until = now + AWAY.mul_f64(rand::random_range(0.5..1.5));
        self.inner.lock().slots.set_aside(uid, until, now);
    }

    /// A pod is gone.
    pub fn remove(&self, uid: &str) {
        self.inner.lock().slots.remove(uid);
    }

    /// Opens or closes the route. Closing refuses the calls that wait, unless pods still serve them.
    pub fn set_state(&self, state: RouteState) {
        let mut inner = self.inner.lock();
        inner.state = state;
        if let RouteState::Closed(refusal) = inner.state.clone()
            && !inner.slots.is_routable()
        {
            for ticket in inner.slots.drop_queue() {
                // A caller that went away needs no answer.
                let _ = ticket.answer.send(Err(refusal.clone()));
            }
        }
    }

    /// Refuses the calls that wait; later ones wait again.
    pub fn refuse_waiting(&self, refusal: &Refusal) {
        for ticket in self.inner.lock().slots.drop_queue() {
            let _ = ticket.answer.send(Err(refusal.clone()));
        }
    }

    /// Calls counted since the route was made.
    #[must_use]
    pub fn triggers(&self) -> u64 {
        self.triggers.load(Ordering::Relaxed)
    }

    /// The calls as they stand.
    #[must_use]
    pub fn load(&self) -> RouteLoad {
        let now = self.now();
        let mut inner = self.inner.lock();
        inner.slots.sweep();
        let first = inner.slots.first_waiting();
        RouteLoad {
            in_flight: inner.slots.in_flight(),
            waiting: inner.slots.waiting(),
            longest_wait: first.map_or(Duration::ZERO, |ticket| now.saturating_sub(ticket.since)),
            capacity: inner.slots.capacity(),
            ready: u32::try_from(inner.slots.routable_count()).unwrap_or(u32::MAX),
        }
    }

    /// Gives calls that wait the room that time has made.
    fn look(self: &Arc<Self>) {
        let now = self.now();
        self.serve_queue(&mut self.inner.lock(), now);
    }

    /// Calls in flight on one pod, or `None` for a pod the route does not know.
    #[must_use]
    pub fn in_flight_on(&self, uid: &str) -> Option<u32> {
        self.inner.lock().slots.in_flight_on(uid)
    }

    /// Whether any pod takes calls.
    #[must_use]
    pub fn is_routable(&self) -> bool {
        self.inner.lock().slots.is_routable()
    }

    /// Uids of the pods that take calls.
    #[must_use]
    pub fn routable(&self) -> Vec<String> {
        self.inner
            .lock()
            .slots
            .routable()
            .map(str::to_owned)
            .collect()
    }

    fn serve_queue(self: &Arc<Self>, inner: &mut Inner, now: Duration) {
        while let Some((ticket, taken, endpoint)) = inner.slots.next_match(now, rand::random()) {
            let permit = Permit {
                route: Some(Arc::clone(self)),
                taken,
                endpoint,
            };
            if let Err(Ok(mut permit)) = ticket.answer.send(Ok(permit)) {
                // The caller went away in between. The permit's own drop would lock `inner` again.
                permit.route = None;
                inner.slots.return_unused(taken, now);
            }
        }
    }
}
