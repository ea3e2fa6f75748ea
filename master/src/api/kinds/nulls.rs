//! In Kubernetes' API a field that is `null` is a field that is absent; except where the field holds
//! any value, as a state machine's definition does.

use serde_json::Value;

/// Fields that hold any value.
const OPAQUE: [(&str, &str); 6] = [
    ("spec", "definition"),
    ("spec", "input"),
    ("status", "output"),
    ("answer", "output"),
    ("choiceData", "compareValue"),
    ("metadata", "managedFields"),
];

/// Takes out every `null` that means "absent".
pub(super) fn strip(value: &mut Value) {
    strip_in("", value);
}

fn strip_in(parent: &str, value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, value| !value.is_null() || OPAQUE.contains(&(parent, key.as_str())));
            for (key, value) in map.iter_mut() {
                if !OPAQUE.contains(&(parent, key.as_str())) {
                    strip_in(key, value);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| strip_in(parent, value)),
        _ => {}
    }
}
