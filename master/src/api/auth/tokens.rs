//! Bearer tokens: `<id>.<secret>`; the store knows only the secret's hash.

use std::time::Duration;

use common::digest::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Caller;
use crate::objects::{ObjectError, Objects};
use crate::store::{Durability, StoreError, Txn};

const PREFIX: &str = "/tokens/";

#[derive(Serialize, Deserialize)]
struct Stored {
    secret: Digest,
    name: String,
    groups: Vec<String>,
    expires: Option<Timestamp>,
}

/// Makes a token for a caller and returns its text, which cannot be had again.
///
/// # Errors
/// When the store fails.
pub async fn issue(
    objects: &Objects,
    caller: &Caller,
    ttl: Option<Duration>,
) -> Result<String, ObjectError> {
    let id = hex(&rand::random::<[u8; 8]>());
    let secret = hex(&rand::random::<[u8; 32]>());
    let now = objects.clock().now();
    let stored = Stored {
        secret: Digest::of(secret.as_bytes()),
        name: caller.name.clone(),
        groups: caller.groups.clone(),
        expires: ttl.map(|ttl| now.checked_add(ttl).unwrap_or(Timestamp::MAX)),
    };
    let key = format!("{PREFIX}{id}");
    let text = serde_json::to_vec(&stored)
        .map_err(|e| ObjectError::Store(StoreError::failed("write a token", e)))?;
    objects
        .store()
        .commit(Txn::new(Durability::Durable).when(&key, 0).put(&key, text))
        .await?;
    Ok(format!("{id}.{secret}"))
}

/// Whose token it is; `None` when it is unknown, wrong or expired.
///
/// # Errors
/// When the store fails.
pub async fn verify(objects: &Objects, token: &str) -> Result<Option<Caller>, ObjectError> {
    let Some((id, secret)) = token.split_once('.') else {
        return Ok(None);
    };
    if id.len() != 16 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let Some(entry) = objects.store().get(&format!("{PREFIX}{id}")).await? else {
        return Ok(None);
    };
    let stored: Stored = serde_json::from_slice(&entry.value)
        .map_err(|e| ObjectError::Store(StoreError::failed("read a token", e)))?;
    let expired = stored
        .expires
        .is_some_and(|expires| expires <= objects.clock().now());
    if expired {
        // Whether that works does not matter: next time it is expired, too.
        let gone = Txn::new(Durability::Eventual).delete(&entry.key);
        objects.store().commit(gone).await.ok();
    }
    // Hashes are compared, so that the time it takes tells nothing about the secret.
    if expired || stored.secret != Digest::of(secret.as_bytes()) {
        return Ok(None);
    }
    Ok(Some(Caller {
        name: stored.name,
        groups: stored.groups,
        ..Caller::default()
    }))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
