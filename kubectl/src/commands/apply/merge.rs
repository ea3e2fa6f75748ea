//! kubectl's three-way merge: what was applied last, what is applied now, and what is there.

use serde_json::{Map, Value, json};

/// Where the last applied object is kept.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// `object` with itself noted in its annotation, as kubectl does.
pub(super) fn annotated(object: &Value) -> Value {
    let mut plain = object.clone();
    if let Some(annotations) = plain
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.shift_remove(LAST_APPLIED);
    }
    let mut bare = plain.clone();
    // kubectl writes the field even when it is empty.
    if bare.pointer("/metadata/annotations").is_none() && bare["metadata"].is_object() {
        bare["metadata"]["annotations"] = json!({});
    }
    let note = format!("{}\n", sorted(&bare));
    if !plain["metadata"]["annotations"].is_object() {
        plain["metadata"]["annotations"] = json!({});
    }
    plain["metadata"]["annotations"][LAST_APPLIED] = note.into();
    plain
}

/// What was applied last to the object that is there.
pub(super) fn last_applied(current: &Value) -> Option<Value> {
    let note = current
        .pointer("/metadata/annotations")?
        .get(LAST_APPLIED)?
        .as_str()?;
    serde_json::from_str(note).ok()
}

/// The merge patch that brings `current` to `wanted`: fields of `wanted` are set, those that were in
/// `last` and are no more are removed, all others are left to whoever set them. None when there is
/// nothing to do.
pub(super) fn three_way(last: &Value, wanted: &Value, current: &Value) -> Option<Value> {
    let mut patch = additions(wanted, current).unwrap_or_else(|| json!({}));
    remove(last, wanted, current, &mut patch);
    patch
        .as_object()
        .is_some_and(|patch| !patch.is_empty())
        .then_some(patch)
}

/// What of `wanted` is missing or different in `current`.
fn additions(wanted: &Value, current: &Value) -> Option<Value> {
    match (wanted, current) {
        (Value::Object(wanted), Value::Object(current)) => {
            let mut patch = Map::new();
            for (key, value) in wanted {
                let change = match current.get(key) {
                    Some(there) => additions(value, there),
                    None if value.is_null() => None,
                    None => Some(value.clone()),
                };
                if let Some(change) = change {
                    patch.insert(key.clone(), change);
                }
            }
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        (wanted, current) => (!same(wanted, current)).then(|| wanted.clone()),
    }
}

/// Adds a null for each field that was in `last`, is not in `wanted`, and is in `current`.
fn remove(last: &Value, wanted: &Value, current: &Value, patch: &mut Value) {
    let (Some(last), Some(wanted), Some(current)) =
        (last.as_object(), wanted.as_object(), current.as_object())
    else {
        return;
    };
    for (key, before) in last {
        let Some(there) = current.get(key) else {
            continue;
        };
        match wanted.get(key) {
            None => patch[key.as_str()] = Value::Null,
            Some(now) if before.is_object() && now.is_object() && there.is_object() => {
                let fresh = patch.get(key).is_none();
                let mut inner = patch.get(key).cloned().unwrap_or_else(|| json!({}));
                remove(before, now, there, &mut inner);
                if !fresh || inner.as_object().is_some_and(|inner| !inner.is_empty()) {
                    patch[key.as_str()] = inner;
                }
            }
            Some(_) => {}
        }
    }
}

/// Equal as JSON counts: 1 and 1.0 are one number, and order of fields says nothing.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right
                || left.as_i64().is_none() | right.as_i64().is_none()
                    && left.as_f64() == right.as_f64()
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        (left, right) => left == right,
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields
                .iter()
                .map(|(key, value)| (key.clone(), sorted(value)))
                .collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_to_do_is_no_patch() {
        let wanted = annotated(&json!({"metadata": {"name": "a"}, "spec": {"n": 1}}));
        let mut current = wanted.clone();
        current["status"] = json!({"phase": "Running"});
        current["metadata"]["uid"] = "u".into();
        current["spec"]["defaulted"] = 5.into();
        let last = last_applied(&current).unwrap();
        assert_eq!(three_way(&last, &wanted, &current), None);
    }

    #[test]
    fn fields_change_appear_and_go_and_others_stay() {
        let last = json!({"spec": {"a": 1, "b": {"x": 1, "y": 2}, "c": [1]}});
        let wanted = json!({"spec": {"a": 2, "b": {"x": 1}, "d": 4}});
        let current =
            json!({"spec": {"a": 1, "b": {"x": 1, "y": 2, "z": 3}, "c": [1], "pinned": 7}});
        assert_eq!(
            three_way(&last, &wanted, &current),
            Some(json!({"spec": {"a": 2, "d": 4, "b": {"y": null}, "c": null}}))
        );
    }

    #[test]
    fn lists_are_replaced_whole_and_numbers_compare_by_value() {
        let wanted = json!({"l": [1, 2], "n": 1.0});
        let current = json!({"l": [1], "n": 1});
        assert_eq!(
            three_way(&json!({}), &wanted, &current),
            Some(json!({"l": [1, 2]}))
        );
    }

    #[test]
    fn the_note_is_kubectls() {
        let object =
            annotated(&json!({"kind": "A", "apiVersion": "v1", "metadata": {"name": "a"}}));
        assert_eq!(
            object["metadata"]["annotations"][LAST_APPLIED],
            "{\"apiVersion\":\"v1\",\"kind\":\"A\",\"metadata\":{\"annotations\":{},\"name\":\"a\"}}\n"
        );
        assert_eq!(annotated(&object), object);
    }

    /// RFC 7386.
    fn patched(target: &Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else {
            return patch.clone();
        };
        let mut out = target.as_object().cloned().unwrap_or_default();
        for (key, value) in patch {
            if value.is_null() {
                out.shift_remove(key);
            } else {
                let old = out.get(key).cloned().unwrap_or(Value::Null);
                out.insert(key.clone(), patched(&old, value));
            }
        }
        Value::Object(out)
    }

    fn objects() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            (0..3i64).prop_map(Value::from),
            "[ab]".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop::collection::btree_map("[abc]", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect()))
        })
        .prop_map(|value| if value.is_object() { value } else { json!({}) })
    }

    proptest! {
        #[test]
        fn applying_twice_changes_nothing_more(last in objects(), wanted in objects(), current in objects()) {
            let Some(patch) = three_way(&last, &wanted, &current) else { return Ok(()) };
            let after = patched(&current, &patch);
            prop_assert_eq!(three_way(&wanted, &wanted, &after), None, "{} {}", patch, after);
        }

        #[test]
        fn what_nobody_else_touched_becomes_what_is_wanted(last in objects(), wanted in objects()) {
            let after = three_way(&last, &wanted, &last).map_or_else(|| last.clone(), |patch| patched(&last, &patch));
            prop_assert!(same(&after, &wanted), "{} {}", after, wanted);
        }
    }
}
