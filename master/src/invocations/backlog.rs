use std::sync::Arc;

use parking_lot::Mutex;

/// How much may wait in the whole cluster.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Invocations.
    pub count: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Bytes of the answers of ended ones and of dead letters' requests; the oldest go first.
    pub results: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            count: 100_000,
            bytes: 4 << 30,
            results: 4 << 30,
        }
    }
}

/// Counts what waits. The room keeps it true from the index of open invocations; those who accept
/// reserve a place first. Cheap to clone.
#[derive(Clone, Default)]
pub struct Backlog(Arc<Mutex<(u64, u64)>>);

/// A place. Dropping it gives it back, unless it was taken.
pub(super) struct Place {
    backlog: Backlog,
    bytes: u64,
    taken: bool,
}

impl Backlog {
    /// Invocations that wait, and bytes of their bodies.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        *self.0.lock()
    }

    /// A place for a body of so many bytes; `None` when there is none.
    pub(super) fn reserve(&self, bytes: u64, bounds: &Bounds) -> Option<Place> {
        let mut size = self.0.lock();
        let after = (size.0.saturating_add(1), size.1.saturating_add(bytes));
        if after.0 > bounds.count || after.1 > bounds.bytes {
            return None;
        }
        *size = after;
        Some(Place {
            backlog: self.clone(),
            bytes,
            taken: false,
        })
    }

    /// All there is, as the index shows it.
    pub(super) fn set(&self, count: u64, bytes: u64) {
        *self.0.lock() = (count, bytes);
    }

    /// One has ended.
    pub(super) fn release(&self, bytes: u64) {
        let mut size = self.0.lock();
        *size = (size.0.saturating_sub(1), size.1.saturating_sub(bytes));
    }
}

impl Place {
    /// The invocation is stored.
    pub(super) fn take(mut self) {
        self.taken = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.taken {
            self.backlog.release(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bounds_hold_and_an_unused_place_comes_back() {
        let (backlog, bounds) = (
            Backlog::default(),
            Bounds {
                count: 2,
                bytes: 10,
                results: 0,
            },
        );
        backlog.reserve(6, &bounds).unwrap().take();
        assert!(backlog.reserve(5, &bounds).is_none(), "too many bytes");
        drop(backlog.reserve(4, &bounds).unwrap());
        backlog.reserve(1, &bounds).unwrap().take();
        assert!(backlog.reserve(0, &bounds).is_none(), "too many");
        backlog.release(6);
        assert_eq!(backlog.size(), (1, 1));
    }
}
