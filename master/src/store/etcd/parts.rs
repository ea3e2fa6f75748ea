//! Values that are too large for one request of etcd: they lie in parts beside the keys.
//!
//! The parts of a value are written first, one request each, with a lease that removes them if nothing comes
//! of it. The transaction that writes the key takes them off the lease. They stand under an id of their
//! own, so that parts never change; whoever sees the value replaced or deleted removes them. Readers take
//! them at the revision at which they saw the key, where they still are.

use std::time::Duration;

use bytes::Bytes;
use etcd_client::{DeleteOptions, GetOptions, PutOptions};

use super::keys::{Found, Keys, Parts, signed};
use super::line::Line;
use super::txn::Part;
use super::{grant, kv, revoke};
use crate::store::{Entry, LeaseId, Revision, StoreError};

/// How long the writing of one transaction's parts may take.
const TTL: Duration = Duration::from_secs(600);

/// Writes parts; the lease that they die with until they are taken off it.
pub(super) async fn write(line: &Line, parts: &[Part]) -> Result<Option<LeaseId>, StoreError> {
    if parts.is_empty() {
        return Ok(None);
    }
    let lease = grant(line, TTL).await?;
    for part in parts {
        let answer = line.call("write a part of a large value", |client| {
            let options = PutOptions::new().with_lease(signed(lease));
            let (key, value) = (part.key.clone(), part.value.to_vec());
            async move { kv(&client).put(key, value, Some(options)).await }
        });
        answer.await?;
    }
    Ok(Some(lease))
}

/// Gives up the lease of parts: those that nobody took are removed.
pub(super) async fn release(line: &Line, lease: Option<LeaseId>) {
    if let Some(lease) = lease
        && let Err(error) = revoke(line, lease).await
    {
        tracing::debug!(%error, "the parts of a large value stay until their lease ends");
    }
}

/// The entry with its value, as it was at a revision.
pub(super) async fn complete(
    line: &Line,
    keys: &Keys,
    found: Found,
    at: Revision,
) -> Result<Entry, StoreError> {
    let mut entry = found.entry;
    if let Some(parts) = &found.parts {
        entry.value = read(line, keys, &entry.key, parts, at).await?;
    }
    Ok(entry)
}

/// A value that lies in parts.
pub(super) async fn read(
    line: &Line,
    keys: &Keys,
    key: &str,
    parts: &Parts,
    at: Revision,
) -> Result<Bytes, StoreError> {
    let attempt = format!("read {key:?}");
    let (start, end) = keys.parts(&parts.id);
    let answer = line.call(&attempt, |client| {
        let options = GetOptions::new()
            .with_range(end.clone())
            .with_revision(signed(at));
        let start = start.clone();
        async move { kv(&client).get(start, Some(options)).await }
    });
    let answer = answer.await?.value;
    if answer.kvs().len() != parts.count {
        let why = format!("found {} of its {} parts", answer.kvs().len(), parts.count);
        return Err(StoreError::failed(attempt, why));
    }
    let parts = answer.kvs().iter().map(etcd_client::KeyValue::value);
    Ok(Bytes::from(parts.collect::<Vec<_>>().concat()))
}

/// Removes the parts of a value that is no more.
pub(super) async fn remove(line: &Line, keys: &Keys, id: &str) -> Result<(), StoreError> {
    let (start, end) = keys.parts(id);
    let answer = line.call("remove the parts of a large value", |client| {
        let options = DeleteOptions::new().with_range(end.clone());
        let start = start.clone();
        async move { kv(&client).delete(start, Some(options)).await }
    });
    answer.await.map(|_| ())
}

/// Removes what masters left behind that ended between replacing a value and removing its parts.
pub(super) async fn sweep(line: &Line, keys: &Keys) -> Result<usize, StoreError> {
    let (start, end) = keys.parts("");
    let answer = line.call("list the parts of large values", |client| {
        let options = GetOptions::new().with_range(end.clone()).with_keys_only();
        let start = start.clone();
        async move { kv(&client).get(start, Some(options)).await }
    });
    let answer = answer.await?.value;
    let mut removed = 0;
    for part in answer.kvs() {
        // Only the first part counts, and only where nobody may be writing.
        let first = keys
            .owner(part.key())
            .filter(|(id, key)| part.lease() == 0 && keys.part(id, 0, key) == part.key());
        let Some((id, key)) = first else { continue };
        let answer = line.call("look for the owner of parts", |client| {
            let raw = keys.raw(key);
            async move { kv(&client).get(raw, None).await }
        });
        let owner = answer.await?.value.take_kvs().into_iter().next();
        let owner = owner.map(|found| keys.found(found)).transpose()?;
        let parts = owner.and_then(|found| found.parts);
        if parts.is_none_or(|parts| parts.id != id) {
            remove(line, keys, id).await?;
            removed += 1;
        }
    }
    Ok(removed)
}
