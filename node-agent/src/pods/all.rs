use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::Actor as _;
use common::link::{PodAssignment, PodReport, PodState};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::actor::{PodActor, Tell};
use super::adopt::watch_deaths;
use super::door::{Door, Target};
use super::effects::{Parts, PodRoom};
use super::machine::Event;
use super::record::Record;
use super::register::{Entry, Register};
use crate::chain::chain;
use crate::layout::is_uid;
use crate::pool::Claim;

/// What a new pod shall be, and the generic one that becomes it.
type Assigned = (PodAssignment, Option<Claim>);

const DEATHS_QUEUE: usize = 256;

/// All pods of the node. Cheap to clone.
#[derive(Clone)]
pub struct Pods {
    pub(super) register: Arc<Register>,
    pub(super) room: Arc<PodRoom>,
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
        let pods = Self {
            register: Arc::new(register),
            room: Arc::new(room),
            max,
        };
        actix_rt::spawn(watch_deaths(pods.clone(), inbox));
        pods
    }

    /// Makes sure that a pod runs; nothing to do when it is known.
    pub fn ensure(&self, assignment: PodAssignment) {
        let uid = assignment.uid.clone();
        if self.register.entries.lock().contains_key(&uid) {
            return;
        }
        let mut record = Record::new(&assignment, None);
        if self.register.closed.load(Ordering::Relaxed) {
            return self.refuse(record, "the node's agent ends".to_owned());
        }
        let claim = match self.admit(&assignment, &mut record) {
            Ok(claim) => claim,
            Err(problem) => return self.refuse(record, problem),
        };
        self.enter(record, Some((assignment, claim)));
    }

    /// A pod that this node does not take: it is there to say why.
    fn refuse(&self, mut record: Record, problem: String) {
        let report = &mut record.report;
        report.state = PodState::Failed;
        report.reason = Some("NotAdmitted".to_owned());
        report.message = Some(problem);
        if is_uid(&record.report.uid) {
            self.enter(record, None);
        }
    }

    /// Gives a pod its place: that of a generic one which becomes it, or one of its own.
    fn admit(
        &self,
        assignment: &PodAssignment,
        record: &mut Record,
    ) -> Result<Option<Claim>, String> {
        let uid = record.report.uid.clone();
        if !is_uid(&uid) {
            return Err("its uid cannot name a directory".to_owned());
        }
        // Failed ones are kept for people to look at, and take nobody's place.
        let takes_place = |entry: &&Entry| entry.report.state != PodState::Failed;
        let entries = self.register.entries.lock();
        let taken = entries.values().filter(takes_place).count();
        drop(entries);
        if taken >= self.max {
            return Err(format!("the node has {} pods already, its most", self.max));
        }
        let premises = &self.room.premises;
        if let Ok(Claim(generic)) = self.room.pool.claim(assignment) {
            record.user = generic.user;
            return Ok(Some(Claim(generic)));
        }
        let user = premises.uids.take().map_err(|error| chain(&error))?;
        if let Err(error) = premises.make(&uid, user, record.port) {
            premises.uids.give_back(user);
            return Err(chain(&error));
        }
        record.user = user;
        Ok(None)
    }

    /// Enters a pod and starts its actor. Without an assignment it only waits for its removal.
    pub(super) fn enter(&self, record: Record, assignment: Option<Assigned>) {
        let report = record.report.clone();
        let uid = report.uid.clone();
        let entry = Entry {
            address: None,
            report: report.clone(),
            user: record.user,
            port: record.port,
            network: None,
            grace: Duration::from_secs(u64::from(record.grace_seconds)),
            deaths: 0,
            unwanted: None,
        };
        self.register.entries.lock().insert(uid.clone(), entry);
        if let Some(assignment) = assignment {
            let warm = assignment.1.is_some();
            self.spawn(&uid, record, Some(assignment), Some(Event::Begin { warm }));
        } else {
            self.spawn(&uid, record, None, None);
            self.register.changed(report);
        }
    }

    pub(super) fn spawn(
        &self,
        uid: &str,
        record: Record,
        assignment: Option<Assigned>,
        first: Option<Event>,
    ) {
        let (room, register) = (Arc::clone(&self.room), Arc::clone(&self.register));
        // An adopted pod's image is held by its container.
        let layer = record.layer.filter(|_| assignment.is_none());
        let parts = Parts {
            layer: layer.and_then(|digest| self.room.layers.hold(digest)),
            image: None,
            packages: None,
        };
        let (assignment, claim) = assignment.unzip();
        let assignment = assignment.map(Arc::new);
        let claim = claim.flatten();
        let actor = PodActor::new(record, assignment, parts, claim, room, register, first);
        let address = actor.start();
        if let Some(entry) = self.register.entries.lock().get_mut(uid) {
            entry.address = Some(address);
        }
    }

    /// Ends a pod. One that is not known is reported gone at once.
    pub fn remove(&self, uid: &str, grace: Option<Duration>) {
        let known = {
            let mut entries = self.register.entries.lock();
            entries.get_mut(uid).map(|entry| {
                let grace = grace.unwrap_or(entry.grace);
                entry.unwanted = Some(grace);
                (entry.address.clone(), grace)
            })
        };
        match known {
            Some((Some(address), grace)) => {
                // An actor that does not take it has died; the one that follows looks at the entry.
                let _ = address.try_send(Tell(Event::Remove { grace }));
            }
            Some((None, _)) => {}
            None => self.register.changed(PodReport::gone(uid)),
        }
    }

    /// Makes the node's pods those of the list, and no others.
    pub fn desired(&self, assignments: Vec<PodAssignment>) {
        let wanted: BTreeSet<&str> = assignments.iter().map(|pod| pod.uid.as_str()).collect();
        let others: Vec<String> = {
            let entries = self.register.entries.lock();
            entries
                .keys()
                .filter(|uid| !wanted.contains(uid.as_str()))
                .cloned()
                .collect()
        };
        for uid in others {
            self.remove(&uid, None);
        }
        for assignment in assignments {
            self.ensure(assignment);
        }
    }

    /// Where to reach a pod that is ready.
    #[must_use]
    pub fn target(&self, uid: &str) -> Option<Target> {
        let entries = self.register.entries.lock();
        let entry = entries.get(uid)?;
        // One that drains still answers the calls it has.
        if !matches!(
            entry.report.state,
            PodState::Ready | PodState::Stopping | PodState::Starting
        ) {
            return None;
        }
        match Door::of(entry.port, entry.user) {
            Door::Socket { owner } => Some(Target::Socket {
                run: self.room.premises.layout.run(uid),
                owner,
            }),
            Door::Port(port) => entry
                .network
                .clone()
                .map(|network| Target::Port { network, port }),
        }
    }

    /// A pod's directory, when it is known.
    #[must_use]
    pub fn directory(&self, uid: &str) -> Option<PathBuf> {
        self.register
            .entries
            .lock()
            .contains_key(uid)
            .then(|| self.room.premises.layout.pod(uid))
    }

    /// All pods.
    #[must_use]
    pub fn inventory(&self) -> Vec<PodReport> {
        // What is in it need not be said again.
        self.register.news.lock().changed.clear();
        self.register
            .entries
            .lock()
            .values()
            .map(|entry| entry.report.clone())
            .collect()
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

    /// Waits until no pod runs; what failed and is kept to be looked at does not count.
    pub async fn emptied(&self) {
        loop {
            let noticed = self.register.changed.notified();
            let runs =
                |entry: &Entry| !matches!(entry.report.state, PodState::Failed | PodState::Gone);
            if !self.register.entries.lock().values().any(runs) {
                return;
            }
            noticed.await;
        }
    }

    /// From now on no pod is begun.
    pub fn close(&self) {
        self.register.closed.store(true, Ordering::Relaxed);
    }

    /// Ends all pods and waits until they are gone.
    pub async fn drain(&self, longest: Duration) {
        let uids: Vec<String> = self.register.entries.lock().keys().cloned().collect();
        for uid in &uids {
            let grace = self
                .register
                .entries
                .lock()
                .get(uid)
                .map(|entry| entry.grace.min(longest));
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
