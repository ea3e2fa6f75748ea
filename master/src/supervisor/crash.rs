//! For tests: makes an actor panic in mid-work.

use actix::{Actor, Context, Handler, Message};

use crate::functions::{FunctionActor, Functions};
use crate::images::Images;
use crate::nodes::{NodeActor, Nodes};
use crate::router::Router;
use crate::scheduler::Scheduler;
use crate::workflows::{WorkflowRunActor, Workflows};

/// Panic now.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Crash;

/// Make this child panic.
#[derive(Message)]
#[rtype(result = "()")]
pub struct CrashChild(pub String);

macro_rules! crashes {
    ($($actor:ty),*) => {$(
        impl Handler<Crash> for $actor
        where
            Self: Actor<Context = Context<Self>>,
        {
            type Result = ();

            fn handle(&mut self, _: Crash, _: &mut Self::Context) {
                panic!("{} was told to panic", stringify!($actor));
            }
        }
    )*};
}

crashes!(
    Router,
    Scheduler,
    Images,
    Nodes,
    NodeActor,
    Functions,
    FunctionActor,
    Workflows,
    WorkflowRunActor
);

macro_rules! crashes_children {
    ($($parent:ty),*) => {$(
        impl Handler<CrashChild> for $parent {
            type Result = ();

            fn handle(&mut self, CrashChild(id): CrashChild, _: &mut Self::Context) {
                if let Some(child) = self.children.as_ref().and_then(|c| c.get(&id)) {
                    child.do_send(Crash);
                }
            }
        }
    )*};
}

crashes_children!(Nodes, Functions, Workflows);
