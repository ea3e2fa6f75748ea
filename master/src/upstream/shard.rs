use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Connections are kept apart for so many threads: one that is driven by the thread that uses it wakes no other.
pub(super) const SHARDS: usize = 8;

/// The number of this thread's share.
pub(super) fn shard() -> usize {
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
