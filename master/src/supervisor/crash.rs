//! For tests: makes an actor panic in mid-work.

use actix::{Actor, Context, Handler, Message};

use crate::functions::{FunctionActor, Functions};
use crate::images::Images;
use crate::invocations::Invocations;
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
    WorkflowRunActor,
    Invocations
);

macro_rules! crashes_children {
    ($($parent:ty),*) => {$(
        impl Handler<CrashChild> for $parent {
            type Result = ();

            fn handle(&mut self, CrashChild(id): CrashChild, _: &mut Self::Context) {
                let is_meant = |child: &str| {
                    child.strip_prefix(&id).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                };
                let mut children = self.children.iter().flat_map(|children| children.iter());
                let (_, child) = children.find(|(child, _)| is_meant(child)).expect("no such child");
                child.do_send(Crash);
            }
        }
    )*};
}

crashes_children!(Nodes, Functions, Workflows);
