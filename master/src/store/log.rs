//! Recent batches, for watchers. A watcher keeps only its position; one that is slower than the log
//! is long learns that it must list again.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::store::{Batch, Changes, Revision, StoreError};

/// Most batches kept.
const MAX_BATCHES: usize = 32_768;
/// Most bytes kept, roughly.
const MAX_BYTES: usize = 64 << 20;

pub(super) struct EventLog {
    recent: RwLock<Recent>,
    head: watch::Sender<Revision>,
}

struct Recent {
    /// Changes after this revision are kept.
    floor: Revision,
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
}

impl EventLog {
    pub(super) fn new(revision: Revision) -> Self {
        let recent = Recent {
            floor: revision,
            batches: VecDeque::new(),
            bytes: 0,
        };
        Self {
            recent: RwLock::new(recent),
            head: watch::Sender::new(revision),
        }
    }

    pub(super) fn head(&self) -> Revision {
        *self.head.borrow()
    }

    /// Adds batches and wakes the watchers.
    pub(super) fn publish(&self, batches: Vec<Batch>) {
        let Some(last) = batches.last().map(|batch| batch.revision) else {
            return;
        };
        {
            let mut recent = self.recent.write();
            for batch in batches {
                recent.bytes += weight(&batch);
                recent.batches.push_back(Arc::new(batch));
            }
            while recent.batches.len() > MAX_BATCHES || recent.bytes > MAX_BYTES {
                let Some(old) = recent.batches.pop_front() else {
                    break;
                };
                recent.bytes -= weight(&old);
                recent.floor = old.revision;
            }
        }
        self.head.send_replace(last);
    }

    /// Forgets everything up to a revision, because what happened before it is not known: whoever
    /// stood before it must list again.
    pub(super) fn restart(&self, revision: Revision) {
        {
            let mut recent = self.recent.write();
            recent.batches.clear();
            recent.bytes = 0;
            recent.floor = revision;
        }
        self.head.send_replace(revision);
    }

    /// The next batch after a revision that touches the prefix; else the revision up to which there
    /// is none.
    fn next(&self, prefix: &str, after: Revision) -> Result<Result<Batch, Revision>, StoreError> {
        let recent = self.recent.read();
        if after < recent.floor {
            return Err(StoreError::Compacted { after });
        }
        let start = recent
            .batches
            .partition_point(|batch| batch.revision <= after);
        for batch in recent.batches.range(start..) {
            let changes: Vec<_> = batch
                .changes
                .iter()
                .filter(|c| c.key().starts_with(prefix))
                .cloned()
                .collect();
            if !changes.is_empty() {
                return Ok(Ok(Batch {
                    revision: batch.revision,
                    changes,
                }));
            }
        }
        Ok(Err(recent
            .batches
            .back()
            .map_or(after, |batch| batch.revision.max(after))))
    }
}

fn weight(batch: &Batch) -> usize {
    batch.changes.iter().map(crate::store::Change::weight).sum()
}

struct Follower {
    log: std::sync::Weak<EventLog>,
    head: watch::Receiver<Revision>,
    prefix: String,
    after: Revision,
    ended: bool,
}

impl Follower {
    async fn next(&mut self) -> Result<Batch, StoreError> {
        loop {
            self.head.borrow_and_update();
            let next = self
                .log
                .upgrade()
                .ok_or(StoreError::Closed)?
                .next(&self.prefix, self.after)?;
            match next {
                Ok(batch) => {
                    self.after = batch.revision;
                    return Ok(batch);
                }
                Err(seen) => self.after = seen,
            }
            self.head.changed().await.map_err(|_| StoreError::Closed)?;
        }
    }
}

pub(super) fn follow(
    log: &Arc<EventLog>,
    prefix: String,
    after: Revision,
) -> Result<Changes, StoreError> {
    log.next(&prefix, after)?.ok();
    let follower = Follower {
        log: Arc::downgrade(log),
        head: log.head.subscribe(),
        prefix,
        after,
        ended: false,
    };
    Ok(stream::unfold(follower, |mut follower| async move {
        if follower.ended {
            return None;
        }
        let next = follower.next().await;
        follower.ended = next.is_err();
        Some((next, follower))
    })
    .boxed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Change;

    fn batch(revision: Revision, key: &str) -> Batch {
        let change = Change::Deleted {
            key: key.to_owned(),
            previous: bytes::Bytes::new(),
        };
        Batch {
            revision,
            changes: vec![change],
        }
    }

    #[tokio::test]
    async fn a_watcher_that_falls_behind_must_list_again() {
        let log = Arc::new(EventLog::new(0));
        let mut quick = follow(&log, "a".to_owned(), 0).unwrap();
        let mut slow = follow(&log, "a".to_owned(), 0).unwrap();
        log.publish(vec![batch(1, "a")]);
        assert_eq!(quick.next().await.unwrap().unwrap().revision, 1);
        log.publish((2..=40_000).map(|n| batch(n, "b")).collect());
        assert!(matches!(
            slow.next().await,
            Some(Err(StoreError::Compacted { after: 0 }))
        ));
        assert!(slow.next().await.is_none());
        assert!(matches!(
            follow(&log, String::new(), 1),
            Err(StoreError::Compacted { .. })
        ));
        assert!(follow(&log, String::new(), 39_000).is_ok());
    }

    #[tokio::test]
    async fn after_a_gap_all_who_stood_before_it_must_list_again() {
        let log = Arc::new(EventLog::new(5));
        let mut before = follow(&log, "a".to_owned(), 5).unwrap();
        let mut after = follow(&log, "a".to_owned(), 9).unwrap();
        log.publish(vec![batch(6, "a")]);
        log.restart(9);
        assert!(matches!(
            before.next().await,
            Some(Err(StoreError::Compacted { after: 5 }))
        ));
        log.publish(vec![batch(10, "a")]);
        assert_eq!(after.next().await.unwrap().unwrap().revision, 10);
    }

    #[tokio::test]
    async fn the_end_of_the_store_ends_the_watch() {
        let log = Arc::new(EventLog::new(0));
        let mut watch = follow(&log, String::new(), 0).unwrap();
        drop(log);
        assert!(matches!(watch.next().await, Some(Err(StoreError::Closed))));
        assert!(watch.next().await.is_none());
    }
}
