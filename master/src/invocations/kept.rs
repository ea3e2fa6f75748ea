use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Ledger, LedgerError, keys};
use crate::store::Page;

/// Ended invocations looked at in one go.
const PAGE: usize = 500;

/// Bytes of the answers that are kept for their callers, and of dead letters' requests. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept(Arc<AtomicU64>);

impl Kept {
    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn subtract(&self, bytes: u64) {
        // Never below zero: an answer may be forgotten while all are being counted.
        let less = |kept: u64| Some(kept.saturating_sub(bytes));
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

/// What the index of ended invocations says of one: the bytes that are kept of it.
pub(super) fn read_bytes(value: &[u8]) -> u64 {
    let text = std::str::from_utf8(value).unwrap_or_default();
    text.parse().unwrap_or(0)
}

impl Ledger {
    /// Whether more is kept than may be.
    pub(super) fn keeps_too_much(&self) -> bool {
        self.kept.bytes() > self.bounds.results
    }

    /// Counts what is kept, as the index shows it.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn count_kept(&self) -> Result<(), LedgerError> {
        let (mut after, mut bytes) = (None::<String>, 0);
        loop {
            let page = Page {
                prefix: keys::ENDED,
                after: after.as_deref(),
                limit: PAGE,
            };
            let listed = self.store.list(page).await?;
            bytes += listed
                .entries
                .iter()
                .map(|entry| read_bytes(&entry.value))
                .sum::<u64>();
            match listed.entries.last().filter(|_| listed.more) {
                Some(last) => after = Some(last.key.clone()),
                None => break,
            }
        }
        self.kept.0.store(bytes, Ordering::Relaxed);
        Ok(())
    }
}
