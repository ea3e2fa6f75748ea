//! All that a store holds, taken over into another one.
//!
//! The target must be empty. While it is being filled it carries a mark, with which no master starts; a
//! migration that ended half way is begun anew from an empty target. The mark goes when everything was
//! read back and compared.

use std::collections::HashMap;
use std::time::Duration;

use super::{Durability, Entry, LeaseId, MAX_OPERATIONS, Page, Revision, Store, StoreError, Txn};

/// The mark of a target that is not complete.
const MARK: &str = "/troupe/migration";
/// Entries read at once.
const PAGE: usize = 256;
/// Most changes and bytes in one commit; a value that is larger has one of its own.
const CHANGES: usize = MAX_OPERATIONS / 2;
const BYTES: usize = 1 << 20;
/// Time to live of what dies with a lease (Events), from the migration on.
const LEASE: Duration = Duration::from_secs(3600);

/// A migration failed.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The source failed.
    #[error("read the old store")]
    From(#[source] StoreError),
    /// The target failed.
    #[error("write the new store")]
    To(#[source] StoreError),
    /// There is something in the target.
    #[error("the new store is not empty: it holds {0:?}; choose another etcd.prefix, or empty it")]
    NotEmpty(String),
    /// The copy is not the same.
    #[error(
        "the new store differs at {0:?}; is somebody else writing to it? run the migration again"
    )]
    Differs(String),
}

/// Whether a migration into this store has not finished.
///
/// # Errors
/// When the store fails.
pub async fn is_unfinished(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(store.get(MARK).await?.is_some())
}

/// Takes over everything; how many keys there are. `progress` hears how many are done, of how many.
///
/// # Errors
/// When a store fails, the target is not empty, or differs in the end. It may be tried again.
pub async fn migrate(
    from: &dyn Store,
    to: &dyn Store,
    mut progress: impl FnMut(usize, usize),
) -> Result<usize, MigrationError> {
    let mut total = 0;
    let mut pages = Pages::default();
    while let Some(page) = pages.next(from).await.map_err(MigrationError::From)? {
        total += page.len();
    }
    let mark = begin(to).await?;
    let mut copied = 0;
    let mut leases = HashMap::new();
    let mut pages = Pages::default();
    while let Some(page) = pages.next(from).await.map_err(MigrationError::From)? {
        for batch in batches(page) {
            copied += batch.len();
            copy(to, mark, batch, &mut leases)
                .await
                .map_err(MigrationError::To)?;
            progress(copied, total);
        }
    }
    compare(from, to).await?;
    let done = Txn::new(Durability::Durable).when(MARK, mark).delete(MARK);
    to.commit(done).await.map_err(MigrationError::To)?;
    Ok(copied)
}

/// Marks an empty target, or empties one that an earlier try marked; the mark's revision.
async fn begin(to: &dyn Store) -> Result<Revision, MigrationError> {
    let mut mark = 0;
    if let Some(found) = to.get(MARK).await.map_err(MigrationError::To)? {
        mark = found.mod_revision;
    } else {
        let page = Page {
            prefix: "",
            after: None,
            limit: 1,
        };
        let listed = to.list(page).await.map_err(MigrationError::To)?;
        if let Some(first) = listed.entries.into_iter().next() {
            return Err(MigrationError::NotEmpty(first.key));
        }
    }
    let begun = Txn::new(Durability::Durable)
        .when(MARK, mark)
        .put(MARK, "unfinished");
    let mark = to.commit(begun).await.map_err(MigrationError::To)?;
    let mut pages = Pages::default();
    while let Some(page) = pages.next(to).await.map_err(MigrationError::To)? {
        for chunk in page.chunks(CHANGES) {
            let txn = Txn::new(Durability::Eventual).when(MARK, mark);
            let txn = chunk.iter().fold(txn, |txn, entry| txn.delete(&entry.key));
            to.commit(txn).await.map_err(MigrationError::To)?;
        }
    }
    Ok(mark)
}

async fn copy(
    to: &dyn Store,
    mark: Revision,
    batch: Vec<Entry>,
    leases: &mut HashMap<LeaseId, LeaseId>,
) -> Result<(), StoreError> {
    let mut txn = Txn::new(Durability::Durable).when(MARK, mark);
    for entry in batch {
        txn = match entry.lease {
            None => txn.put(entry.key, entry.value),
            Some(old) => {
                let new = match leases.get(&old) {
                    Some(new) => *new,
                    None => to.grant(LEASE).await?,
                };
                leases.insert(old, new);
                txn.put_leased(entry.key, entry.value, new)
            }
        };
    }
    to.commit(txn).await.map(|_| ())
}

async fn compare(from: &dyn Store, to: &dyn Store) -> Result<(), MigrationError> {
    let (mut old, mut new) = (Pages::default(), Pages::default());
    loop {
        let left = old.next(from).await.map_err(MigrationError::From)?;
        let right = new.next(to).await.map_err(MigrationError::To)?;
        let (left, right) = match (left, right) {
            (None, None) => return Ok(()),
            (left, right) => (left.unwrap_or_default(), right.unwrap_or_default()),
        };
        let same = |(old, new): &(&Entry, &Entry)| old.key == new.key && old.value == new.value;
        let differs = left.iter().zip(&right).find(|pair| !same(pair));
        let longer = || {
            let shorter = left.len().min(right.len());
            left.get(shorter).or_else(|| right.get(shorter))
        };
        if let Some(at) = differs.map(|(old, _)| old).or_else(longer) {
            return Err(MigrationError::Differs(at.key.clone()));
        }
    }
}

/// Everything in a store but the mark, page by page.
#[derive(Default)]
struct Pages {
    after: Option<String>,
    ended: bool,
}

impl Pages {
    async fn next(&mut self, store: &dyn Store) -> Result<Option<Vec<Entry>>, StoreError> {
        let mut entries = Vec::with_capacity(PAGE);
        // The mark takes a place in one page only; pages of both sides must cover the same keys.
        while !self.ended && entries.len() < PAGE {
            let page = Page {
                prefix: "",
                after: self.after.as_deref(),
                limit: PAGE - entries.len(),
            };
            let listed = store.list(page).await?;
            self.ended = !listed.more;
            if let Some(last) = listed.entries.last() {
                self.after = Some(last.key.clone());
            }
            entries.extend(listed.entries.into_iter().filter(|entry| entry.key != MARK));
        }
        Ok((!entries.is_empty()).then_some(entries))
    }
}

/// Entries in commits that are not too large.
fn batches(page: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut batches: Vec<Vec<Entry>> = Vec::new();
    let mut bytes = 0;
    for entry in page {
        let weight = entry.key.len() + entry.value.len();
        match batches.last_mut() {
            Some(batch) if batch.len() < CHANGES && bytes + weight <= BYTES => {
                bytes += weight;
                batch.push(entry);
            }
            _ => {
                bytes = weight;
                batches.push(vec![entry]);
            }
        }
    }
    batches
}
