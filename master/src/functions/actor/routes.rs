//! The function's route: which pods take its calls, and how many calls there are.

use std::sync::Arc;
use std::time::Duration;

use actix::{AsyncContext, Context, Handler, Message, WrapFuture};

use super::{FunctionActor, Wake};
use crate::functions::plan::{Effect, Event};
use crate::functions::{Load, Tools};
use crate::router::{Publish, Route};
use crate::upstream::Endpoint;

/// Between two looks for a node that is not linked, or for a router that is being restarted.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Message)]
#[rtype(result = "()")]
struct Published(Option<Arc<Route>>);

impl FunctionActor {
    /// Functions at rest are not counted, and cost nothing.
    pub(super) fn count_wanted(&self, pods: u32) {
        let Some(route) = &self.route else { return };
        if pods > 0 {
            route.counts().set_wanted(pods);
        } else if let Some(counts) = route.counted() {
            counts.set_wanted(0);
        }
    }

    pub(super) fn change_route(
        &mut self,
        route: &Arc<Route>,
        effect: Effect,
        ctx: &mut Context<Self>,
    ) {
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
                        ctx.run_later(PAUSE, Self::take_up_early);
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

    pub(super) fn publish(&self, ctx: &mut Context<Self>) {
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

    /// The calls since the last look, and which pods that leave have none.
    pub(super) fn sample(&mut self) -> Event {
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

impl Handler<Published> for FunctionActor {
    type Result = ();

    fn handle(&mut self, Published(route): Published, ctx: &mut Self::Context) {
        let Some(route) = route else {
            // The router is being restarted.
            ctx.run_later(PAUSE, |actor, ctx| actor.publish(ctx));
            return;
        };
        self.route = Some(route);
        self.take_up_early(ctx);
        let event = self.sample();
        self.feed(event, ctx);
    }
}
