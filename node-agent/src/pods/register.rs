use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::{Actor as _, Addr};
use common::link::{PodAssignment, PodReport, PodState};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::actor::{PodActor, Tell};
use super::effects::PodRoom;
use super::machine::Event;
use super::record::Record;
use crate::chain::chain;
use crate::layout::is_uid;
use crate::runtime::Adopted;

/// Removed pods whose report was not yet taken; older ones are forgotten, which the next full
/// exchange with the master makes good.
const MAX_GONE: usize = 4096;
/// An actor that dies more often than this has its pod ended.
const MAX_DEATHS: u32 = 3;
const DEATHS_QUEUE: usize = 256;

/// What all pods are known by. Shared with the actors; holds no actor's state.
pub(super) struct Register {
    entries: Mutex<BTreeMap<String, Entry>>,
    news: Mutex<News>,
    changed: Notify,
    deaths: mpsc::Sender<String>,
    closed: AtomicBool,
}

struct Entry {
    address: Option<Addr<PodActor>>,
    report: PodReport,
    user: Option<u32>,
    grace: Duration,
    deaths: u32,
}

/// Pods that changed since the link looked: a set, so that it cannot outgrow the pods.
#[derive(Default)]
struct News {
    changed: BTreeSet<String>,
    gone: VecDeque<PodReport>,
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

    pub(super) fn actor_died(&self, uid: &str) {
        tracing::error!(pod = uid, "pod's actor died; it is made anew from the pod's record");
        // A full queue is one that is being worked off; the pod is looked at with the others.
        let _ = self.deaths.try_send(uid.to_owned());
    }
}

/// Where to reach a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The directory of its socket.
    pub run: PathBuf,
    /// Who must own the socket.
    pub owner: u32,
}

/// All pods of the node. Cheap to clone.
#[derive(Clone)]
pub struct Pods {
    register: Arc<Register>,
    room: Arc<PodRoom>,
    max: usize,
}

impl Pods {
    /// No pods yet; [`Pods::adopt`] finds those of earlier agents. Needs an actix system.
    #[must_use]
    pub fn new(room: PodRoom, max: u32) -> Self {
        let (deaths, inbox) = mpsc::channel(DEATHS_QUEUE);
        let register = Register {
            entries: Mutex::default(),
            news: Mutex::default(),
            changed: Notify::new(),
            deaths,
            closed: AtomicBool::new(false),
        };
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let pods = Self { register: Arc::new(register), room: Arc::new(room), max };
        actix_rt::spawn(watch_deaths(pods.clone(), inbox));
        pods
    }

    /// Makes sure that a pod runs; nothing to do when it is known.
    pub fn ensure(&self, assignment: PodAssignment) {
        let uid = assignment.uid.clone();
        let closed = self.register.closed.load(Ordering::Relaxed);
        if closed || self.register.entries.lock().contains_key(&uid) {
            return;
        }
        let mut record = Record::new(&assignment, None);
        if let Err(problem) = self.admit(&mut record) {
            let report = &mut record.report;
            report.state = PodState::Failed;
            report.reason = Some("NotAdmitted".to_owned());
            report.message = Some(problem);
            if is_uid(&uid) {
                self.enter(record, None);
            }
            return;
        }
        self.enter(record, Some(assignment));
    }

    fn admit(&self, record: &mut Record) -> Result<(), String> {
        let uid = record.report.uid.clone();
        if !is_uid(&uid) {
            return Err("its uid cannot name a directory".to_owned());
        }
        if self.register.entries.lock().len() >= self.max {
            return Err(format!("the node has {} pods already, its most", self.max));
        }
        let user = self.room.uids.take().map_err(|error| error.to_string())?;
        if let Err(error) = self.room.make_directories(&uid, user) {
            self.room.uids.give_back(user);
            return Err(chain(&error));
        }
        record.user = user;
        Ok(())
    }

