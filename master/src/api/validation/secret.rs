use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use common::resources::{ConfigMap, Secret};
use serde_json::{Map, Value};

use super::Findings;

/// Largest data of one object, all keys together.
const DATA_BYTES: usize = 1 << 20;

pub(super) fn check(secret: &Secret, findings: &mut Findings) {
    base64_values("data", &secret.data, findings);
    keys("data", secret.data.keys(), findings);
    size(secret.data.values().map(String::len).sum(), findings);
}

pub(super) fn check_config_map(map: &ConfigMap, findings: &mut Findings) {
    base64_values("binaryData", &map.binary_data, findings);
    keys("data", map.data.keys(), findings);
    keys("binaryData", map.binary_data.keys(), findings);
    size(
        map.data
            .values()
            .chain(map.binary_data.values())
            .map(String::len)
            .sum(),
        findings,
    );
}

fn base64_values(
    field: &str,
    data: &std::collections::BTreeMap<String, String>,
    findings: &mut Findings,
) {
    for (key, value) in data {
        if BASE64_STANDARD.decode(value).is_err() {
            findings.invalid(format!("{field}[{key}]"), "the value is not base64");
        }
    }
}

fn keys<'a>(field: &str, keys: impl Iterator<Item = &'a String>, findings: &mut Findings) {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    for key in keys {
        if !(1..=253).contains(&key.len()) || !key.chars().all(inner) || key == "." || key == ".." {
            let want = "want letters, digits, '-', '_' or '.'";
            findings.invalid(
                format!("{field}[{key}]"),
                format!("found key {key:?}, {want}"),
            );
        }
    }
}

fn size(found: usize, findings: &mut Findings) {
    if found > DATA_BYTES {
        findings.invalid(
            "data",
            format!("found {found} bytes, want at most {DATA_BYTES}"),
        );
    }
}

/// What was said to be immutable stays as it is.
pub(super) fn check_immutable(old: &Value, new: &Value, findings: &mut Findings) {
    if old["immutable"] == true
        && ["data", "binaryData", "immutable"]
            .iter()
            .any(|field| old[*field] != new[*field])
    {
        findings.invalid(
            "data",
            "the object is immutable; delete it and make it anew",
        );
    }
}

/// Moves a secret's `stringData` into its `data`.
pub(in crate::api) fn fold_string_data(secret: &mut Value) {
    let Some(map) = secret.as_object_mut() else {
        return;
    };
    let Some(Value::Object(texts)) = map.shift_remove("stringData") else {
        return;
    };
    let data = map
        .entry("data")
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(data) = data {
        for (key, text) in texts {
            let text = text.as_str().unwrap_or("");
            data.insert(key, BASE64_STANDARD.encode(text).into());
        }
    }
}
