use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::connect::Connection;

/// Shards, so that a gateway worker mostly gets back connections whose task runs on its own thread.
const SHARDS: usize = 8;
/// Idle connections kept in one shard; a pod's threads are few.
const MOST_IDLE: usize = 64;

/// Idle connections to one pod.
#[derive(Default)]
pub(super) struct Pool([Mutex<Vec<Connection>>; SHARDS]);

impl Pool {
    /// An idle connection of this thread that is still open.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut shard = self.0[shard()].lock();
        while let Some(connection) = shard.pop() {
            if !connection.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for the next call.
    pub(super) fn keep(&self, connection: Connection) {
        let mut shard = self.0[shard()].lock();
        if shard.len() < MOST_IDLE && !connection.is_closed() {
            shard.push(connection);
        }
    }
}

fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<Option<usize>> = const { Cell::new(None) };
    }
    MINE.with(|mine| {
        mine.get().unwrap_or_else(|| {
            let shard = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
            mine.set(Some(shard));
            shard
        })
    })
}
