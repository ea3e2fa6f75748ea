use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::digest::Digest;
use common::link::{Origin, PodAssignment, PodReport, PodState};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

const NAME: &str = "record.json";

/// What stays of a pod on the disk, so that the next agent knows it. No secrets: a running pod has
/// its environment, and one that does not run is never started again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What was reported last.
    pub report: PodReport,
    /// The function's layer.
    pub layer: Option<Digest>,
    /// The port it serves on, when not on the platform's socket.
    #[serde(default)]
    pub port: Option<u16>,
    /// The pod's user id.
    pub user: Option<u32>,
    /// Seconds between SIGTERM and SIGKILL.
    pub grace_seconds: u32,
}

impl Record {
    /// Of a new pod.
    #[must_use]
    pub fn new(assignment: &PodAssignment, user: Option<u32>) -> Self {
        let layer = match &assignment.origin {
            Origin::Layer { digest, .. } => Some(*digest),
            Origin::Image { .. } => None,
        };
        let PodAssignment {
            uid,
            namespace,
            name,
            ..
        } = assignment;
        let report = PodReport::new(uid, namespace, name, PodState::Preparing);
        Self {
            report,
            layer,
            port: assignment.origin.port(),
            user,
            grace_seconds: assignment.grace_seconds,
        }
    }

    /// Of a pod that left no record: there only to be removed.
    #[must_use]
    pub fn unknown(uid: &str, user: Option<u32>) -> Self {
        let mut report = PodReport::gone(uid);
        report.state = PodState::Stopping;
        Self {
            report,
            layer: None,
            port: None,
            user,
            grace_seconds: 0,
        }
    }

    /// Writes it into the pod's directory. Not through to the disk: no pod survives a loss of power.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, directory: &Path) -> io::Result<()> {
        let partial = directory.join(".record.json");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&partial)?;
        serde_json::to_writer(io::BufWriter::new(file), self)?;
        fs::rename(&partial, directory.join(NAME))
    }

    /// Reads what [`Record::save`] wrote.
    ///
    /// # Errors
    /// When there is none, or it is broken.
    pub fn load(directory: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(directory.join(NAME))?)?)
    }
}

/// Writes a pod's records, the newest last. To replace a file may take the disk a while, and nobody
/// who waits for the pod shall wait for that.
#[derive(Debug)]
pub(super) struct Notes {
    directory: PathBuf,
    next: Mutex<Option<Record>>,
    turn: tokio::sync::Mutex<()>,
}

impl Notes {
    /// Of the pod with this directory.
    pub(super) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            next: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Writes a record now.
    pub(super) fn write(&self, record: &Record) {
        if let Err(error) = record.save(&self.directory) {
            tracing::warn!(pod = record.report.uid, %error, "write pod's record");
        }
    }

    /// Writes a record soon, unless a newer one comes first.
    pub(super) fn write_soon(self: &Arc<Self>, record: Record) {
        *self.next.lock() = Some(record);
        let own = Arc::clone(self);
        tokio::spawn(async move {
            let _turn = own.turn.lock().await;
            let Some(record) = own.next.lock().take() else {
                return;
            };
            let notes = Arc::clone(&own);
            let written = tokio::task::spawn_blocking(move || notes.write(&record)).await;
            if let Err(error) = written {
                tracing::error!(%error, "write pod's record");
            }
        });
    }

    /// Waits until nothing is written; what was to be is not.
    pub(super) async fn close(&self) {
        let _turn = self.turn.lock().await;
        self.next.lock().take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_record_is_the_one_that_stays() {
        let place = tempfile::tempdir().unwrap();
        let notes = Arc::new(Notes::new(place.path().to_owned()));
        let mut record = Record::unknown("u", None);
        for grace_seconds in 1..=20 {
            record.grace_seconds = grace_seconds;
            notes.write_soon(record.clone());
            tokio::task::yield_now().await;
        }
        while notes.next.lock().is_some() {
            tokio::task::yield_now().await;
        }
        notes.close().await;
        assert_eq!(Record::load(place.path()).unwrap(), record);
    }
}
