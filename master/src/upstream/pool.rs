use std::collections::VecDeque;
use std::time::{Duration, Instant};

use lane::LaneSlot;
use parking_lot::Mutex;

use super::connection::Connection;
use super::shard::{SHARDS, shard};

/// Idle connections kept for one thread; a pod's threads are few.
const MOST_IDLE: usize = 64;
/// How long one is kept that no call needs, while others are used.
const LONGEST_IDLE: Duration = Duration::from_secs(30);

/// Connections to one pod's socket.
#[derive(Default)]
pub(super) struct Pool {
    /// Those of each thread.
    idle: [Mutex<VecDeque<Idle>>; SHARDS],
    lane: LaneSlot,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// The place of the lane. All threads share one: to wake another thread costs less than a second lane, by which the
    /// pod's threads would fight.
    pub(super) fn lane(&self) -> &LaneSlot {
        &self.lane
    }

    /// An idle connection of this thread, the last one used.
    pub(super) fn take(&self) -> Option<Connection> {
        let idle = self.idle[shard()].lock().pop_back();
        idle.map(|idle| idle.connection)
    }

    /// Keeps a connection for the next call.
    pub(super) fn keep(&self, connection: Connection) {
        let since = Instant::now();
        let old = |idle: &Idle| since.duration_since(idle.since) > LONGEST_IDLE;
        let mut kept = self.idle[shard()].lock();
        while kept.front().is_some_and(old) {
            kept.pop_front();
        }
        if kept.len() < MOST_IDLE && connection.is_open() {
            kept.push_back(Idle { connection, since });
        }
    }
}
