//! Objects and recent changes of one kind. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::Value;

use super::Cached;
use crate::store::Revision;

/// Most changes kept.
const MAX_EVENTS: usize = 8192;
/// Most bytes of changes kept, roughly.
const MAX_BYTES: usize = 32 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    Added,
    Modified,
    Deleted,
}

/// A change, with what was before, so that a selector can tell who comes and who goes.
pub(crate) struct CacheEvent {
    pub(crate) kind: EventKind,
    pub(crate) key: String,
    pub(crate) revision: Revision,
    now: Cached,
    before: Option<Cached>,
    parsed: OnceLock<(Option<Value>, Option<Value>)>,
}

impl CacheEvent {
    fn parsed(&self) -> &(Option<Value>, Option<Value>) {
        self.parsed.get_or_init(|| {
            (
                self.now.parse(),
                self.before.as_ref().and_then(Cached::parse),
            )
        })
    }

    /// The object after the change; of a deletion, its last state. Parsed once for all watchers.
    pub(crate) fn object(&self) -> Option<&Value> {
        self.parsed().0.as_ref()
    }

    /// The object before the change.
    pub(crate) fn before(&self) -> Option<&Value> {
        self.parsed().1.as_ref()
    }

    fn weight(&self) -> usize {
        self.key.len() + 2 * self.now.text.len() + 128
    }
}

/// The version is too old to go on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expired {
    /// The oldest version from which one can.
    pub(crate) oldest: Revision,
}

/// Objects and recent changes.
#[derive(Default)]
pub(crate) struct Ring {
    objects: BTreeMap<String, Cached>,
    events: VecDeque<Arc<CacheEvent>>,
    bytes: usize,
    /// Changes after this revision are kept.
    floor: Revision,
    head: Revision,
}

impl Ring {
    /// Forgets everything and begins with these objects.
    pub(crate) fn begin(&mut self, objects: BTreeMap<String, Cached>, revision: Revision) {
        *self = Self {
            objects,
            floor: revision,
            head: revision,
            ..Self::default()
        };
    }

    pub(crate) fn put(&mut self, key: String, text: Bytes, revision: Revision) {
        let now = Cached { text, revision };
        let before = self.objects.insert(key.clone(), now.clone());
        let kind = if before.is_some() {
            EventKind::Modified
        } else {
            EventKind::Added
        };
        self.push(kind, key, revision, now, before);
    }

    pub(crate) fn delete(&mut self, key: String, last: Bytes, revision: Revision) {
        let before = self.objects.remove(&key);
        let now = Cached {
            text: last,
            revision,
        };
        self.push(EventKind::Deleted, key, revision, now, before);
    }

    fn push(
        &mut self,
        kind: EventKind,
        key: String,
        revision: Revision,
        now: Cached,
        before: Option<Cached>,
    ) {
        let event = CacheEvent {
            kind,
            key,
            revision,
            now,
            before,
            parsed: OnceLock::new(),
        };
        self.head = revision;
        self.bytes += event.weight();
        self.events.push_back(Arc::new(event));
        while self.events.len() > MAX_EVENTS || self.bytes > MAX_BYTES {
            let Some(old) = self.events.pop_front() else {
                break;
            };
            self.bytes -= old.weight();
            self.floor = old.revision;
        }
    }

    /// At most `limit` changes after a revision; whole revisions only.
    pub(crate) fn after(
        &self,
        revision: Revision,
        limit: usize,
    ) -> Result<Vec<Arc<CacheEvent>>, Expired> {
        if revision < self.floor {
            return Err(Expired { oldest: self.floor });
        }
        let start = self
            .events
            .partition_point(|event| event.revision <= revision);
        let mut taken: Vec<Arc<CacheEvent>> = Vec::new();
        for event in self.events.range(start..) {
            let whole = taken
                .last()
                .is_none_or(|last| last.revision != event.revision);
            if whole && taken.len() >= limit {
                break;
            }
            taken.push(Arc::clone(event));
        }
        Ok(taken)
    }

    /// All objects whose keys begin with a prefix, and the revision that they show.
    pub(crate) fn objects(&self, prefix: &str) -> (Vec<(String, Cached)>, Revision) {
        let from = self.objects.range::<str, _>((
            std::ops::Bound::Included(prefix),
            std::ops::Bound::Unbounded,
        ));
        let objects = from.take_while(|(key, _)| key.starts_with(prefix));
        (
            objects
                .map(|(key, cached)| (key.clone(), cached.clone()))
                .collect(),
            self.head,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(n: u64) -> Bytes {
        Bytes::from(format!(r#"{{"metadata":{{"name":"a"}},"n":{n}}}"#))
    }

    #[test]
    fn events_tell_what_was_before() {
        let mut ring = Ring::default();
        ring.begin(BTreeMap::new(), 5);
        ring.put("a".to_owned(), text(1), 6);
        ring.put("a".to_owned(), text(2), 7);
        ring.delete("a".to_owned(), text(2), 8);
        let events = ring.after(5, 100).unwrap();
        let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
        assert_eq!(
            kinds,
            [EventKind::Added, EventKind::Modified, EventKind::Deleted]
        );
        assert_eq!(events[1].before().unwrap()["n"], 1);
        assert_eq!(
            events[2].object().unwrap()["metadata"]["resourceVersion"],
            "8"
        );
        assert!(ring.objects("").0.is_empty());
        assert_eq!(ring.after(4, 100).err(), Some(Expired { oldest: 5 }));
        assert!(
            ring.after(9, 100).unwrap().is_empty(),
            "from the future: waits"
        );
    }

    #[test]
    fn the_ring_is_bounded_and_old_positions_expire() {
        let mut ring = Ring::default();
        ring.begin(BTreeMap::new(), 1);
        for revision in 2..=10_002 {
            ring.put("a".to_owned(), text(revision), revision);
        }
        assert!(ring.after(1, 1).is_err());
        let floor = 10_002 - MAX_EVENTS as u64;
        assert_eq!(ring.after(floor, 1).unwrap()[0].revision, floor + 1);
    }
}
