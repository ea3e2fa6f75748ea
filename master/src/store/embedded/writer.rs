//! The one thread that writes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use redb::{Database, ReadableTable, Table, WriteTransaction};
use tokio::sync::oneshot;

use super::layout::{self, CLEAN, LEASES, META, OBJECTS, Opened, REVISION};
use super::leases::Leases;
use super::{FLUSH_EVERY, Fsync};
use crate::clock::Clock;
use crate::store::log::EventLog;
use crate::store::{
    Batch, Change, Durability, Entry, LeaseId, MAX_OPERATIONS, Revision, StoreCounts, StoreError,
    Txn,
};

/// How often leases are looked at when nothing else happens.
const IDLE: Duration = Duration::from_millis(200);
/// Most requests that share one transaction of redb.
const GROUP: usize = 512;

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

pub(super) enum Request {
    Commit {
        txn: Txn,
        reply: Reply<Revision>,
    },
    Grant {
        ttl: Duration,
        reply: Reply<LeaseId>,
    },
    KeepAlive {
        lease: LeaseId,
        reply: Reply<()>,
    },
    Revoke {
        lease: LeaseId,
        reply: Reply<()>,
    },
}

impl Request {
    fn is_durable(&self) -> bool {
        matches!(self, Self::Commit { txn, .. } if txn.durability == Durability::Durable)
    }
}

/// An answer that is given when redb has committed; with why, when it has not.
type Answer = Box<dyn FnOnce(Result<(), String>) + Send>;

pub(super) struct Writer {
    database: Arc<Database>,
    log: Arc<EventLog>,
    clock: Arc<dyn Clock>,
    leases: Leases,
    revision: Revision,
    /// Since when there are commits that are not on disk.
    unsynced: Option<Instant>,
    fsync: Fsync,
    counts: StoreCounts,
}

impl Writer {
    pub(super) fn new(
        database: Arc<Database>,
        log: Arc<EventLog>,
        clock: Arc<dyn Clock>,
        opened: Opened,
    ) -> Self {
        let mut leases = Leases::default();
        let now = clock.monotonic();
        for (id, ttl) in opened.leases {
            leases.grant(id, Duration::from_millis(ttl), now);
        }
        for (lease, key) in opened.leased {
            leases.attach(&key, Some(lease));
        }
        Self {
            database,
            log,
            clock,
            leases,
            revision: opened.revision,
            unsynced: None,
            fsync: Fsync::Always,
            counts: StoreCounts::default(),
        }
    }

    pub(super) fn with(self, fsync: Fsync, counts: StoreCounts) -> Self {
        Self {
            fsync,
            counts,
            ..self
        }
    }

