use std::fmt;

use actix_web::http::header::HeaderName;
use actix_web::{HttpResponse, HttpResponseBuilder};
use common::metrics::{Collector, DescriptorEncoder, gauges};
use tokio::sync::watch;

use crate::store::lead::Leader;

/// The header that says whether the master leads: `leader` or `standby`.
const ROLE: HeaderName = HeaderName::from_static("x-troupe-role");
/// The header that says where the leader is.
const LEADER: HeaderName = HeaderName::from_static("x-troupe-leader");

/// What this master is among the cluster's.
#[derive(Clone, Debug)]
pub enum Role {
    /// It runs the tree of actors.
    Leader,
    /// It hands requests to the leader, where one is known.
    Standby(watch::Receiver<Option<Leader>>),
}

impl Role {
    /// The address of the leader, when it is another one and known.
    fn leader(&self) -> Option<String> {
        match self {
            Self::Leader => None,
            Self::Standby(leaders) => leaders.borrow().as_ref().map(|l| l.url.clone()),
        }
    }

    /// Whether somebody leads.
    pub(super) fn has_leader(&self) -> bool {
        matches!(self, Self::Leader) || self.leader().is_some()
    }

    /// An answer that tells.
    pub(super) fn answer(&self) -> HttpResponseBuilder {
        let word = match self {
            Self::Leader => "leader",
            Self::Standby(_) => "standby",
        };
        let mut response = HttpResponse::Ok();
        response
            .content_type("text/plain; charset=utf-8")
            .insert_header((ROLE, word));
        if let Some(url) = self.leader() {
            response.insert_header((LEADER, url));
        }
        response
    }
}

impl Collector for Role {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let leads = f64::from(u8::from(matches!(self, Self::Leader)));
        let help = "1 on the master that leads, 0 on those that stand by";
        gauges(
            &mut encoder,
            "troupe_master_leads",
            help,
            [(Vec::new(), leads)],
        )
    }
}
