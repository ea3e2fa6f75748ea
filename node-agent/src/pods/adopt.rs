//! Pods of earlier agents, and of actors that died: made anew from what is on the disk and what the
//! runtime finds.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use common::link::{Exit, PodReport, PodState};
use tokio::sync::mpsc;

use super::all::Pods;
use super::machine::Event;
use super::record::Record;
use super::register::Entry;
use crate::layout::is_uid;
use crate::runtime::{Adopted, generic};

/// An actor that dies more often than this has its pod ended.
const MAX_DEATHS: u32 = 3;

impl Pods {
    /// Finds the pods of earlier agents, and ends what else they left.
    pub async fn adopt(&self) {
        let mut known = BTreeSet::new();
        let directory = self.room.premises.layout.pods();
        let mut all_seen = true;
        let pods = std::fs::read_dir(&directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let pods = pods.unwrap_or_else(|error| {
            tracing::error!(path = %directory.display(), %error, "look for the pods of an earlier agent");
            all_seen = false;
            Vec::new()
        });
        for entry in pods {
            let uid = entry.file_name().to_string_lossy().into_owned();
            known.insert(generic::born(&directory, &uid));
            match Record::load(&entry.path()) {
                Ok(mut record) if record.report.uid == uid => {
                    record.user = self.room.premises.uids.keep(record.user);
                    self.adopt_one(record, 0, None).await;
                    known.insert(uid);
                }
                _ if is_uid(&uid) => {
                    self.end_unknown(&uid).await;
                    known.insert(uid);
                }
                // Nothing of ours has such a name.
                _ => tracing::warn!(path = %entry.path().display(), "not a pod; left alone"),
            }
        }
        // What was not seen is not nobody's.
        if all_seen {
            self.room.premises.runtime.sweep(&known).await;
        }
    }

    /// A directory without a record: whatever runs there is ended.
    async fn end_unknown(&self, uid: &str) {
        tracing::warn!(pod = uid, "a pod without a record; removed");
        let owner = self
            .room
            .premises
            .layout
            .run(uid)
            .symlink_metadata()
            .map(|run| run.uid());
        let user = owner
            .ok()
            .filter(|user| self.room.premises.uids.covers(*user));
        let user = self.room.premises.uids.keep(user);
        self.adopt_one(Record::unknown(uid, user), 0, Some(Duration::ZERO))
            .await;
    }

    async fn adopt_one(&self, mut record: Record, deaths: u32, unwanted: Option<Duration>) {
        let uid = record.report.uid.clone();
        let directory = self.room.premises.layout.pod(&uid);
        let adopted = self
            .room
            .premises
            .runtime
            .adopt(&uid, &directory, record.user)
            .await;
        tracing::info!(pod = uid, ?adopted, "pod of an earlier agent");
        // While it was looked at, the master may have said that it wants it no more.
        let asked = self
            .register
            .entries
            .lock()
            .get(&uid)
            .and_then(|entry| entry.unwanted);
        let stopping = record.report.state == PodState::Stopping;
        let unwanted = unwanted
            .or(asked)
            .or_else(|| stopping.then_some(Duration::ZERO));
        match adopted {
            Adopted::Running => {
                let entry = Entry {
                    address: None,
                    report: record.report.clone(),
                    user: record.user,
                    port: record.port,
                    network: None,
                    grace: Duration::from_secs(u64::from(record.grace_seconds)),
                    deaths,
                    unwanted: None,
                };
                self.register.entries.lock().insert(uid.clone(), entry);
                self.spawn(&uid, record, None, Some(Event::Adopt));
            }
            Adopted::Ended(exit) => {
                fail(&mut record.report, Some(exit));
                self.enter(record, None);
            }
            Adopted::Lost => {
                fail(&mut record.report, None);
                self.enter(record, None);
            }
        }
        if let Some(grace) = unwanted {
            self.remove(&uid, Some(grace));
        }
    }
}

/// A pod that does not run any more. One that had failed already keeps its reason.
fn fail(report: &mut PodReport, exit: Option<Exit>) {
    report.exit = exit.or(report.exit);
    if report.state == PodState::Failed {
        return;
    }
    let (reason, message) = match exit {
        Some(Exit { oom: true, .. }) => ("OOMKilled", "it used more memory than its limit"),
        Some(_) => ("Exited", "its process ended while the agent was away"),
        None => ("Lost", "it did not run any more when the agent came back"),
    };
    report.state = PodState::Failed;
    report.reason = Some(reason.to_owned());
    report.message = Some(message.to_owned());
}

/// Makes actors that died anew.
pub(super) async fn watch_deaths(pods: Pods, mut inbox: mpsc::Receiver<String>) {
    while let Some(uid) = inbox.recv().await {
        let (mut deaths, mut unwanted, mut told) = (1, None, None);
        if let Some(entry) = pods.register.entries.lock().get(&uid) {
            (deaths, unwanted) = (entry.deaths + 1, entry.unwanted);
            told = Some(entry.report.clone());
        }
        if deaths > MAX_DEATHS {
            unwanted = Some(Duration::ZERO);
        }
        match Record::load(&pods.room.premises.layout.pod(&uid)) {
            Ok(mut record) => {
                // The last one may not have been written yet.
                record.report = told.unwrap_or(record.report);
                pods.adopt_one(record, deaths, unwanted).await;
            }
            // It died before it had written anything down.
            Err(_) => {
                let user = pods
                    .register
                    .entries
                    .lock()
                    .get(&uid)
                    .and_then(|entry| entry.user);
                let record = Record::unknown(&uid, user);
                pods.adopt_one(record, deaths, Some(Duration::ZERO)).await;
            }
        }
    }
}
