use std::sync::Arc;

use actix::{Actor, AsyncContext, Context, Handler, Message};

use super::{DemandSink, Refusal, Route, RouteSettings, RouteState, RouteTable, Routes};
use crate::key::ObjectKey;
use crate::supervisor::Guard;

/// Publishes the route table. The last published table outlives the actor, so a restarted router goes
/// on from it.
pub struct Router {
    routes: Routes,
    /// The next table, while changes wait to be published.
    draft: Option<RouteTable>,
    sink: Arc<dyn DemandSink>,
    _guard: Guard,
}

/// Makes sure that a function has a route with these settings.
#[derive(Message)]
#[rtype(result = "Arc<Route>")]
pub struct Publish {
    /// The function.
    pub key: ObjectKey,
    /// What the gateway must know of it.
    pub settings: RouteSettings,
}

/// A function is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Withdraw(pub ObjectKey);

/// Sent to itself: behind it in the mailbox stand the changes that go into the next table.
#[derive(Message)]
#[rtype(result = "()")]
struct Flush;

impl Router {
    /// A router that goes on from what `routes` holds.
    #[must_use]
    pub fn new(routes: Routes, sink: Arc<dyn DemandSink>, guard: Guard) -> Self {
        Self {
            routes,
            draft: None,
            sink,
            _guard: guard,
        }
    }

    fn draft(&mut self, ctx: &mut Context<Self>) -> &mut RouteTable {
        if self.draft.is_none() {
            // Applying many functions at once shall copy the table once, not once each.
            ctx.notify(Flush);
        }
        self.draft
            .get_or_insert_with(|| (*self.routes.snapshot()).clone())
    }
}

impl Actor for Router {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4096);
    }
}

impl Handler<Publish> for Router {
    type Result = Arc<Route>;

    fn handle(
        &mut self,
        Publish { key, settings }: Publish,
        ctx: &mut Self::Context,
    ) -> Arc<Route> {
        let known = match &self.draft {
            Some(draft) => draft.get(&key.namespace, &key.name).cloned(),
            None => self.routes.find(&key.namespace, &key.name),
        };
        if let Some(route) = known {
            route.set_settings(settings);
            return route;
        }
        let route = Route::new(key, settings, Arc::clone(&self.sink));
        self.draft(ctx).insert(Arc::clone(&route));
        route
    }
}

impl Handler<Withdraw> for Router {
    type Result = ();

    fn handle(&mut self, Withdraw(key): Withdraw, ctx: &mut Self::Context) {
        if let Some(route) = self.draft(ctx).remove(&key) {
            route.set_state(RouteState::Closed(Refusal::Deleted));
            route.refuse_waiting(&Refusal::Deleted);
        }
    }
}

impl Handler<Flush> for Router {
    type Result = ();

    fn handle(&mut self, _: Flush, _: &mut Self::Context) {
        if let Some(draft) = self.draft.take() {
            self.routes.publish(draft);
        }
    }
}
