use parking_lot::Mutex;

use super::connect::Connection;
use super::shard::{SHARDS, shard};

/// Idle connections kept for one thread; a pod's threads are few.
const MOST_IDLE: usize = 64;

/// Idle connections to one pod's socket.
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
