mod effects;
mod routes;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, SpawnHandle};
use common::resources::{Function, Pod};
use jiff::Timestamp;

use super::plan::{Effect, Event, NO_CAPACITY, Plan, Summary};
use super::starts::Starts;
use super::{Tools, Wanted, launch};
use crate::key::ObjectKey;
use crate::router::Route;
use crate::supervisor::Guard;

/// Pods that give way are gone by then, or another function's must go.
const ROOM_WITHIN: Duration = Duration::from_secs(5);

/// The actor of one function: a shell around its [`Plan`].
pub struct FunctionActor {
    key: ObjectKey,
    function: Arc<Function>,
    pods: Vec<Arc<Pod>>,
    plan: Plan,
    tools: Arc<Tools>,
    route: Option<Arc<Route>>,
    triggers_seen: u64,
    draining: BTreeSet<String>,
    /// Effects that wait for the route to be published, or for a node to be linked.
    early: Vec<Effect>,
    /// What people are to be told soon.
    talk: Vec<Effect>,
    /// The summary that shall be shown next, while another one is being written.
    show_next: Option<Summary>,
    showing: bool,
    wake: Option<SpawnHandle>,
    starts: Starts,
    /// As others see it.
    resting: Option<Timestamp>,
    /// Until when the pods of another function that gave way for this one may take to end.
    room_comes: Option<Timestamp>,
    guard: Guard,
}

/// The Function object is this now.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Updated(pub(super) Arc<Function>);

/// The Function object is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Removed;

/// A pod's object is this now.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct PodChanged(pub(super) Arc<Pod>);

/// A pod's node says that it is ready; its object will show it.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct PodReady(pub(super) Arc<Pod>);

/// A pod's object is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct PodRemoved(pub(super) String);

/// Look at the calls now.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Wake;

/// Something happened.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Happened(pub(super) Event);

impl FunctionActor {
    /// The actor of a function whose object and pods are these.
    pub(super) fn new(
        key: ObjectKey,
        function: Arc<Function>,
        pods: Vec<Arc<Pod>>,
        tools: Arc<Tools>,
        guard: Guard,
    ) -> Self {
        let plan = Plan::new(&key.name);
        Self {
            key,
            function,
            pods,
            plan,
            tools,
            route: None,
            triggers_seen: 0,
            draining: BTreeSet::new(),
            early: Vec::new(),
            talk: Vec::new(),
            show_next: None,
            showing: false,
            wake: None,
            starts: Starts::default(),
            resting: None,
            room_comes: None,
            guard,
        }
    }

    fn feed(&mut self, event: Event, ctx: &mut Context<Self>) {
        let effects = self.plan.on(event, self.tools.clock.now(), rand::random());
        for effect in effects {
            match effect {
                effect @ (Effect::Tell { .. } | Effect::Show(_)) => self.tell_soon(effect, ctx),
                effect => self.carry_out(effect, ctx),
            }
        }
        self.show_rest(ctx);
        if self.plan.is_over() {
            ctx.stop();
        }
    }

    /// Lets others know whether its pods could go.
    fn show_rest(&mut self, ctx: &mut Context<Self>) {
        let since = self.plan.resting();
        if since != self.resting {
            self.resting = since;
            let rest = since.map(|since| (since, ctx.address().downgrade()));
            self.tools.resting.set(&self.key, rest);
        }
    }

    /// The nodes are full: another function's pods that have nothing to do give way. Whether there will be room.
    fn finds_room(&mut self) -> bool {
        let now = self.tools.clock.now();
        if self.room_comes.is_some_and(|until| now < until) {
            return true;
        }
        let Some((other, addr)) = self.tools.resting.take_longest(now) else {
            return false;
        };
        tracing::info!(function = %self.key, %other, "no room; another function's pods give way");
        if let Some(addr) = addr.upgrade() {
            addr.do_send(Happened(Event::GiveWay));
        }
        self.room_comes = now.checked_add(ROOM_WITHIN).ok();
        true
    }
}

impl Actor for FunctionActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.guard.tie(self, ctx);
        self.publish(ctx);
        // Those that stay first, so that none of them is missed when the others are seen.
        self.pods.sort_by_key(|pod| pod.disruption().is_some());
        let pods = std::mem::take(&mut self.pods);
        let pods = pods.iter().map(|pod| launch::view(pod)).collect();
        let wanted = Wanted::of(&self.function);
        self.feed(Event::Begun { wanted, pods }, ctx);
    }
}

impl Handler<Updated> for FunctionActor {
    type Result = ();

    fn handle(&mut self, Updated(function): Updated, ctx: &mut Self::Context) {
        self.function = function;
        if let Some(route) = &self.route {
            route.set_settings(self.tools.route_settings(&self.function));
        }
        self.feed(Event::Applied(Wanted::of(&self.function)), ctx);
    }
}

impl Handler<Removed> for FunctionActor {
    type Result = ();

    fn handle(&mut self, _: Removed, ctx: &mut Self::Context) {
        self.feed(Event::Deleted, ctx);
    }
}

impl Handler<PodChanged> for FunctionActor {
    type Result = ();

    fn handle(&mut self, PodChanged(pod): PodChanged, ctx: &mut Self::Context) {
        let counts = self.route.as_deref().and_then(Route::counted);
        self.starts.seen(&pod.metadata.name, pod.is_ready(), counts);
        self.feed(Event::Pod(launch::view(&pod)), ctx);
    }
}

impl Handler<PodReady> for FunctionActor {
    type Result = ();

    fn handle(&mut self, PodReady(pod): PodReady, ctx: &mut Self::Context) {
        let counts = self.route.as_deref().and_then(Route::counted);
        self.starts.seen(&pod.metadata.name, true, counts);
        self.feed(Event::ReadySooner(launch::view(&pod)), ctx);
    }
}

impl Handler<PodRemoved> for FunctionActor {
    type Result = ();

    fn handle(&mut self, PodRemoved(uid): PodRemoved, ctx: &mut Self::Context) {
        self.feed(Event::PodGone { uid }, ctx);
    }
}

impl Handler<Wake> for FunctionActor {
    type Result = ();

    fn handle(&mut self, _: Wake, ctx: &mut Self::Context) {
        let event = self.sample();
        self.feed(event, ctx);
    }
}

impl Handler<Happened> for FunctionActor {
    type Result = ();

    fn handle(&mut self, Happened(event): Happened, ctx: &mut Self::Context) {
        let event = match event {
            Event::LaunchFailed { name, reason, .. }
                if reason == NO_CAPACITY && self.finds_room() =>
            {
                Event::RoomComes { name }
            }
            other => other,
        };
        if let Event::LaunchFailed { name, .. } | Event::RoomComes { name } = &event {
            self.starts.gone(name);
        }
        self.feed(event, ctx);
    }
}
