use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::connection::Connection;
use super::shard::{SHARDS, shard};

/// Idle connections kept for one thread; a pod's threads are few.
const MOST_IDLE: usize = 64;
/// How long one is kept that no call needs, while others are used.
const LONGEST_IDLE: Duration = Duration::from_secs(30);

/// Idle connections to one pod's socket.
#[derive(Default)]
pub(super) struct Pool([Mutex<VecDeque<Idle>>; SHARDS]);

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// An idle connection of this thread, the last one used.
    pub(super) fn take(&self) -> Option<Connection> {
        let idle = self.0[shard()].lock().pop_back();
        idle.map(|idle| idle.connection)
    }

    /// Keeps a connection for the next call.
    pub(super) fn keep(&self, connection: Connection) {
        let since = Instant::now();
        let old = |idle: &Idle| since.duration_since(idle.since) > LONGEST_IDLE;
        let mut shard = self.0[shard()].lock();
        while shard.front().is_some_and(old) {
            shard.pop_front();
        }
        if shard.len() < MOST_IDLE && connection.is_open() {
            shard.push_back(Idle { connection, since });
        }
    }
}
