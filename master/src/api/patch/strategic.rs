//! Kubernetes' strategic merge patch, as far as kubectl's commands need it on the kinds that it
//! knows: a merge patch with directives. Lists are replaced as a whole.

use serde_json::{Map, Value};

const DELETE_FROM: &str = "$deleteFromPrimitiveList/";

/// Merges, and obeys `$patch`, `$retainKeys` and `$deleteFromPrimitiveList`; the order of elements
/// (`$setElementOrder`) is the patch's own.
pub(crate) fn strategic(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    match patch.get("$patch").and_then(Value::as_str) {
        Some("delete") => {
            *target = Value::Null;
            return;
        }
        Some("replace") => *target = Value::Object(Map::new()),
        _ => {}
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else {
        return;
    };
    if let Some(Value::Array(keys)) = patch.get("$retainKeys") {
        target.retain(|key, _| keys.iter().any(|keep| keep == key));
    }
    for (key, value) in patch {
        if let Some(list) = key.strip_prefix(DELETE_FROM) {
            if let (Some(Value::Array(list)), Value::Array(gone)) = (target.get_mut(list), value) {
                list.retain(|element| !gone.contains(element));
            }
        } else if key.starts_with('$') {
            // A directive, handled above or without meaning here.
        } else if value.is_null() || value["$patch"] == "delete" {
            target.shift_remove(key);
        } else if let Value::Array(list) = value {
            let kept = list.iter().filter(|element| element["$patch"].is_null());
            target.insert(key.clone(), kept.cloned().collect());
        } else {
            strategic(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn directives_are_obeyed_and_never_stored() {
        let mut node =
            json!({ "spec": { "taints": [1] }, "metadata": { "finalizers": ["a", "b"] } });
        let patch = json!({
            "spec": { "unschedulable": true, "taints": [{ "key": "k" }],
                "$setElementOrder/taints": [{ "key": "k" }], "$retainKeys": ["unschedulable", "taints"] },
            "metadata": { "$deleteFromPrimitiveList/finalizers": ["a"] },
        });
        strategic(&mut node, &patch);
        let want = json!({
            "spec": { "taints": [{ "key": "k" }], "unschedulable": true },
            "metadata": { "finalizers": ["b"] },
        });
        assert_eq!(node, want);
        strategic(
            &mut node,
            &json!({ "spec": { "$patch": "replace", "a": 1 }, "metadata": { "$patch": "delete" } }),
        );
        assert_eq!(node, json!({ "spec": { "a": 1 } }));
    }
}
