use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Message, Recipient, WrapFuture,
};
use tokio_util::sync::CancellationToken;

/// A child ended.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct ChildDown {
    /// The child, as its parent names it.
    pub id: String,
    /// Which life of the child ended.
    pub generation: u64,
    /// Whether it panicked, rather than stopping by itself.
    pub panicked: bool,
}

/// Held by a child as long as it lives. Dropping it tells the parent.
#[derive(Debug)]
pub struct Guard {
    id: String,
    generation: u64,
    parent: Recipient<ChildDown>,
    leash: CancellationToken,
}

impl Guard {
    /// The guard of one life of a child. Cancelling `leash` means that the parent is gone.
    #[must_use]
    pub fn new(
        id: String,
        generation: u64,
        parent: Recipient<ChildDown>,
        leash: CancellationToken,
    ) -> Self {
        Self {
            id,
            generation,
            parent,
            leash,
        }
    }

    /// Ends the child when its parent falls: the parent's next life starts children of its own, and
    /// nothing must be done by two actors at once. Called by the child when it has started.
    pub fn tie<A: Actor<Context = Context<A>>>(&self, actor: &A, ctx: &mut Context<A>) {
        let gone = self.leash.clone().cancelled_owned().into_actor(actor);
        ctx.spawn(gone.map(|(), _, ctx: &mut Context<A>| ctx.terminate()));
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // actix drops a panicking actor during the unwinding, so this tells a panic from a stop.
        self.parent.do_send(ChildDown {
            id: std::mem::take(&mut self.id),
            generation: self.generation,
            panicked: std::thread::panicking(),
        });
    }
}
