use actix::dev::ToEnvelope;
use actix::{Actor, AsyncContext, Context, Handler, Message, WrapFuture};
use common::resources::Resource;

use crate::objects::{Change, Part, Watch};

/// Feeds a watch's changes into an actor, one after the other and none before the last one is
/// handled, until the actor ends.
pub fn follow<R, A, M>(
    mut watch: Watch<R>,
    wrap: impl Fn(Change<R>) -> M + 'static,
    actor: &A,
    ctx: &mut Context<A>,
) where
    R: Resource,
    A: Actor<Context = Context<A>> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
    Context<A>: ToEnvelope<A, M>,
{
    feed(async move || wrap(watch.next().await), actor, ctx);
}

/// The same in small pieces, for kinds of which there are very many objects.
pub fn follow_parts<R, A, M>(
    mut watch: Watch<R>,
    wrap: impl Fn(Part<R>) -> M + 'static,
    actor: &A,
    ctx: &mut Context<A>,
) where
    R: Resource,
    A: Actor<Context = Context<A>> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
    Context<A>: ToEnvelope<A, M>,
{
    feed(async move || wrap(watch.next_part().await), actor, ctx);
}

fn feed<A, M>(mut next: impl AsyncFnMut() -> M + 'static, actor: &A, ctx: &mut Context<A>)
where
    A: Actor<Context = Context<A>> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
    Context<A>: ToEnvelope<A, M>,
{
    let addr = ctx.address();
    let feed = async move { while addr.send(next().await).await.is_ok() {} };
    ctx.spawn(feed.into_actor(actor));
}
