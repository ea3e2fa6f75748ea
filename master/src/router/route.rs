use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Refusal, Slots, Waiting};
use crate::key::ObjectKey;
use crate::upstream::Endpoint;

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
    sink: Arc<dyn DemandSink>,
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

struct Ticket(oneshot::Sender<Result<Permit, Refusal>>);

impl Waiting for Ticket {
    fn is_gone(&self) -> bool {
        self.0.is_closed()
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
pub struct Held(oneshot::Receiver<Result<Permit, Refusal>>);

impl Held {
    /// Waits for a slot, at most `hold`.
    ///
    /// # Errors
    /// When the call is refused after all, or waited too long.
    pub async fn wait(self, hold: Duration) -> Result<Permit, Refusal> {
        match tokio::time::timeout(hold, self.0).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Refusal::Deleted),
            Err(_) => Err(Refusal::HoldExpired(hold.as_secs())),
        }
    }
}

/// A slot of a pod. Dropping it gives the slot to the next call.
pub struct Permit {
    /// `None` once the slot was given back by other means.
    route: Option<Arc<Route>>,
    endpoint: Arc<Endpoint>,
}

impl Permit {
    /// Where the call goes.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(route) = self.route.take() else {
            return;
        };
        let mut inner = route.inner.lock();
        inner.slots.give_back(&self.endpoint.uid);
        route.serve_queue(&mut inner);
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
            sink,
        })
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

    /// Counts a call and asks for a slot for it.
    pub fn admit(self: &Arc<Self>) -> Admission {
        self.triggers.fetch_add(1, Ordering::Relaxed);
        let mut inner = self.inner.lock();
        if inner.slots.waiting() == 0
            && let Some(endpoint) = inner.slots.take()
        {
            return Admission::Now(Permit {
                route: Some(Arc::clone(self)),
                endpoint,
            });
        }
        if let RouteState::Closed(refusal) = &inner.state
            && inner.slots.routable().next().is_none()
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
        let (sender, receiver) = oneshot::channel();
        inner.slots.wait(Ticket(sender));
        drop(inner);
        if !self.demanded.swap(true, Ordering::AcqRel) && !self.sink.demand(&self.key) {
            self.demanded.store(false, Ordering::Release);
        }
        Admission::Held(Held(receiver))
    }

    /// The function's actor has seen the demand; the next call without a slot tells it again.
    pub fn acknowledge_demand(&self) {
        self.demanded.store(false, Ordering::Release);
    }

    /// A pod takes calls, at most `limit` at once.
    pub fn add(self: &Arc<Self>, endpoint: Arc<Endpoint>, limit: u32) {
        let mut inner = self.inner.lock();
        let uid = endpoint.uid.clone();
        inner.slots.add(&uid, endpoint, limit);
        self.serve_queue(&mut inner);
    }

    /// A pod takes no more calls. Returns how many it still works on.
    pub fn drain(&self, uid: &str) -> Option<u32> {
        self.inner.lock().slots.drain(uid)
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
            && inner.slots.routable().next().is_none()
        {
            for Ticket(sender) in inner.slots.drop_queue() {
                // A caller that went away needs no answer.
                let _ = sender.send(Err(refusal.clone()));
            }
        }
    }

    /// Refuses the calls that wait; later ones wait again.
    pub fn refuse_waiting(&self, refusal: &Refusal) {
        for Ticket(sender) in self.inner.lock().slots.drop_queue() {
            let _ = sender.send(Err(refusal.clone()));
        }
    }

    /// Calls counted since the route was made.
    #[must_use]
    pub fn triggers(&self) -> u64 {
        self.triggers.load(Ordering::Relaxed)
    }

    /// Calls in flight and calls that wait.
    #[must_use]
    pub fn load(&self) -> (u32, usize) {
        let mut inner = self.inner.lock();
        inner.slots.sweep();
        (inner.slots.in_flight(), inner.slots.waiting())
    }

    /// Calls in flight on one pod, or `None` for a pod the route does not know.
    #[must_use]
    pub fn in_flight_on(&self, uid: &str) -> Option<u32> {
        self.inner.lock().slots.in_flight_on(uid)
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

    fn serve_queue(self: &Arc<Self>, inner: &mut Inner) {
        while let Some((Ticket(sender), endpoint)) = inner.slots.next_match() {
            let permit = Permit {
                route: Some(Arc::clone(self)),
                endpoint,
            };
            if let Err(Ok(mut permit)) = sender.send(Ok(permit)) {
                // The caller went away in between. The permit's own drop would lock `inner` again.
                permit.route = None;
                inner.slots.give_back(&permit.endpoint.uid);
            }
        }
    }
}
