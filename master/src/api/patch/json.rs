use serde_json::Value;

/// Most operations in one patch.
const MAX_OPERATIONS: usize = 10_000;

/// RFC 6902: a list of operations. `Err` says which one failed and why.
pub(crate) fn json_patch(target: &mut Value, patch: Value) -> Result<(), String> {
    let patch: json_patch::Patch =
        serde_json::from_value(patch).map_err(|e| format!("read the JSON patch: {e}"))?;
    if patch.0.len() > MAX_OPERATIONS {
        return Err(format!(
            "found {} operations, want at most {MAX_OPERATIONS}",
            patch.0.len()
        ));
    }
    json_patch::patch(target, &patch.0).map_err(|e| format!("apply the JSON patch: {e}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_happen_all_or_none() {
        let mut target = json!({ "a": [1, 2], "b": 1 });
        let good = json!([
            { "op": "test", "path": "/b", "value": 1 },
            { "op": "add", "path": "/a/-", "value": 3 },
            { "op": "remove", "path": "/b" },
        ]);
        json_patch(&mut target, good).unwrap();
        assert_eq!(target, json!({ "a": [1, 2, 3] }));
        let bad = json!([
            { "op": "remove", "path": "/a" },
            { "op": "remove", "path": "/nothing" },
        ]);
        assert!(json_patch(&mut target, bad).is_err());
        assert_eq!(target, json!({ "a": [1, 2, 3] }));
        assert!(json_patch(&mut target, json!({})).is_err());
    }
}
