//! Join tokens in the store: by id, the hash of the secret and the end of its life.

use std::time::Duration;

use common::digest::Digest;
use common::trust::JoinToken;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::objects::Objects;
use crate::store::{Durability, Page, StoreError, Txn};

const PREFIX: &str = "/troupe/join-tokens/";

#[derive(Serialize, Deserialize)]
struct Stored {
    secret: Digest,
    expires: Timestamp,
}

fn key(id: &str) -> String {
    format!("{PREFIX}{id}")
}

/// Keeps a token for `ttl`; expired ones are thrown out on the way.
pub(super) async fn keep(
    objects: &Objects,
    token: &JoinToken,
    ttl: Duration,
) -> Result<(), StoreError> {
    let now = objects.clock().now();
    let stored = Stored {
        secret: token.secret_digest(),
        expires: now.checked_add(ttl).unwrap_or(Timestamp::MAX),
    };
    let text =
        serde_json::to_vec(&stored).map_err(|e| StoreError::failed("write a join token", e))?;
    let mut txn = Txn::new(Durability::Durable).put(key(&token.id), text);
    let listed = objects
        .store()
        .list(Page {
            prefix: PREFIX,
            limit: 100,
            after: None,
        })
        .await?;
    for entry in listed.entries {
        let stored = serde_json::from_slice::<Stored>(&entry.value);
        if stored.is_ok_and(|stored| stored.expires <= now) {
            txn = txn.delete(&entry.key);
        }
    }
    objects.store().commit(txn).await.map(|_| ())
}

/// Whether a token is known, right and not expired.
pub(super) async fn is_good(objects: &Objects, token: &JoinToken) -> Result<bool, StoreError> {
    let Some(entry) = objects.store().get(&key(&token.id)).await? else {
        return Ok(false);
    };
    let Ok(stored) = serde_json::from_slice::<Stored>(&entry.value) else {
        return Ok(false);
    };
    // Hashes are compared, so that the time it takes tells nothing about the secret.
    Ok(stored.secret == token.secret_digest() && stored.expires > objects.clock().now())
}
