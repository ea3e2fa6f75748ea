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

    /// Who leads and can be asked; waits for one until a time.
    pub(super) async fn leader(&self, until: Instant) -> Option<Leader> {
        let mut leaders = self.leaders.clone();
        let leads = |leader: &Leader| can_be_asked(leader, &self.me);
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

/// Whether `me` finds the leader at its address. An earlier life of this master, whose lease still runs, is not there:
/// this one is.
fn can_be_asked(leader: &Leader, me: &Leader) -> bool {
    !leader.url.is_empty() && (leader.id == me.id || leader.url != me.url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_life_of_this_master_is_not_asked() {
        let master = |id: &str, url: &str| Leader {
            id: id.to_owned(),
            url: url.to_owned(),
        };
        let me = master("second life", "https://a:6443");
        assert!(!can_be_asked(&master("first life", "https://a:6443"), &me));
        assert!(!can_be_asked(&master("old version", ""), &me));
        assert!(can_be_asked(&master("other", "https://b:6443"), &me));
        assert!(can_be_asked(&me, &me));
    }
}