    pub(super) fn run(mut self, queue: &Receiver<Request>) {
        loop {
            let wait = self
                .unsynced
                .map_or(IDLE, |since| FLUSH_EVERY.saturating_sub(since.elapsed()));
            match queue.recv_timeout(wait) {
                Ok(first) => {
                    let mut group = vec![first];
                    group.extend(queue.try_iter().take(GROUP - 1));
                    self.write(group);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.leases.expired(self.clock.monotonic()).is_some() {
                self.write(Vec::new());
            }
            if self
                .unsynced
                .is_some_and(|since| since.elapsed() >= FLUSH_EVERY)
            {
                self.sync(false);
            }
        }
        self.sync(true);
    }

    /// Puts on disk what is not there yet.
    fn sync(&mut self, close: bool) {
        let attempt = || -> Result<(), redb::Error> {
            let txn = self.database.begin_write()?;
            if close {
                let mut meta = txn.open_table(META)?;
                meta.insert(REVISION, self.revision)?;
                meta.insert(CLEAN, 1)?;
            }
            txn.commit()?;
            Ok(())
        };
        match attempt() {
            Ok(()) => {
                self.unsynced = None;
                self.counts.synced();
            }
            Err(error) => {
                tracing::error!(%error, "the store could not be synced");
                self.unsynced = Some(Instant::now());
            }
        }
    }

    /// Applies a group of requests in one transaction of redb, and what expired with it.
    fn write(&mut self, group: Vec<Request>) {
        let durable = self.fsync == Fsync::Always && group.iter().any(Request::is_durable);
        let before = self.revision;
        let mut answers: Vec<Answer> = Vec::with_capacity(group.len());
        let mut group = group.into_iter();
        let result = self.attempt(&mut group, durable, &mut answers);
        match result {
            Ok(batches) => {
                self.unsynced = if durable {
                    None
                } else {
                    self.unsynced.or_else(|| Some(Instant::now()))
                };
                self.counts.committed(batches.len());
                if durable {
                    self.counts.synced();
                }
                self.log.publish(batches);
                answers.into_iter().for_each(|answer| answer(Ok(())));
            }
            Err(error) => {
                tracing::error!(%error, "the store could not commit");
                self.revision = before;
                let text = error.to_string();
                answers
                    .into_iter()
                    .for_each(|answer| answer(Err(text.clone())));
                // Requests that were not reached learn it from their dropped reply.
            }
        }
    }

    fn attempt(
        &mut self,
        group: &mut impl Iterator<Item = Request>,
        durable: bool,
        answers: &mut Vec<Answer>,
    ) -> Result<Vec<Batch>, redb::Error> {
        let database = Arc::clone(&self.database);
        let mut txn = database.begin_write()?;
        if !durable {
            // Cannot fail: there are no savepoints.
            txn.set_durability(redb::Durability::None)?;
        }
        let mut batches = Vec::new();
        {
            let mut objects = txn.open_table(OBJECTS)?;
            for request in group {
                self.handle(request, &txn, &mut objects, &mut batches, answers)?;
            }
            let now = self.clock.monotonic();
            while let Some(lease) = self.leases.expired(now) {
                self.end_lease(lease, &txn, &mut objects, &mut batches)?;
            }
            if !batches.is_empty() {
                txn.open_table(META)?.insert(REVISION, self.revision)?;
            }
        }
        txn.commit()?;
        Ok(batches)
    }

    fn handle(
        &mut self,
        request: Request,
        txn: &WriteTransaction,
        objects: &mut Table<'_, &'static str, &'static [u8]>,
        batches: &mut Vec<Batch>,
        answers: &mut Vec<Answer>,
    ) -> Result<(), redb::Error> {
        match request {
            Request::Commit { txn, reply } => {
                let result = self.apply(txn, objects, batches);
                match result {
                    Ok(result) => answers.push(later(reply, "commit", result)),
                    Err(error) => {
                        later(reply, "commit", Ok(0))(Err(error.to_string()));
                        return Err(error);
                    }
                }
            }
            Request::Grant { ttl, reply } => {
                let id = loop {
                    let id = rand::random::<u64>() >> 1;
                    if id != 0 && !self.leases.contains(id) {
                        break id;
                    }
                };
                let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
                txn.open_table(LEASES)?.insert(id, millis)?;
                self.leases.grant(id, ttl, self.clock.monotonic());
                answers.push(later(reply, "grant a lease", Ok(id)));
            }
            Request::KeepAlive { lease, reply } => {
                let alive = self.leases.keep_alive(lease, self.clock.monotonic());
                let result = if alive {
                    Ok(())
                } else {
                    Err(StoreError::LeaseGone(lease))
                };
                answers.push(later(reply, "keep a lease alive", result));
            }
            Request::Revoke { lease, reply } => {
                let known = self.end_lease(lease, txn, objects, batches)?;
                let result = if known {
                    Ok(())
                } else {
                    Err(StoreError::LeaseGone(lease))
                };
                answers.push(later(reply, "revoke a lease", result));
            }
        }
        Ok(())
    }

    fn apply(
        &mut self,
        txn: Txn,
        objects: &mut Table<'_, &'static str, &'static [u8]>,
        batches: &mut Vec<Batch>,
    ) -> Result<Result<Revision, StoreError>, redb::Error> {
        for condition in &txn.conditions {
            let found = match objects.get(condition.key.as_str())? {
                Some(row) => match layout::decode(&condition.key, row.value()) {
                    Ok(entry) => entry.mod_revision,
                    Err(error) => return Ok(Err(error)),
                },
                None => 0,
            };
            if found != condition.mod_revision {
                return Ok(Err(StoreError::Conflict {
                    key: condition.key.clone(),
                    wanted: condition.mod_revision,
                    found,
                }));
            }
        }
        for lease in txn.puts.iter().filter_map(|put| put.lease) {
            if !self.leases.contains(lease) {
                return Ok(Err(StoreError::LeaseGone(lease)));
            }
        }
        let revision = self.revision + 1;
        let mut changes = Vec::with_capacity(txn.puts.len() + txn.deletes.len());
        for put in txn.puts {
            let row = layout::encode(revision, put.lease, &put.value);
            objects.insert(put.key.as_str(), row.as_slice())?;
            self.leases.attach(&put.key, put.lease);
            changes.push(Change::Put(Entry {
                key: put.key,
                value: put.value,
                mod_revision: revision,
                lease: put.lease,
            }));
        }
        for key in txn.deletes {
            changes.extend(self.remove(key, objects)?);
        }
        if changes.is_empty() {
            return Ok(Ok(self.revision));
        }
        self.revision = revision;
        batches.push(Batch { revision, changes });
        Ok(Ok(revision))
    }

    fn remove(
        &mut self,
        key: String,
        objects: &mut Table<'_, &'static str, &'static [u8]>,
    ) -> Result<Option<Change>, redb::Error> {
        let previous = objects
            .remove(key.as_str())?
            .map(|row| layout::decode(&key, row.value()).map(|entry| entry.value));
        self.leases.attach(&key, None);
        Ok(previous.map(|previous| Change::Deleted {
            key,
            previous: previous.unwrap_or_default(),
        }))
    }

    /// Ends a lease and deletes its keys; false when there is none.
    fn end_lease(
        &mut self,
        lease: LeaseId,
        txn: &WriteTransaction,
        objects: &mut Table<'_, &'static str, &'static [u8]>,
        batches: &mut Vec<Batch>,
    ) -> Result<bool, redb::Error> {
        let Some(keys) = self.leases.remove(lease) else {
            return Ok(false);
        };
        txn.open_table(LEASES)?.remove(lease)?;
        for keys in keys.chunks(MAX_OPERATIONS) {
            let mut changes = Vec::with_capacity(keys.len());
            for key in keys {
                changes.extend(self.remove(key.clone(), objects)?);
            }
            if !changes.is_empty() {
                self.revision += 1;
                batches.push(Batch {
                    revision: self.revision,
                    changes,
                });
            }
        }
        Ok(true)
    }
}

fn later<T: Send + 'static>(
    reply: Reply<T>,
    attempt: &'static str,
    result: Result<T, StoreError>,
) -> Answer {
    Box::new(move |committed| {
        let result = match committed {
            Ok(()) => result,
            Err(why) => Err(StoreError::failed(attempt, why)),
        };
        // Nobody listens when the asker went away.
        let _ = reply.send(result);
    })
}
