//! Where invocations stand in the store.

use common::digest::Digest;
use jiff::Timestamp;

use super::Id;
use crate::key::ObjectKey;

/// Everything of the room.
pub(super) const ALL: &str = "/troupe/invocations/";
/// Index of invocations that have not ended.
pub(super) const OPEN: &str = "/troupe/invocations/open/";
/// Index of those that have, by time.
pub(super) const ENDED: &str = "/troupe/invocations/ended/";
/// Index of the dead letters, by time.
pub(super) const FAILED: &str = "/troupe/invocations/failed/";

pub(super) fn open(id: Id) -> String {
    format!("{OPEN}{id}")
}

pub(super) fn record(id: Id) -> String {
    format!("/troupe/invocations/record/{id}")
}

/// Method, path and headers.
pub(super) fn request(id: Id) -> String {
    format!("/troupe/invocations/request/{id}")
}

/// The request's body; absent when it is empty.
pub(super) fn body(id: Id) -> String {
    format!("/troupe/invocations/body/{id}")
}

/// The answer's body; absent when it is empty.
pub(super) fn result(id: Id) -> String {
    format!("/troupe/invocations/result/{id}")
}

pub(super) fn ended(at: Timestamp, id: Id) -> String {
    format!("{ENDED}{}", timed(at, id))
}

pub(super) fn failed(at: Timestamp, id: Id) -> String {
    format!("{FAILED}{}", timed(at, id))
}

/// An idempotency key by its hash.
pub(super) fn idempotency(hash: &str) -> String {
    format!("/troupe/invocations/key/{hash}")
}

/// The hash of a client's key, which counts for one function.
pub(super) fn hash(function: &ObjectKey, key: &str) -> String {
    Digest::of(format!("{function}\n{key}").as_bytes()).hex()
}

/// `TIME/ID`, in order of time.
fn timed(at: Timestamp, id: Id) -> String {
    format!("{:015}/{id}", at.as_millisecond().max(0))
}

/// The id at the end of an index's key.
pub(super) fn read_id(key: &str) -> Option<Id> {
    Id::parse(key.rsplit('/').next()?)
}

/// Reads the last two parts of a timed key.
pub(super) fn read_timed(key: &str) -> Option<(Timestamp, Id)> {
    let mut parts = key.rsplit('/');
    let id = Id::parse(parts.next()?)?;
    let at = Timestamp::from_millisecond(parts.next()?.parse().ok()?).ok()?;
    Some((at, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timed_keys_stand_in_order_of_time_and_are_read_back() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let (early, late) = (ended(at(999), Id(7)), ended(at(1_700_000_000_000), Id(1)));
        assert!(early < late);
        assert_eq!(read_timed(&late), Some((at(1_700_000_000_000), Id(1))));
        assert_eq!(read_timed("/troupe/invocations/ended/x"), None);
    }

    #[test]
    fn a_key_counts_for_one_function() {
        let (f, g) = (
            ObjectKey::new("default", "f"),
            ObjectKey::new("default", "g"),
        );
        assert_ne!(hash(&f, "k"), hash(&g, "k"));
        assert_eq!(hash(&f, "k"), hash(&f, "k"));
    }
}
