//! Where the store's keys stand in etcd.

use bytes::Bytes;
use etcd_client::KeyValue;

use crate::store::{Entry, LeaseId, Revision, StoreError};

/// Says that the value follows as it is.
const WHOLE: u8 = 0;
/// Says that the value lies in parts, whose name follows.
const PARTED: u8 = 1;

/// Where the parts of a value are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    /// 32 hexadecimal digits.
    pub(super) id: String,
    pub(super) count: usize,
}

/// What etcd holds of a key.
pub(super) enum Value {
    Whole(Bytes),
    Parted(Parts),
}

/// A key as it was found.
pub(super) struct Found {
    /// Without its value when that lies in parts.
    pub(super) entry: Entry,
    pub(super) parts: Option<Parts>,
}

/// The part of etcd's keys that belongs to one cluster.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    root: String,
    parts: String,
}

impl Keys {
    /// The keys that begin with `prefix` and a slash.
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            root: format!("{prefix}/k"),
            parts: format!("{prefix}/p"),
        }
    }

    /// A key, or what several keys begin with, as etcd knows it.
    pub(super) fn raw(&self, key: &str) -> Vec<u8> {
        format!("{}{key}", self.root).into_bytes()
    }

    /// The key that follows directly on another.
    pub(super) fn next(&self, key: &str) -> Vec<u8> {
        let mut raw = self.raw(key);
        raw.push(0);
        raw
    }

    /// The first key that no longer begins with a prefix.
    pub(super) fn end(&self, prefix: &str) -> Vec<u8> {
        above(self.raw(prefix))
    }

    /// A part of the value of `key`.
    pub(super) fn part(&self, id: &str, number: usize, key: &str) -> Vec<u8> {
        format!("{}{id}/{number:04}{key}", self.parts).into_bytes()
    }

    /// Where all parts of one value are; of all values, when `id` is empty.
    pub(super) fn parts(&self, id: &str) -> (Vec<u8>, Vec<u8>) {
        let slash = if id.is_empty() { "" } else { "/" };
        let start = format!("{}{id}{slash}", self.parts).into_bytes();
        (start.clone(), above(start))
    }

    /// The id of a part and the key that it belongs to.
    pub(super) fn owner<'a>(&self, raw: &'a [u8]) -> Option<(&'a str, &'a str)> {
        let text = std::str::from_utf8(raw).ok()?;
        let (id, rest) = text.strip_prefix(&self.parts)?.split_once('/')?;
        Some((id, rest.get(4..)?))
    }

    /// The store's name of one of etcd's keys.
    pub(super) fn key(&self, raw: &[u8]) -> Result<String, StoreError> {
        let name = raw.strip_prefix(self.root.as_bytes());
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        name.map(str::to_owned).ok_or_else(|| {
            let shown = String::from_utf8_lossy(raw).into_owned();
            StoreError::failed(format!("read {shown:?}"), "it is not a key of this store")
        })
    }

    /// What a key holds.
    pub(super) fn found(&self, found: KeyValue) -> Result<Found, StoreError> {
        let mod_revision = revision(found.mod_revision());
        let lease = LeaseId::try_from(found.lease())
            .ok()
            .filter(|lease| *lease != 0);
        let (raw, value) = found.into_key_value();
        let key = self.key(&raw)?;
        let (value, parts) = match decode(&key, value)? {
            Value::Whole(value) => (value, None),
            Value::Parted(parts) => (Bytes::new(), Some(parts)),
        };
        let entry = Entry {
            key,
            value,
            mod_revision,
            lease,
        };
        Ok(Found { entry, parts })
    }
}

/// The first key that does not begin with these bytes.
fn above(mut raw: Vec<u8>) -> Vec<u8> {
    // UTF-8 has no byte 255, so the last one can be raised.
    if let Some(last) = raw.last_mut() {
        *last += 1;
    }
    raw
}

/// A value as etcd holds it.
pub(super) fn encode(value: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(1 + value.len());
    raw.push(WHOLE);
    raw.extend_from_slice(value);
    raw
}

/// The name of a value's parts as etcd holds it.
pub(super) fn encode_parts(parts: &Parts) -> Vec<u8> {
    let mut raw = vec![PARTED];
    raw.extend_from_slice(format!("{}/{}", parts.id, parts.count).as_bytes());
    raw
}

pub(super) fn decode(key: &str, raw: Vec<u8>) -> Result<Value, StoreError> {
    let value = match raw.first() {
        Some(&WHOLE) => Some(Value::Whole(Bytes::from(raw).slice(1..))),
        Some(&PARTED) => read_parts(&raw[1..]).map(Value::Parted),
        _ => None,
    };
    value.ok_or_else(|| {
        let why = "the value is damaged, or of a later version of this program";
        StoreError::failed(format!("read {key:?}"), why)
    })
}

fn read_parts(raw: &[u8]) -> Option<Parts> {
    let (id, count) = std::str::from_utf8(raw).ok()?.split_once('/')?;
    Some(Parts {
        id: id.to_owned(),
        count: count.parse().ok()?,
    })
}

/// etcd's revisions are signed, but never negative.
pub(super) fn revision(found: i64) -> Revision {
    Revision::try_from(found).unwrap_or(0)
}

/// A revision for etcd.
pub(super) fn signed(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_the_next_key_begins() {
        let keys = Keys::new("/troupe");
        assert_eq!(keys.raw("/a"), b"/troupe/k/a");
        assert!(keys.end("/a/") > keys.raw("/a/\u{10ffff}"));
        assert!(keys.end("/a/") < keys.raw("/a0b"));
        assert!(keys.end("é") > keys.raw("éz"));
        assert!(keys.next("a") > keys.raw("a") && keys.next("a") < keys.raw("a!"));
        assert_eq!(keys.key(b"/troupe/k/a").unwrap(), "/a");
        assert!(keys.key(b"/other/k/a").is_err());
    }

    #[test]
    fn values_are_whole_or_in_parts() {
        let keys = Keys::new("/troupe");
        let read = |raw| decode("a", raw);
        assert!(matches!(read(encode(b"x")), Ok(Value::Whole(x)) if x == "x"));
        let parts = Parts {
            id: "0f".repeat(16),
            count: 3,
        };
        assert!(matches!(read(encode_parts(&parts)), Ok(Value::Parted(p)) if p == parts));
        for damaged in [&b"\x07x"[..], b"", b"\x01x", b"\x01x/y"] {
            assert!(read(damaged.to_vec()).is_err(), "{damaged:?}");
        }
        let part = keys.part(&parts.id, 2, "/a/b");
        assert_eq!(keys.owner(&part), Some((parts.id.as_str(), "/a/b")));
        let (start, end) = keys.parts(&parts.id);
        assert!(start < part && part < end);
    }
}