    /// Enters a pod and starts its actor. Without an assignment it only waits for its removal.
    fn enter(&self, record: Record, assignment: Option<PodAssignment>) {
        let report = record.report.clone();
        let uid = report.uid.clone();
        let entry = Entry {
            address: None,
            report: report.clone(),
            user: record.user,
            grace: Duration::from_secs(u64::from(record.grace_seconds)),
            deaths: 0,
        };
        self.register.entries.lock().insert(uid.clone(), entry);
        if let Some(assignment) = assignment {
            self.spawn(&uid, record, Some(assignment), Some(Event::Begin));
        } else {
            self.spawn(&uid, record, None, None);
            self.register.changed(report);
        }
    }

    fn spawn(&self, uid: &str, record: Record, assignment: Option<PodAssignment>, first: Option<Event>) {
        let (room, register) = (Arc::clone(&self.room), Arc::clone(&self.register));
        let layer = record.layer.filter(|_| assignment.is_none());
        let layer = layer.and_then(|digest| self.room.layers.hold(digest));
        let assignment = assignment.map(Arc::new);
        let actor = PodActor::new(record, assignment, layer, room, register, first);
        let address = actor.start();
        if let Some(entry) = self.register.entries.lock().get_mut(uid) {
            entry.address = Some(address);
        }
    }

    /// Ends a pod. One that is not known is reported gone at once.
    pub fn remove(&self, uid: &str, grace: Option<Duration>) {
        let known = {
            let entries = self.register.entries.lock();
            entries.get(uid).map(|entry| (entry.address.clone(), grace.unwrap_or(entry.grace)))
        };
        match known {
            Some((Some(address), grace)) => {
                // A full mailbox is one whose pod is in trouble; the master asks again.
                let _ = address.try_send(Tell(Event::Remove { grace }));
            }
            Some((None, _)) => {}
            None => self.register.changed(gone(uid)),
        }
    }

    /// Makes the node's pods those of the list, and no others.
    pub fn desired(&self, assignments: Vec<PodAssignment>) {
        let wanted: BTreeSet<&str> = assignments.iter().map(|pod| pod.uid.as_str()).collect();
        let others: Vec<String> = {
            let entries = self.register.entries.lock();
            entries.keys().filter(|uid| !wanted.contains(uid.as_str())).cloned().collect()
        };
        for uid in others {
            self.remove(&uid, None);
        }
        for assignment in assignments {
            self.ensure(assignment);
        }
    }

    /// Finds the pods of earlier agents, and ends what else they left.
    pub async fn adopt(&self) {
        let mut known = BTreeSet::new();
        for entry in std::fs::read_dir(self.room.layout.pods()).into_iter().flatten().flatten() {
            let uid = entry.file_name().to_string_lossy().into_owned();
            match Record::load(&entry.path()) {
                Ok(record) if record.report.uid == uid => {
                    self.room.uids.keep(record.user);
                    self.adopt_one(record, 0).await;
                    known.insert(uid);
                }
                _ => {
                    tracing::warn!(pod = uid, "a pod without a record; removed");
                    self.room.remove(&uid, None).await;
                }
            }
        }
        self.room.runtime.sweep(&known).await;
    }

    async fn adopt_one(&self, mut record: Record, deaths: u32) {
        let uid = record.report.uid.clone();
        let directory = self.room.layout.pod(&uid);
        let adopted = self.room.runtime.adopt(&uid, &directory, record.user).await;
        tracing::info!(pod = uid, ?adopted, "pod of an earlier agent");
        let removing = record.report.state == PodState::Stopping;
        if adopted != Adopted::Running && record.report.state != PodState::Failed {
            let report = &mut record.report;
            report.state = PodState::Failed;
            let (reason, message) = match adopted {
                Adopted::Ended(exit) if exit.oom => ("OOMKilled", "it used more memory than its limit"),
                Adopted::Ended(_) => ("Exited", "its process ended while the agent was away"),
                _ => ("Lost", "it did not run any more when the agent came back"),
            };
            report.reason = Some(reason.to_owned());
            report.message = Some(message.to_owned());
            if let Adopted::Ended(exit) = adopted {
                report.exit = Some(exit);
            }
        }
        if adopted == Adopted::Running {
            let report = record.report.clone();
            let grace = Duration::from_secs(u64::from(record.grace_seconds));
            let entry = Entry { address: None, report, user: record.user, grace, deaths };
            self.register.entries.lock().insert(uid.clone(), entry);
            self.spawn(&uid, record, None, Some(Event::Adopt));
        } else {
            self.enter(record, None);
        }
        if removing {
            self.remove(&uid, Some(Duration::ZERO));
        }
    }

