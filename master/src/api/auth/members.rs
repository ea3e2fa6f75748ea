//! Which nodes belong to the cluster, and with which keys.
//!
//! The digests of a node's keys stand on its Node object. Deleting the object ends the membership: its certificate
//! opens nothing any more, and a certificate that somebody else got for the name never did.

use common::digest::Digest;
use common::resources::{Node, ObjectMeta, Resource as _};

use crate::objects::{Durability, ObjectError, Objects};

/// Digests of the keys that a node's certificate may have, with commas between them.
pub const KEYS_ANNOTATION: &str = "troupe.dev/node-keys";

/// Whether a node with this key belongs to the cluster.
///
/// # Errors
/// When the store fails.
pub async fn is_member(objects: &Objects, node: &str, key: Digest) -> Result<bool, ObjectError> {
    let found = objects.get::<Node>("", node).await?;
    Ok(found.is_some_and(|node| keys(&node).contains(&key)))
}

/// Takes a node in with its first key; false when the name belongs to another key.
///
/// # Errors
/// When the store fails.
pub async fn take_in(objects: &Objects, node: &str, key: Digest) -> Result<bool, ObjectError> {
    let mut new = Node::with_metadata(ObjectMeta::named("", node));
    set(&mut new, &[key]);
    match objects.create(new, Durability::Durable).await {
        Ok(_) => return Ok(true),
        Err(ObjectError::AlreadyExists { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut taken = false;
    let claim = |node: &mut Node| {
        let known = keys(node);
        taken = known.is_empty() || known.contains(&key);
        if known.is_empty() {
            set(node, &[key]);
        }
        known.is_empty()
    };
    objects.modify("", node, Durability::Durable, claim).await?;
    Ok(taken)
}

/// Lets a member have another key. The one it used to ask stays good: the answer may not reach it.
///
/// # Errors
/// When the store fails.
pub async fn add_key(
    objects: &Objects,
    node: &str,
    used: Digest,
    new: Digest,
) -> Result<(), ObjectError> {
    let change = |node: &mut Node| {
        set(node, &[used, new]);
        true
    };
    objects
        .modify("", node, Durability::Durable, change)
        .await?;
    Ok(())
}

fn keys(node: &Node) -> Vec<Digest> {
    let text = node.metadata.annotations.get(KEYS_ANNOTATION);
    let parts = text.map(|text| text.split(',')).into_iter().flatten();
    parts.filter_map(|part| part.trim().parse().ok()).collect()
}

fn set(node: &mut Node, keys: &[Digest]) {
    let text: Vec<String> = keys.iter().map(ToString::to_string).collect();
    let annotations = &mut node.metadata.annotations;
    annotations.insert(KEYS_ANNOTATION.to_owned(), text.join(","));
}
