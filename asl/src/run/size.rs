//! How large documents are, and how deep.

use serde_json::Value;

/// Lists and objects inside each other that a document may have: JSON readers take 128, and a record puts some around it.
const DEEPEST: usize = 110;

/// Whether a document could not be read back from the journal.
pub(super) fn is_too_deep(value: &Value) -> bool {
    is_deep(value, DEEPEST)
}

/// Goes no deeper than it must.
fn is_deep(value: &Value, most: usize) -> bool {
    match value {
        Value::Array(list) => most == 0 || list.iter().any(|v| is_deep(v, most - 1)),
        Value::Object(map) => most == 0 || map.values().any(|v| is_deep(v, most - 1)),
        _ => false,
    }
}

/// The bytes of a document's shortest JSON text.
pub(super) fn bytes(value: &Value) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, value) {
        Ok(()) => counter.0,
        Err(_) => usize::MAX,
    }
}
