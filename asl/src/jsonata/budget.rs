//! How much one evaluation may do.

use std::cell::Cell;

use super::error::{Error, too_deep};

/// What one evaluation may use before it fails. Counted, not timed: the same expression ends the same way everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Nodes evaluated and items looked at (4,000,000: about a second).
    pub steps: u64,
    /// Bytes of all values made on the way, whether they are still there or not (64 MiB).
    pub bytes: u64,
    /// Evaluations inside each other (1,000): calls of functions that are not in the last place, mostly.
    pub depth: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            steps: 4_000_000,
            bytes: 64 << 20,
            depth: 1_000,
        }
    }
}

/// Arrays and objects inside each other that a value may have: what JSON readers take, with room for what a record puts around it.
pub(super) const DEEPEST: u16 = 100;

/// What is left of a budget.
#[derive(Debug)]
pub(crate) struct Purse {
    given: Budget,
    steps: Cell<u64>,
    bytes: Cell<u64>,
    depth: Cell<u32>,
}

impl Purse {
    pub(super) fn new(given: Budget) -> Purse {
        Purse {
            given,
            steps: Cell::new(given.steps),
            bytes: Cell::new(given.bytes),
            depth: Cell::new(0),
        }
    }

    /// Pays for work.
    pub(super) fn work(&self, steps: usize) -> Result<(), Error> {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        match self.steps.get().checked_sub(steps) {
            Some(left) => {
                self.steps.set(left);
                Ok(())
            }
            None => Err(Error::new(
                "D1012",
                format!(
                    "Evaluation stopped after {} steps. Check for infinite loop",
                    self.given.steps
                ),
            )),
        }
    }

    /// Pays for memory, before it is taken.
    pub(super) fn hold(&self, bytes: usize) -> Result<(), Error> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        match self.bytes.get().checked_sub(bytes) {
            Some(left) => {
                self.bytes.set(left);
                Ok(())
            }
            None => Err(Error::new(
                "D2015",
                format!(
                    "The values made by the expression exceed {} bytes",
                    self.given.bytes
                ),
            )),
        }
    }

    /// One evaluation deeper.
    pub(super) fn descend(&self) -> Result<(), Error> {
        let depth = self.depth.get() + 1;
        if depth > self.given.depth {
            return Err(too_deep());
        }
        self.depth.set(depth);
        Ok(())
    }

    /// And back.
    pub(super) fn ascend(&self) {
        self.depth.set(self.depth.get().saturating_sub(1));
    }
}
