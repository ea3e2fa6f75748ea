use common::resources::Kind;
use serde_json::Value;

use super::Findings;

/// Longest value of a label: Troupe's names fit in.
const LABEL_CHARS: usize = 80;
/// Longest annotations of one object, all together.
const ANNOTATION_BYTES: usize = 256 << 10;

pub(super) fn check(kind: &Kind, object: &Value, findings: &mut Findings) {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap_or("");
    let generated = metadata["generateName"].as_str().unwrap_or("");
    if name.is_empty() {
        if generated.is_empty() {
            findings.required("metadata.name", "a name or generateName is required");
        } else if let Err(error) = kind.name_rule.check(&format!("{generated}x7k2p")) {
            findings.invalid("metadata.generateName", error.to_string());
        }
    } else if let Err(error) = kind.name_rule.check(name) {
        findings.invalid("metadata.name", error.to_string());
    }
    let pairs = |field: &str| {
        metadata[field]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(k, v)| (k, v.as_str().unwrap_or("")))
    };
    for (key, value) in pairs("labels") {
        check_key("metadata.labels", key, findings);
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if value.len() > LABEL_CHARS || !value.chars().all(inner) {
            findings.invalid(
                format!("metadata.labels.{key}"),
                format!(
                    "found {value:?}, want at most {LABEL_CHARS} letters, digits, '-', '_' or '.'"
                ),
            );
        }
    }
    let mut size = 0;
    for (key, value) in pairs("annotations") {
        check_key("metadata.annotations", key, findings);
        size += key.len() + value.len();
    }
    if size > ANNOTATION_BYTES {
        let message = format!("found {size} bytes, want at most {ANNOTATION_BYTES}");
        findings.invalid("metadata.annotations", message);
    }
    let finalizers = metadata["finalizers"].as_array();
    for (at, finalizer) in finalizers.into_iter().flatten().enumerate() {
        if finalizer.as_str().is_none_or(str::is_empty) {
            findings.invalid(
                format!("metadata.finalizers[{at}]"),
                "found nothing, want a name",
            );
        }
    }
}

/// `name` or `prefix/name`.
pub(super) fn check_key(field: &str, key: &str, findings: &mut Findings) {
    let (prefix, name) = key.rsplit_once('/').unwrap_or(("", key));
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let good = (1..=63).contains(&name.len())
        && prefix.len() <= 253
        && name.chars().all(inner)
        && prefix.chars().all(inner);
    if !good {
        findings.invalid(
            format!("{field}.{key}"),
            format!("found key {key:?}, want [PREFIX/]NAME of letters, digits, '-', '_' or '.'"),
        );
    }
}
