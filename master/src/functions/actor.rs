use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorContext, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture,
};
use common::resources::{Function, Pod};
use jiff::Timestamp;

use super::plan::{Effect, Event, NO_CAPACITY, Plan, Summary};
use super::starts::Starts;
use super::{Load, Tools, Wanted, launch, objects};
use crate::key::ObjectKey;
use crate::objects::EventKind;
use crate::router::{Publish, Route};
use crate::supervisor::Guard;
use crate::upstream::Endpoint;

/// What people are told is written so much later: a start that calls wait for comes first, and most are
/// over by then.
const TELL_AFTER: Duration = Duration::from_millis(50);
/// Pods that give way are gone by then, or another function's must go.
const ROOM_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks for a node that is not linked.
const REACH_PAUSE: Duration = Duration::from_millis(100);

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

#[derive(Message)]
#[rtype(result = "()")]
struct Published(Option<Arc<Route>>);

#[derive(Message)]
#[rtype(result = "()")]
struct Shown;

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

    fn tell_soon(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        if let Effect::Show(summary) = &effect {
            self.count_wanted(summary.desired);
            // The newest says it all.
            self.talk.retain(|other| !matches!(other, Effect::Show(_)));
        }
        if self.talk.is_empty() {
            ctx.run_later(TELL_AFTER, |actor, ctx| {
                for effect in std::mem::take(&mut actor.talk) {
                    actor.carry_out(effect, ctx);
                }
            });
        }
        self.talk.push(effect);
    }

    fn carry_out(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Launch { name, revision } => {
                self.starts.asked(&name);
                let request = launch::Request {
                    function: Arc::clone(&self.function),
                    name,
                    revision,
                    max_body_bytes: self.tools.max_body_bytes,
                };
                let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
                let launch = async move {
                    if let Some(event) = launch::launch(&tools, request).await {
                        addr.do_send(Happened(event));
                    }
                };
                ctx.spawn(launch.into_actor(self));
            }
            Effect::Delete { uid, name } => {
                let (tools, key) = (Arc::clone(&self.tools), self.key.clone());
                let delete = async move {
                    let deleted = tools
                        .objects
                        .delete::<Pod>(&key.namespace, &name, Some(&uid))
                        .await;
                    if let Err(error) = deleted {
                        tracing::warn!(pod = name, %error, "could not delete a pod");
                    }
                };
                ctx.spawn(delete.into_actor(self));
            }
            Effect::Tell {
                warning,
                reason,
                message,
            } => {
                let kind = if warning {
                    EventKind::Warning
                } else {
                    EventKind::Normal
                };
                let (tools, function) = (Arc::clone(&self.tools), Arc::clone(&self.function));
                let tell = async move {
                    tools
                        .objects
                        .record(&*function, kind, "functions", reason, &message)
                        .await;
                };
                ctx.spawn(tell.into_actor(self));
            }
            Effect::Show(summary) => {
                self.show_next = Some(summary);
                self.show(ctx);
            }
            Effect::WakeIn(delay) => {
                if let Some(wake) = self.wake.take() {
                    ctx.cancel_future(wake);
                }
                self.wake = Some(ctx.notify_later(Wake, delay));
            }
            effect => match self.route.clone() {
                Some(route) => self.change_route(&route, effect, ctx),
                None => self.early.push(effect),
            },
        }
    }

    /// Functions at rest are not counted, and cost nothing.
    fn count_wanted(&self, pods: u32) {
        let Some(route) = &self.route else { return };
        if pods > 0 {
            route.counts().set_wanted(pods);
        } else if let Some(counts) = route.counted() {
            counts.set_wanted(0);
        }
    }

    fn change_route(&mut self, route: &Arc<Route>, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Route {
                uid,
                name,
                node,
                limit,
            } => match self.tools.nodes.reach(&node, &uid) {
                Some(reach) => {
                    self.draining.remove(&uid);
                    route.add(Arc::new(Endpoint::new(uid, name, node, reach)), limit);
                }
                None => {
                    // A master that has just begun knows the pod before its agent has dialled.
                    tracing::debug!(
                        pod = name,
                        node,
                        "pod is ready on a node that is not linked"
                    );
                    if self.early.is_empty() {
                        ctx.run_later(REACH_PAUSE, Self::take_up_early);
                    }
                    self.early.push(Effect::Route {
                        uid,
                        name,
                        node,
                        limit,
                    });
                }
            },
            Effect::Drain { uid } => {
                self.forget_early(&uid);
                route.drain(&uid);
                if route.in_flight_on(&uid).unwrap_or(0) == 0 {
                    // It need not wait for the next look at the calls.
                    ctx.notify(Wake);
                }
                self.draining.insert(uid);
            }
            Effect::Unroute { uid } => {
                self.forget_early(&uid);
                self.draining.remove(&uid);
                route.remove(&uid);
            }
            Effect::SetRoute(state) => route.set_state(state),
            Effect::Launch { .. }
            | Effect::Delete { .. }
            | Effect::Tell { .. }
            | Effect::Show(_)
            | Effect::WakeIn(_) => {}
        }
    }

    /// Carries out what had to wait for the route, or for a node.
    fn take_up_early(&mut self, ctx: &mut Context<Self>) {
        for effect in std::mem::take(&mut self.early) {
            self.carry_out(effect, ctx);
        }
    }

    fn forget_early(&mut self, pod: &str) {
        self.early
            .retain(|effect| !matches!(effect, Effect::Route { uid, .. } if uid == pod));
    }

    /// Writes the last summary; one write at a time, the newest wins.
    fn show(&mut self, ctx: &mut Context<Self>) {
        if self.showing {
            return;
        }
        let Some(summary) = self.show_next.take() else {
            return;
        };
        self.showing = true;
        let (tools, function, addr) = (
            Arc::clone(&self.tools),
            Arc::clone(&self.function),
            ctx.address(),
        );
        let show = async move {
            objects::show(&tools.objects, &function, &summary, tools.clock.now()).await;
            addr.do_send(Shown);
        };
        ctx.spawn(show.into_actor(self));
    }

    fn publish(&self, ctx: &mut Context<Self>) {
        let publish = Publish {
            key: self.key.clone(),
            settings: self.tools.route_settings(&self.function),
        };
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let publish = async move {
            let route = tools.router.ask(publish, Tools::ASK_DEADLINE).await;
            addr.do_send(Published(route.ok()));
        };
        ctx.spawn(publish.into_actor(self));
    }

    fn sample(&mut self) -> Event {
        let Some(route) = &self.route else {
            return Event::Sampled {
                load: Load::default(),
                idle: Vec::new(),
            };
        };
        route.acknowledge_demand();
        let triggers = route.triggers();
        let now = route.load();
        let load = Load {
            triggers: triggers.saturating_sub(self.triggers_seen),
            in_flight: now.in_flight,
            waiting: u32::try_from(now.waiting).unwrap_or(u32::MAX),
            longest_wait: now.longest_wait,
            capacity: now.capacity,
            // The plan knows which pods are ready.
            ready: 0,
        };
        self.triggers_seen = triggers;
        let is_idle = |uid: &&String| route.in_flight_on(uid).unwrap_or(0) == 0;
        let idle = self.draining.iter().filter(is_idle).cloned().collect();
        Event::Sampled { load, idle }
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

impl Handler<Published> for FunctionActor {
    type Result = ();

    fn handle(&mut self, Published(route): Published, ctx: &mut Self::Context) {
        let Some(route) = route else {
            // The router is being restarted.
            ctx.run_later(Duration::from_millis(100), Self::publish_again);
            return;
        };
        self.route = Some(route);
        self.take_up_early(ctx);
        let event = self.sample();
        self.feed(event, ctx);
    }
}

impl FunctionActor {
    fn publish_again(&mut self, ctx: &mut Context<Self>) {
        self.publish(ctx);
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

impl Handler<Shown> for FunctionActor {
    type Result = ();

    fn handle(&mut self, _: Shown, ctx: &mut Self::Context) {
        self.showing = false;
        self.show(ctx);
    }
}
