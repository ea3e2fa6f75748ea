use std::sync::Arc;
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, MailboxError, Message};
use arc_swap::ArcSwapOption;

/// A room's address that stays the same while the actor behind it is restarted. Cheap to clone.
pub struct Mailbox<A: Actor> {
    name: &'static str,
    current: Arc<ArcSwapOption<Addr<A>>>,
}

/// An ask got no answer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AskError {
    /// It is being restarted, or fell over the question.
    #[error("ask {0}: it is restarting; try again")]
    Down(&'static str),
    /// It did not answer in time.
    #[error("ask {0}: no answer in time")]
    Timeout(&'static str),
}

impl<A: Actor> Clone for Mailbox<A> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            current: Arc::clone(&self.current),
        }
    }
}

impl<A: Actor> Mailbox<A> {
    /// A mailbox nobody empties yet.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            current: Arc::new(ArcSwapOption::empty()),
        }
    }

    /// Name of the room.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Puts a new actor behind the mailbox.
    pub fn attach(&self, addr: Addr<A>) {
        self.current.store(Some(Arc::new(addr)));
    }

    /// Sends and forgets. Only for messages that a later one makes up for: when the room is down or
    /// its mailbox is full, the message is lost and `false` comes back.
    pub fn tell<M>(&self, message: M) -> bool
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        self.current
            .load()
            .as_ref()
            .is_some_and(|addr| addr.try_send(message).is_ok())
    }

    /// Sends and waits for the answer.
    ///
    /// # Errors
    /// When the room is down, or does not answer within `deadline`.
    pub async fn ask<M>(&self, message: M, deadline: Duration) -> Result<M::Result, AskError>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        let addr = self.current.load_full().ok_or(AskError::Down(self.name))?;
        addr.send(message)
            .timeout(deadline)
            .await
            .map_err(|error| match error {
                MailboxError::Timeout => AskError::Timeout(self.name),
                MailboxError::Closed => AskError::Down(self.name),
            })
    }
}
