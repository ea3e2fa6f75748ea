//! The one watch on etcd that feeds the log of recent changes.
//!
//! A lost connection is taken up again after the last revision that was seen, on any member that
//! answers. When etcd no longer has what came next (it was compacted), the log forgets what it has:
//! every watcher is told to list again.

use std::sync::{Arc, Weak};
use std::time::Duration;

use etcd_client::{Error, Event, EventType, WatchOptions};
use tokio::time::timeout;

use super::keys::{Keys, Parts, revision, signed};
use super::line::{Line, text};
use super::parts;
use crate::store::log::EventLog;
use crate::store::{Batch, Change, Revision, StoreError};

/// Shortest and longest wait before the watch is begun again.
const WAIT: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// Longest time until a new watch is confirmed.
const BEGIN: Duration = Duration::from_secs(5);
/// Largest message of changes that is taken; etcd sends up to a thousand commits in one.
const MAX_MESSAGE: usize = 512 << 20;

/// Why the watch ended.
enum End {
    /// The connection is gone.
    Lost(String),
    /// etcd does not have the changes any more.
    Gap(Revision),
    /// Nobody reads the log.
    Done,
}

pub(super) struct Pump {
    pub(super) line: Arc<Line>,
    pub(super) keys: Keys,
    pub(super) log: Weak<EventLog>,
    /// The last revision that is in the log.
    pub(super) seen: Revision,
}

impl Pump {
    /// Pumps until the store is dropped.
    pub(super) async fn run(mut self) {
        let mut wait = WAIT.0;
        loop {
            let before = self.seen;
            match self.follow().await {
                Ok(End::Done) => return,
                Ok(End::Gap(at)) => {
                    tracing::warn!(after = self.seen, %at, "etcd was compacted: all watches begin anew");
                    if let Err(error) = self.jump(at).await {
                        tracing::warn!(%error, "could not read etcd's revision");
                    }
                }
                Ok(End::Lost(why)) => {
                    tracing::warn!(why, after = self.seen, "the watch on etcd was lost");
                }
                Err(error) => {
                    let why = text(&error);
                    tracing::warn!(why, after = self.seen, "the watch on etcd was lost");
                }
            }
            if self.seen > before {
                wait = WAIT.0;
            }
            tokio::time::sleep(wait.mul_f64(0.5 + rand::random::<f64>())).await;
            wait = (wait * 2).min(WAIT.1);
        }
    }

    /// Goes on from now; what came before is not known.
    async fn jump(&mut self, at: Revision) -> Result<(), StoreError> {
        let now = super::head(&self.line, &self.keys).await?.max(at);
        if let Some(log) = self.log.upgrade() {
            log.restart(now);
        }
        self.seen = now;
        Ok(())
    }

    async fn follow(&mut self) -> Result<End, Error> {
        let options = WatchOptions::new()
            .with_range(self.keys.end(""))
            .with_prev_key()
            .with_progress_notify()
            .with_start_revision(signed(self.seen + 1));
        let mut watcher = self
            .line
            .client()
            .watch_client()
            .max_decoding_message_size(MAX_MESSAGE);
        let begun = timeout(BEGIN, watcher.watch(self.keys.raw(""), Some(options))).await;
        let Ok(stream) = begun else {
            return Ok(End::Lost("etcd does not answer".to_owned()));
        };
        let mut stream = stream?;
        while let Some(response) = stream.message().await? {
            if response.canceled() {
                return Ok(match response.compact_revision() {
                    0 => End::Lost(response.cancel_reason().to_owned()),
                    at => End::Gap(revision(at)),
                });
            }
            let Some(log) = self.log.upgrade() else {
                return Ok(End::Done);
            };
            let events = response.events();
            match self.batches(events).await {
                Ok((batches, replaced)) if !batches.is_empty() => {
                    self.seen = batches.last().map_or(self.seen, |last| last.revision);
                    log.publish(batches);
                    self.remove(replaced);
                }
                Ok(_) => {
                    // A sign that all up to here was sent; the first answer of a watch is none.
                    if let Some(header) = response.header().filter(|_| !response.created()) {
                        self.seen = self.seen.max(revision(header.revision()));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "changes in etcd cannot be told");
                    let last = events.iter().filter_map(Event::kv).next_back();
                    return Ok(End::Gap(last.map_or(0, |kv| revision(kv.mod_revision()))));
                }
            }
        }
        Ok(End::Lost("etcd ended it".to_owned()))
    }

    /// Changes by commit, and the parts of values that are no more.
    async fn batches(&self, events: &[Event]) -> Result<(Vec<Batch>, Vec<Parts>), StoreError> {
        let mut batches: Vec<Batch> = Vec::new();
        let mut replaced = Vec::new();
        for event in events {
            let Some(kv) = event.kv() else { continue };
            let at = revision(kv.mod_revision());
            let previous = match event.prev_kv() {
                Some(previous) => Some(self.keys.found(previous.clone())?),
                None => None,
            };
            replaced.extend(previous.iter().filter_map(|found| found.parts.clone()));
            let change = match event.event_type() {
                EventType::Put => {
                    let found = self.keys.found(kv.clone())?;
                    Change::Put(parts::complete(&self.line, &self.keys, found, at).await?)
                }
                EventType::Delete => {
                    let key = self.keys.key(kv.key())?;
                    let Some(previous) = previous else {
                        // Compacted between the deletion and now.
                        let attempt = format!("read what {key:?} held");
                        return Err(StoreError::failed(attempt, "etcd was compacted"));
                    };
                    let last = parts::complete(&self.line, &self.keys, previous, at - 1).await?;
                    let previous = last.value;
                    Change::Deleted { key, previous }
                }
            };
            match batches.last_mut() {
                Some(batch) if batch.revision == at => batch.changes.push(change),
                _ => batches.push(Batch {
                    revision: at,
                    changes: vec![change],
                }),
            }
        }
        Ok((batches, replaced))
    }

    /// Removes parts aside; what fails is found when a master starts.
    fn remove(&self, replaced: Vec<Parts>) {
        if replaced.is_empty() {
            return;
        }
        let (line, keys) = (Arc::clone(&self.line), self.keys.clone());
        tokio::spawn(async move {
            for parts in replaced {
                if let Err(error) = parts::remove(&line, &keys, &parts.id).await {
                    tracing::warn!(%error, "parts of a large value are left behind");
                }
            }
        });
    }
}
