//! Fields as paths, and sets of them as Kubernetes writes them (`fieldsV1`).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Keys from the root to a field.
pub(super) type FieldPath = Vec<String>;
pub(super) type FieldSet = BTreeSet<FieldPath>;

/// Metadata that belong to nobody: the server's own, and what names the object.
const UNOWNED: [&str; 11] = [
    "name",
    "namespace",
    "generateName",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
];

/// The fields an object sets: everything that is not a map, and maps that are empty.
pub(super) fn leaves(object: &Value) -> FieldSet {
    let mut set = FieldSet::new();
    let Value::Object(map) = object else {
        return set;
    };
    for (key, value) in map {
        match key.as_str() {
            "apiVersion" | "kind" | "status" => {}
            "metadata" => {
                for (field, value) in value.as_object().into_iter().flatten() {
                    if !UNOWNED.contains(&field.as_str()) {
                        collect(&mut vec![key.clone(), field.clone()], value, &mut set);
                    }
                }
            }
            _ => collect(&mut vec![key.clone()], value, &mut set),
        }
    }
    set
}

fn collect(path: &mut FieldPath, value: &Value, set: &mut FieldSet) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                path.push(key.clone());
                collect(path, value, set);
                path.pop();
            }
        }
        // An empty map at the top, as `spec: {}`, says nothing.
        Value::Object(_) if path.len() < 2 => {}
        _ => {
            set.insert(path.clone());
        }
    }
}

pub(super) fn get<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, key| value.get(key))
}

pub(super) fn set(object: &mut Value, path: &[String], value: Value) {
    match path.split_first() {
        None => *object = value,
        Some((key, rest)) => {
            if !object.is_object() {
                *object = Value::Object(Map::new());
            }
            set(&mut object[key], rest, value);
        }
    }
}

/// Removes a field and the maps that become empty by it.
pub(super) fn remove(object: &mut Value, path: &[String]) {
    let Value::Object(map) = object else { return };
    match path {
        [] => {}
        [key] => {
            map.shift_remove(key);
        }
        [key, rest @ ..] => {
            let Some(inner) = map.get_mut(key) else {
                return;
            };
            remove(inner, rest);
            if inner.as_object().is_some_and(Map::is_empty) {
                map.shift_remove(key);
            }
        }
    }
}

/// Whether one path is, or lies beneath, the other.
pub(super) fn overlap(a: &[String], b: &[String]) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

/// `.spec.handler`, as conflicts are told.
pub(super) fn spell(path: &[String]) -> String {
    path.iter().map(|key| format!(".{key}")).collect()
}

/// As `fieldsV1`.
pub(super) fn to_v1(set: &FieldSet) -> Value {
    let mut root = json!({});
    for path in set {
        let keys: Vec<String> = path.iter().map(|key| format!("f:{key}")).collect();
        if get(&root, &keys).is_none() {
            self::set(&mut root, &keys, json!({}));
        }
    }
    root
}

/// From `fieldsV1`. What lies in elements of lists counts as the list.
pub(super) fn from_v1(value: &Value) -> FieldSet {
    let mut set = FieldSet::new();
    read(&mut Vec::new(), value, &mut set);
    set
}

fn read(path: &mut FieldPath, value: &Value, set: &mut FieldSet) {
    let map = value.as_object();
    let mut deeper = false;
    for (key, value) in map.into_iter().flatten() {
        if let Some(field) = key.strip_prefix("f:") {
            deeper = true;
            path.push(field.to_owned());
            read(path, value, set);
            path.pop();
        }
    }
    if !deeper && !path.is_empty() {
        set.insert(path.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_written_and_read() {
        let object = json!({
            "apiVersion": "v1", "metadata": { "name": "a", "labels": { "x/y": "1" } },
            "spec": { "env": [{ "name": "A" }], "scaling": { "pinned": 1 }, "nodeSelector": {} },
            "status": { "x": 1 },
        });
        let set = leaves(&object);
        let v1 = to_v1(&set);
        assert_eq!(v1["f:metadata"], json!({ "f:labels": { "f:x/y": {} } }));
        assert_eq!(v1["f:spec"]["f:env"], json!({}));
        assert!(v1.get("f:status").is_none());
        assert_eq!(from_v1(&v1), set);
        let kubernetes = json!({ "f:spec": { ".": {}, "f:l": { "k:{\"a\":1}": { "f:x": {} } } } });
        assert_eq!(
            from_v1(&kubernetes),
            FieldSet::from([vec!["spec".to_owned(), "l".to_owned()]])
        );
    }
}
