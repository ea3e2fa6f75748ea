use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture};
use jiff::Timestamp;

use super::attempt::{Attempted, attempt, soon};
use super::follow::Follow;
use super::{Carry, Effect, Event, Id, Ledger, Plan, Width};
use crate::supervisor::Guard;

/// How often what was kept long enough is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How often it is looked whether more is kept than may be.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What the room needs.
pub struct InvocationsTools {
    /// The invocations in the store.
    pub ledger: Ledger,
    /// Makes calls.
    pub carry: Arc<dyn Carry>,
    /// Attempts at once.
    pub width: Width,
}

/// The room of the asynchronous calls: feeds the plan and carries out attempts.
pub struct Invocations {
    tools: Arc<InvocationsTools>,
    plan: Plan,
    attempts: HashMap<Id, tokio::task::AbortHandle>,
    wake: Option<(Timestamp, SpawnHandle)>,
    sweeping: bool,
    _guard: Guard,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Happened(Vec<Event>);

#[derive(Message)]
#[rtype(result = "()")]
struct Over(Id, Attempted);

#[derive(Message)]
#[rtype(result = "()")]
struct Wake;

#[derive(Message)]
#[rtype(result = "()")]
struct Swept {
    /// Whether the first sweep shall follow.
    again: bool,
}

impl Invocations {
    /// The room; it finds in the store what there is to do.
    #[must_use]
    pub fn new(tools: Arc<InvocationsTools>, guard: Guard) -> Self {
        let plan = Plan::new(tools.width);
        Self {
            tools,
            plan,
            attempts: HashMap::new(),
            wake: None,
            sweeping: false,
            _guard: guard,
        }
    }

    fn on(&mut self, event: Event, ctx: &mut Context<Self>) {
        let now = self.tools.ledger.clock.now();
        for effect in self.plan.on(event, now) {
            match effect {
                Effect::Start(id) => self.start(id, ctx),
                Effect::WakeAt(at) => self.wake_at(at, now, ctx),
            }
        }
    }

    fn start(&mut self, id: Id, ctx: &mut Context<Self>) {
        let (tools, addr) = (Arc::clone(&self.tools), ctx.address());
        let made = Arc::clone(&self.tools);
        let work = tokio::spawn(async move { attempt(&made.ledger, &*made.carry, id).await });
        self.attempts.insert(id, work.abort_handle());
        let end = async move {
            let attempted = work.await.unwrap_or_else(|error| {
                tracing::error!(invocation = %id, %error, "an attempt fell");
                soon(&tools.ledger)
            });
            // There are never more of these than attempts at once.
            addr.do_send(Over(id, attempted));
        };
        ctx.spawn(end.into_actor(self));
    }

    fn wake_at(&mut self, at: Timestamp, now: Timestamp, ctx: &mut Context<Self>) {
        if let Some((known, handle)) = self.wake.take() {
            if known <= at {
                self.wake = Some((known, handle));
                return;
            }
            ctx.cancel_future(handle);
        }
        let rest = Duration::try_from(at.duration_since(now)).unwrap_or_default();
        // A whole millisecond more: the timer must not ring before the clock agrees.
        let handle = ctx.notify_later(Wake, rest + Duration::from_millis(1));
        self.wake = Some((at, handle));
    }

    fn sweep(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.sweeping, true) {
            return;
        }
        let (ledger, addr) = (self.tools.ledger.clone(), ctx.address());
        let sweep = async move {
            match ledger.sweep().await {
                Ok(0) => {}
                Ok(swept) => tracing::debug!(swept, "forgot ended invocations"),
                Err(error) => tracing::warn!(%error, "could not forget ended invocations"),
            }
            addr.do_send(Swept { again: false });
        };
        ctx.spawn(sweep.into_actor(self));
    }
}

impl Actor for Invocations {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (ledger, addr) = (&self.tools.ledger, ctx.address());
        let mut follow = Follow::new(Arc::clone(&ledger.store), ledger.backlog.clone());
        let follow = async move { while addr.send(Happened(follow.next().await)).await.is_ok() {} };
        ctx.spawn(follow.into_actor(self));
        ctx.run_interval(SWEEP_EVERY, Self::sweep);
        ctx.run_interval(LOOK_EVERY, |room, ctx| {
            if room.tools.ledger.keeps_too_much() {
                room.sweep(ctx);
            }
        });
        let (ledger, addr) = (ledger.clone(), ctx.address());
        self.sweeping = true;
        let count = async move {
            if let Err(error) = ledger.count_kept().await {
                tracing::warn!(%error, "could not count the answers that are kept");
            }
            addr.do_send(Swept { again: true });
        };
        ctx.spawn(count.into_actor(self));
    }
}

impl Drop for Invocations {
    fn drop(&mut self) {
        // After a panic too: the next life of the room makes the attempts again.
        self.attempts
            .values()
            .for_each(tokio::task::AbortHandle::abort);
    }
}

impl Handler<Happened> for Invocations {
    type Result = ();

    fn handle(&mut self, Happened(events): Happened, ctx: &mut Self::Context) {
        for event in events {
            self.on(event, ctx);
        }
    }
}

impl Handler<Over> for Invocations {
    type Result = ();

    fn handle(&mut self, Over(id, attempted): Over, ctx: &mut Self::Context) {
        self.attempts.remove(&id);
        let event = match attempted {
            Attempted::Over => Event::Finished(id),
            Attempted::Later(due) => Event::Again(id, due),
        };
        self.on(event, ctx);
    }
}

impl Handler<Wake> for Invocations {
    type Result = ();

    fn handle(&mut self, _: Wake, ctx: &mut Self::Context) {
        self.wake = None;
        self.on(Event::Tick, ctx);
    }
}

impl Handler<Swept> for Invocations {
    type Result = ();

    fn handle(&mut self, Swept { again }: Swept, ctx: &mut Self::Context) {
        self.sweeping = false;
        if again {
            self.sweep(ctx);
        }
    }
}
