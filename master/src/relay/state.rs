use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::line::Sender;
use crate::api::auth::Entrance;
use crate::store::lead::Leader;

/// Most requests under way in one thread.
const MOST: usize = 4096;

/// What the handlers of one thread share.
pub struct Relay {
    /// The port that it serves.
    pub(super) entrance: Entrance,
    /// This master as a leader.
    me: Arc<Leader>,
    /// Who leads.
    pub(super) leaders: watch::Receiver<Option<Leader>>,
    /// Trust and the master's own certificate.
    pub(super) tls: Arc<ClientConfig>,
    /// Connections that wait for a request, with the leader they lead to.
    pub(super) idle: RefCell<Vec<(String, Sender)>>,
    /// One permit per request.
    pub(super) turns: Arc<Semaphore>,
}

impl Relay {
    /// Hands on what comes in by a port of the master `me`, to whoever leads. `tls` carries the masters' certificate.
    #[must_use]
    pub fn new(
        entrance: Entrance,
        me: Arc<Leader>,
        leaders: watch::Receiver<Option<Leader>>,
        tls: Arc<ClientConfig>,
    ) -> Self {
        Self {
            entrance,
            me,
            leaders,
            tls,
            idle: RefCell::default(),
            turns: Arc::new(Semaphore::new(MOST)),
        }
    }

    /// Who leads; waits for one until a time. An earlier life of this master, whose lease still runs, is nobody: at its
    /// address there is this one.
    pub(super) async fn leader(&self, until: Instant) -> Option<Leader> {
        let mut leaders = self.leaders.clone();
        let leads = |leader: &Leader| {
            !leader.url.is_empty() && (self.is_own(leader) || leader.url != self.me.url)
        };
        let known = leaders.wait_for(|leader| leader.as_ref().is_some_and(leads));
        timeout_at(until, known).await.ok()?.ok()?.clone()
    }

    /// Whether the leader is this very master: then its ports are served by others now.
    pub(super) fn is_own(&self, leader: &Leader) -> bool {
        leader.id == self.me.id
    }

    /// Ends when somebody else leads.
    pub(super) async fn succeeded(&self, leader: &Leader) {
        let mut leaders = self.leaders.clone();
        let other = |now: &Option<Leader>| now.as_ref().is_some_and(|now| now.id != leader.id);
        if leaders.wait_for(other).await.is_err() {
            std::future::pending().await
        }
    }

    /// Waits a moment, less when another master takes the lead.
    pub(super) async fn pause(&self, leader: &Leader, at_most: Duration) {
        tokio::select! {
            () = self.succeeded(leader) => {}
            () = tokio::time::sleep(at_most) => {}
        }
    }
}
