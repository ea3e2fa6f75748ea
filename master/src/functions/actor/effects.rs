//! What the plan wants done outside, and what people are told.

use std::sync::Arc;
use std::time::Duration;

use actix::{AsyncContext, Context, Handler, Message, WrapFuture};
use common::resources::Pod;

use super::{FunctionActor, Happened, Wake};
use crate::functions::plan::Effect;
use crate::functions::{launch, objects};
use crate::objects::{EventKind, insist};

/// What people are told is written so much later: a start that calls wait for comes first, and most are
/// over by then.
const TELL_AFTER: Duration = Duration::from_millis(50);

#[derive(Message)]
#[rtype(result = "()")]
struct Shown;

impl FunctionActor {
    pub(super) fn tell_soon(&mut self, effect: Effect, ctx: &mut Context<Self>) {
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

    pub(super) fn carry_out(&mut self, effect: Effect, ctx: &mut Context<Self>) {
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
                    let delete = || {
                        let objects = &tools.objects;
                        objects.delete::<Pod>(&key.namespace, &name, Some(&uid))
                    };
                    if let Err(error) = insist("delete a pod", delete).await {
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
}

impl Handler<Shown> for FunctionActor {
    type Result = ();

    fn handle(&mut self, _: Shown, ctx: &mut Self::Context) {
        self.showing = false;
        self.show(ctx);
    }
}
