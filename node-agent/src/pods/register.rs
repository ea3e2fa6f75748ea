use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix::Addr;
use common::link::{PodReport, PodState};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::actor::PodActor;

/// Removed pods whose report was not yet taken; older ones are forgotten, which the next full
/// exchange with the master makes good.
const MAX_GONE: usize = 4096;

/// What all pods are known by. Shared with the actors; holds no actor's state.
pub(super) struct Register {
    pub(super) entries: Mutex<BTreeMap<String, Entry>>,
    pub(super) news: Mutex<News>,
    pub(super) changed: Notify,
    pub(super) deaths: mpsc::Sender<String>,
    pub(super) closed: AtomicBool,
}

/// What is known of one pod.
pub(super) struct Entry {
    /// None while its actor is being made.
    pub(super) address: Option<Addr<PodActor>>,
    pub(super) report: PodReport,
    pub(super) user: Option<u32>,
    /// The port it serves on, when not on the platform's socket.
    pub(super) port: Option<u16>,
    /// Its own network, once it was found.
    pub(super) network: Option<Arc<OwnedFd>>,
    pub(super) grace: Duration,
    /// How often its actor died.
    pub(super) deaths: u32,
    /// It is not wanted any more; kept here so that the wish outlives the actor.
    pub(super) unwanted: Option<Duration>,
}

/// Pods that changed since the link looked: a set, so that it cannot outgrow the pods.
#[derive(Default)]
pub(super) struct News {
    pub(super) changed: BTreeSet<String>,
    pub(super) gone: VecDeque<PodReport>,
}

impl Register {
    /// An actor tells its pod's state.
    pub(super) fn changed(&self, report: PodReport) {
        let mut news = self.news.lock();
        if report.state == PodState::Gone {
            self.entries.lock().remove(&report.uid);
            news.changed.remove(&report.uid);
            news.gone.push_back(report);
            if news.gone.len() > MAX_GONE {
                news.gone.pop_front();
            }
        } else {
            news.changed.insert(report.uid.clone());
            if let Some(entry) = self.entries.lock().get_mut(&report.uid) {
                entry.report = report;
            }
        }
        drop(news);
        self.changed.notify_waiters();
    }

    /// Where a pod that serves on a port is reached from now on.
    pub(super) fn found_network(&self, uid: &str, network: &Arc<OwnedFd>) {
        if let Some(entry) = self.entries.lock().get_mut(uid) {
            entry.network = Some(Arc::clone(network));
        }
    }

    pub(super) fn actor_died(&self, uid: &str) {
        tracing::error!(
            pod = uid,
            "pod's actor died; it is made anew from the pod's record"
        );
        // A full queue is one that is being worked off; the pod is looked at with the others.
        let _ = self.deaths.try_send(uid.to_owned());
    }
}
