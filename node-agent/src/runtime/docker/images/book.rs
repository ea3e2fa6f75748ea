use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The images this agent brought in: when each was used last, and who holds it. Pure. Images that
/// others brought to the engine are not in it and never removed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Book {
    images: BTreeMap<String, Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    /// The engine's id of it.
    id: String,
    /// Seconds since 1970.
    last_use: i64,
    /// Pods that are being started from it or run; not known to the next agent, which asks the
    /// engine.
    #[serde(skip)]
    holders: u32,
}

impl Book {
    /// Notes that an image is there and used.
    pub(super) fn hold(&mut self, reference: &str, id: &str, now: i64) {
        let entry = self.images.entry(reference.to_owned());
        let entry = entry.or_insert_with(|| Entry {
            id: String::new(),
            last_use: now,
            holders: 0,
        });
        id.clone_into(&mut entry.id);
        entry.last_use = now;
        entry.holders += 1;
    }

    pub(super) fn let_go(&mut self, reference: &str, now: i64) {
        if let Some(entry) = self.images.get_mut(reference) {
            entry.holders = entry.holders.saturating_sub(1);
            entry.last_use = now;
        }
    }

    pub(super) fn forget(&mut self, reference: &str) {
        self.images.remove(reference);
    }

    /// What may go, the longest unused first. `in_use` are the ids of images that containers are
    /// made of.
    pub(super) fn unused(&self, in_use: &BTreeSet<String>) -> Vec<String> {
        let mut unused: Vec<_> = self
            .images
            .iter()
            .filter(|(_, entry)| entry.holders == 0 && !in_use.contains(&entry.id))
            .collect();
        unused.sort_by_key(|(_, entry)| entry.last_use);
        unused
            .into_iter()
            .map(|(reference, _)| reference.clone())
            .collect()
    }

    /// Whether an image is still there and nobody holds it.
    pub(super) fn is_free(&self, reference: &str) -> bool {
        self.images
            .get(reference)
            .is_some_and(|entry| entry.holders == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_goes_first_and_none_in_use() {
        let mut book = Book::default();
        for (at, name) in [(3, "a"), (1, "b"), (2, "c"), (0, "d")] {
            book.hold(name, &format!("sha256:{name}"), at);
            book.let_go(name, at);
        }
        book.hold("c", "sha256:c", 9);
        let in_use = BTreeSet::from(["sha256:d".to_owned()]);
        assert_eq!(book.unused(&in_use), ["b", "a"]);
        book.let_go("c", 9);
        assert_eq!(book.unused(&BTreeSet::new()), ["d", "b", "a", "c"]);
    }

    #[test]
    fn the_next_agent_knows_the_images_but_no_holders() {
        let mut book = Book::default();
        book.hold("a", "sha256:a", 5);
        let text = serde_json::to_string(&book).unwrap();
        let next: Book = serde_json::from_str(&text).unwrap();
        assert_eq!(next.unused(&BTreeSet::new()), ["a"]);
    }
}
