//! What the server sets in an object's metadata when it is made, changed or deleted. Pure.

use common::resources::{Kind, timestamp};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Held by this, an object waits until its dependents are gone.
pub const FINALIZER_FOREGROUND: &str = "foregroundDeletion";
/// Held by this, an object waits until its dependents have forgotten it.
pub const FINALIZER_ORPHAN: &str = "orphan";
/// In a namespace's `spec.finalizers`: there may be objects in it.
pub(crate) const NAMESPACE_FINALIZER: &str = "kubernetes";

/// Fields of the metadata that only the server writes.
const SERVER_FIELDS: [&str; 5] = [
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// A random uid (UUID version 4).
#[must_use]
pub fn new_uid() -> String {
    let bits = rand::random::<u128>();
    let bits = bits & !(0xf << 76) | (0x4 << 76);
    let bits = bits & !(0x3 << 62) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// Five characters that complete a `generateName`, none of which spell words.
pub(crate) fn random_suffix() -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    (0..5)
        .map(|_| char::from(LETTERS[rand::random::<u32>() as usize % LETTERS.len()]))
        .collect()
}

/// The object's metadata, made if there are none.
pub(crate) fn metadata_mut(object: &mut Value) -> &mut Map<String, Value> {
    child(object, "metadata")
}

pub(crate) fn child<'a>(object: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    object_mut(object_mut(object).entry(field).or_insert(Value::Null))
}

fn object_mut(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it was just made an object"),
    }
}

/// A text in the metadata; empty when absent.
pub(crate) fn meta_text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or("")
}

pub(crate) fn finalizers(object: &Value) -> Vec<String> {
    let texts = |list: &Value| -> Vec<String> {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter()
            .filter_map(|f| f.as_str().map(str::to_owned))
            .collect()
    };
    texts(&object["metadata"]["finalizers"])
}

/// Whether something holds an object that shall be deleted.
pub(crate) fn is_held(kind: &Kind, object: &Value) -> bool {
    let namespace = kind.plural == "namespaces"
        && object["spec"]["finalizers"]
            .as_array()
            .is_some_and(|list| !list.is_empty());
    namespace || !finalizers(object).is_empty()
}

/// Whether deletion was asked for.
pub(crate) fn is_deleting(object: &Value) -> bool {
    !meta_text(object, "deletionTimestamp").is_empty()
}

/// Completes a new object.
pub(crate) fn begin(kind: &Kind, object: &mut Value, uid: String, now: Timestamp) {
    let has_spec = object.get("spec").is_some();
    let metadata = metadata_mut(object);
    for field in SERVER_FIELDS {
        metadata.remove(field);
    }
    metadata.remove("resourceVersion");
    metadata.insert("uid".to_owned(), uid.into());
    metadata.insert("creationTimestamp".to_owned(), timestamp(now).into());
    if has_spec {
        metadata.insert("generation".to_owned(), 1.into());
    }
    object["kind"] = kind.kind.into();
    object["apiVersion"] = kind.api_version().into();
    if kind.plural == "namespaces" {
        object["spec"] = json!({ "finalizers": [NAMESPACE_FINALIZER] });
        object["status"] = json!({ "phase": "Active" });
    }
}

/// Completes a changed object from the one it replaces. `Err` says what does not agree.
pub(crate) fn succeed(old: &Value, new: &mut Value) -> Result<(), String> {
    let uid = meta_text(new, "uid");
    if !uid.is_empty() && uid != meta_text(old, "uid") {
        return Err(format!(
            "the object's uid is {}, the change is meant for {uid}",
            meta_text(old, "uid")
        ));
    }
    let same_spec = old.get("spec") == new.get("spec");
    let metadata = metadata_mut(new);
    for field in SERVER_FIELDS {
        match old["metadata"].get(field) {
            Some(value) => metadata.insert(field.to_owned(), value.clone()),
            None => metadata.remove(field),
        };
    }
    metadata.remove("resourceVersion");
    if let Some(generation) = old["metadata"]["generation"].as_i64()
        && !same_spec
    {
        metadata.insert("generation".to_owned(), (generation + 1).into());
    }
    Ok(())
}

/// Marks an object as being deleted.
pub(crate) fn mark_deleted(
    kind: &Kind,
    object: &mut Value,
    finalizer: Option<&str>,
    now: Timestamp,
) {
    if kind.plural == "namespaces" {
        child(object, "status").insert("phase".to_owned(), "Terminating".into());
    }
    let mut held = finalizers(object);
    let metadata = metadata_mut(object);
    if let Some(finalizer) = finalizer
        && !held.iter().any(|f| f == finalizer)
    {
        held.push(finalizer.to_owned());
        metadata.insert("finalizers".to_owned(), held.into());
    }
    if metadata.get("deletionTimestamp").is_none_or(Value::is_null) {
        metadata.insert("deletionTimestamp".to_owned(), timestamp(now).into());
        metadata.insert("deletionGracePeriodSeconds".to_owned(), 0.into());
        if let Some(generation) = metadata.get("generation").and_then(Value::as_i64) {
            metadata.insert("generation".to_owned(), (generation + 1).into());
        }
    }
}

#[cfg(test)]
mod tests {
    use common::resources::{Function, Namespace, Resource as _};

    use super::*;

    #[test]
    fn uids_are_random_uuids() {
        let uid = new_uid();
        assert_eq!(uid.len(), 36);
        assert_eq!(uid.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&uid.as_bytes()[19]));
        assert_ne!(uid, new_uid());
    }

    #[test]
    fn the_generation_counts_changes_of_spec_only() {
        let mut old = json!({ "spec": { "a": 1 }, "status": {} });
        begin(
            Function::KIND,
            &mut old,
            "u".to_owned(),
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(old["metadata"]["generation"], 1);
        let mut new = old.clone();
        new["status"] = json!({ "b": 1 });
        new["metadata"]["generation"] = 9.into();
        succeed(&old, &mut new).unwrap();
        assert_eq!(new["metadata"]["generation"], 1);
        new["spec"]["a"] = 2.into();
        succeed(&old, &mut new).unwrap();
        assert_eq!(new["metadata"]["generation"], 2);
        new["metadata"]["uid"] = "other".into();
        assert!(succeed(&old, &mut new).is_err());
    }

    #[test]
    fn a_namespace_is_held_until_it_is_empty() {
        let mut space = json!({ "metadata": { "name": "a" } });
        begin(
            Namespace::KIND,
            &mut space,
            "u".to_owned(),
            Timestamp::UNIX_EPOCH,
        );
        assert!(is_held(Namespace::KIND, &space) && !is_deleting(&space));
        mark_deleted(Namespace::KIND, &mut space, None, Timestamp::UNIX_EPOCH);
        assert!(is_deleting(&space));
        assert_eq!(space["status"]["phase"], "Terminating");
        space["spec"]["finalizers"] = json!([]);
        assert!(!is_held(Namespace::KIND, &space));
    }
}
