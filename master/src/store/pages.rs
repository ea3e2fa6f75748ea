//! Everything under a prefix, without having all of it in memory: page by page, and then what changed
//! meanwhile. The pages show different revisions; [`Shown`] tells which later changes they have in them.

use super::{Entry, Page, Revision, Store, StoreError};

/// Entries of one page.
const PAGE: usize = 500;

/// A list that is read page by page.
#[derive(Debug)]
pub struct Pages {
    prefix: String,
    after: Option<String>,
    over: bool,
    shown: Shown,
}

/// What a list has shown: for each page its last key and its revision.
#[derive(Debug, Default)]
pub struct Shown {
    pages: Vec<(String, Revision)>,
    /// The revision of what comes after the last of these keys.
    rest: Revision,
    first: Option<Revision>,
}

impl Pages {
    /// All that stands under a prefix.
    #[must_use]
    pub fn of(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
            after: None,
            over: false,
            shown: Shown::default(),
        }
    }

    /// The next entries; `None` when there are no more. Dropping the future before it is done loses nothing.
    ///
    /// # Errors
    /// When the store fails; the same page can be asked for again.
    pub async fn next(&mut self, store: &dyn Store) -> Result<Option<Vec<Entry>>, StoreError> {
        if self.over {
            return Ok(None);
        }
        let page = Page {
            prefix: &self.prefix,
            after: self.after.as_deref(),
            limit: PAGE,
        };
        let listed = store.list(page).await?;
        let shown = &mut self.shown;
        shown.first.get_or_insert(listed.revision);
        match listed.entries.last() {
            Some(last) if listed.more => {
                shown.pages.push((last.key.clone(), listed.revision));
                self.after = Some(last.key.clone());
            }
            _ => {
                shown.rest = listed.revision;
                self.over = true;
            }
        }
        Ok(Some(listed.entries))
    }

    /// What was shown, when all of it was.
    #[must_use]
    pub fn shown(self) -> Shown {
        self.shown
    }
}

impl Shown {
    /// The revision after which changes are to be watched.
    #[must_use]
    pub fn since(&self) -> Revision {
        self.first.unwrap_or_default()
    }

    /// Whether the list already had this change of a key in it, or a later one.
    #[must_use]
    pub fn has(&self, key: &str, revision: Revision) -> bool {
        let place = self.pages.partition_point(|(last, _)| last.as_str() < key);
        let page = self.pages.get(place);
        revision <= page.map_or(self.rest, |(_, revision)| *revision)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use futures_util::{FutureExt as _, StreamExt as _};

    use super::*;
    use crate::clock::SystemClock;
    use crate::store::Durability::Eventual;
    use crate::store::{Change, EmbeddedStore, Txn};

    #[tokio::test]
    async fn pages_and_what_changed_meanwhile_are_the_whole() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock::default());
        let store = EmbeddedStore::open(&directory.path().join("s"), clock).unwrap();
        let put = async |number: usize, text: &str| {
            let txn = Txn::new(Eventual).put(format!("/a/{number:05}"), text.to_owned());
            store.commit(txn).await.unwrap();
        };
        for number in 0..2 * PAGE + 7 {
            put(number, "old").await;
        }
        store
            .commit(Txn::new(Eventual).put("/b", "other"))
            .await
            .unwrap();
        let mut pages = Pages::of("/a/");
        let mut seen = BTreeMap::new();
        let mut round = 0;
        while let Some(entries) = pages.next(&store).await.unwrap() {
            assert!(entries.len() <= PAGE);
            seen.extend(entries.into_iter().map(|entry| (entry.key, entry.value)));
            // Before and behind the place where the list stands.
            put(3, &format!("near {round}")).await;
            put(2 * PAGE + 3, &format!("far {round}")).await;
            let gone = format!("/a/{:05}", 10 + round);
            store.commit(Txn::new(Eventual).delete(gone)).await.unwrap();
            round += 1;
        }
        assert_eq!(round, 3);
        let shown = pages.shown();
        let mut changes = store.watch("/a/", shown.since()).await.unwrap();
        let mut skipped = 0;
        while let Some(Some(Ok(batch))) = changes.next().now_or_never() {
            for change in batch.changes {
                if shown.has(change.key(), batch.revision) {
                    skipped += 1;
                    continue;
                }
                match change {
                    Change::Put(entry) => seen.insert(entry.key, entry.value),
                    Change::Deleted { key, .. } => seen.remove(&key),
                };
            }
        }
        assert_eq!(skipped, 2, "the far key's first two changes were listed");
        let all = store.list(Page::all("/a/")).await.unwrap().entries;
        let all: BTreeMap<_, _> = all.into_iter().map(|e| (e.key, e.value)).collect();
        assert!(all == seen);
        assert_eq!(all.len(), 2 * PAGE + 7 - 3);
    }
}
