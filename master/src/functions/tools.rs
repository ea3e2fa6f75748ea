use std::sync::Arc;
use std::time::Duration;

use actix::WeakAddr;
use common::resources::{Access, Function};

use super::{FunctionActor, Resting};
use crate::clock::Clock;
use crate::nodes::NodeBook;
use crate::objects::Objects;
use crate::router::{RouteSettings, Router, Routes};
use crate::scheduler::Scheduler;
use crate::supervisor::Mailbox;

/// What the actors of functions use to carry out their plans.
pub struct Tools {
    /// The API's objects.
    pub objects: Objects,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Publishes routes.
    pub router: Mailbox<Router>,
    /// The routes as published.
    pub routes: Routes,
    /// Places pods.
    pub scheduler: Mailbox<Scheduler>,
    /// How nodes are reached.
    pub nodes: NodeBook,
    /// Longest time a call may wait for a pod.
    pub hold: Duration,
    /// Most calls that wait for one function.
    pub queue_limit: usize,
    /// Largest request body, in bytes.
    pub max_body_bytes: u64,
    /// Who could give way to others.
    pub resting: Resting<WeakAddr<FunctionActor>>,
}

impl Tools {
    /// Longest wait for another room's answer.
    pub(super) const ASK_DEADLINE: Duration = Duration::from_secs(5);

    /// What the gateway must know of a function.
    #[must_use]
    pub(super) fn route_settings(&self, function: &Function) -> RouteSettings {
        RouteSettings {
            timeout: Duration::from_secs(u64::from(function.spec.timeout_seconds())),
            hold: self.hold,
            queue_limit: self.queue_limit,
            open: function.spec.access == Some(Access::Open),
            retry: function.spec.retry,
        }
    }
}
