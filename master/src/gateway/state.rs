use std::time::Duration;

use actix_web::HttpRequest;

use super::{BodyRoom, Doorkeeper};
use crate::api::auth::{Entrance, Introduction};
use crate::calls::Calls;
use crate::invocations::Ledger;
use crate::objects::Objects;
use crate::workflows::RunWaiters;

/// What the gateway's handlers share.
pub struct Gateway {
    /// Makes calls.
    pub calls: Calls,
    /// The API's objects.
    pub objects: Objects,
    /// Those who wait for the end of runs.
    pub waiters: RunWaiters,
    /// Calls that are answered before they are made.
    pub invocations: Ledger,
    /// Who may come in by this master's own door.
    pub doorkeeper: Doorkeeper,
    /// What requests may take.
    pub limits: Limits,
    /// Room for the bodies of all of them.
    pub bodies: BodyRoom,
}

impl Gateway {
    /// Who watches the door by which a request came in: that of the master which handed it on, if one did.
    pub(super) fn doorkeeper(&self, request: &HttpRequest) -> Doorkeeper {
        match Introduction::of(request).map(|said| said.entrance) {
            Some(Entrance::LocalGateway) => Doorkeeper::Nobody,
            Some(Entrance::Gateway) => Doorkeeper::Token,
            Some(Entrance::Api | Entrance::StepFunctions) | None => self.doorkeeper,
        }
    }
}

/// What requests may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest body, in bytes.
    pub body_bytes: usize,
    /// Longest time a client may take to send its body.
    pub body_time: Duration,
    /// How long a request waits for the end of a run it started.
    pub run_wait: Duration,
    /// The longest wait a client may ask for.
    pub longest_run_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 6 << 20,
            body_time: Duration::from_secs(60),
            run_wait: Duration::from_secs(30),
            longest_run_wait: Duration::from_secs(900),
        }
    }
}