    /// Where to reach a pod that is ready.
    #[must_use]
    pub fn target(&self, uid: &str) -> Option<Target> {
        let entries = self.register.entries.lock();
        let entry = entries.get(uid)?;
        // One that drains still answers the calls it has.
        if !matches!(entry.report.state, PodState::Ready | PodState::Stopping | PodState::Starting) {
            return None;
        }
        let owner = entry.user.unwrap_or_else(|| nix::unistd::geteuid().as_raw());
        Some(Target { run: self.room.layout.run(uid), owner })
    }

    /// A pod's directory, when it is known.
    #[must_use]
    pub fn directory(&self, uid: &str) -> Option<PathBuf> {
        self.register.entries.lock().contains_key(uid).then(|| self.room.layout.pod(uid))
    }

    /// All pods.
    #[must_use]
    pub fn inventory(&self) -> Vec<PodReport> {
        // What is in it need not be said again.
        self.register.news.lock().changed.clear();
        self.register.entries.lock().values().map(|entry| entry.report.clone()).collect()
    }

    /// Pods that are not gone.
    #[must_use]
    pub fn count(&self) -> usize {
        self.register.entries.lock().len()
    }

    /// Waits for changes and takes them, at most `most`.
    pub async fn take_changes(&self, most: usize) -> Vec<PodReport> {
        loop {
            let noticed = self.register.changed.notified();
            let taken = self.take_changes_now(most);
            if !taken.is_empty() {
                return taken;
            }
            noticed.await;
        }
    }

    fn take_changes_now(&self, most: usize) -> Vec<PodReport> {
        let mut news = self.register.news.lock();
        let gone = news.gone.len().min(most);
        let mut taken: Vec<PodReport> = news.gone.drain(..gone).collect();
        let entries = self.register.entries.lock();
        while taken.len() < most
            && let Some(uid) = news.changed.pop_first()
        {
            taken.extend(entries.get(&uid).map(|entry| entry.report.clone()));
        }
        taken
    }

    /// From now on no pod is begun.
    pub fn close(&self) {
        self.register.closed.store(true, Ordering::Relaxed);
    }

    /// Ends all pods and waits until they are gone.
    pub async fn drain(&self, longest: Duration) {
        let uids: Vec<String> = self.register.entries.lock().keys().cloned().collect();
        for uid in &uids {
            let grace = self.register.entries.lock().get(uid).map(|entry| entry.grace.min(longest));
            self.remove(uid, grace);
        }
        loop {
            let noticed = self.register.changed.notified();
            if self.count() == 0 {
                return;
            }
            noticed.await;
        }
    }
}

fn gone(uid: &str) -> PodReport {
    PodReport {
        uid: uid.to_owned(),
        namespace: String::new(),
        name: String::new(),
        state: PodState::Gone,
        reason: None,
        message: None,
        exit: None,
        runtime_id: None,
        started_at: None,
        cold: None,
    }
}

/// Makes actors that died anew, from what is on the disk.
async fn watch_deaths(pods: Pods, mut inbox: mpsc::Receiver<String>) {
    while let Some(uid) = inbox.recv().await {
        let deaths = pods.register.entries.lock().get(&uid).map_or(0, |entry| entry.deaths + 1);
        match Record::load(&pods.room.layout.pod(&uid)) {
            Ok(mut record) => {
                if deaths > MAX_DEATHS {
                    record.report.state = PodState::Stopping;
                }
                pods.adopt_one(record, deaths).await;
            }
            Err(_) => pods.register.changed(gone(&uid)),
        }
    }
}
