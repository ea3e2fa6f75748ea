//! Reference paths: the paths that can be written to (`ResultPath`). Names and indices only.

use serde_json::{Map, Value};
use thiserror::Error;

use super::path::{Path, PathError, Root, Segment};

/// A place in a document.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferencePath {
    path: Path,
}

/// The document has something else in the way.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("Unable to apply step \"{step}\" to input {input}")]
pub struct CannotPlace {
    /// The name or index.
    pub step: String,
    /// What is there.
    pub input: String,
}

impl ReferencePath {
    /// Reads a reference path.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let path = Path::parse(text)?;
        let writable = path.root() == &Root::Input
            && path
                .segments()
                .iter()
                .all(|s| matches!(s, Segment::Key(_)) || matches!(s, Segment::Index(i) if *i >= 0));
        if writable {
            return Ok(ReferencePath { path });
        }
        Err(PathError {
            text: text.to_owned(),
            at: 1,
            message:
                "a reference path names one place in the input: '$' with names and indices only"
                    .to_owned(),
        })
    }

    /// The path as it was written.
    pub fn text(&self) -> &str {
        self.path.text()
    }

    /// The document with `value` at that place; objects that are not there yet are made.
    pub fn place(&self, document: Value, value: Value) -> Result<Value, CannotPlace> {
        let mut document = document;
        let mut slot = &mut document;
        for segment in self.path.segments() {
            slot = match segment {
                Segment::Key(key) => {
                    if !slot.is_object() {
                        if !slot.is_null() {
                            return Err(CannotPlace {
                                step: key.clone(),
                                input: slot.to_string(),
                            });
                        }
                        *slot = Value::Object(Map::new());
                    }
                    match slot {
                        Value::Object(map) => map.entry(key.clone()).or_insert(Value::Null),
                        _ => {
                            return Err(CannotPlace {
                                step: key.clone(),
                                input: String::new(),
                            });
                        }
                    }
                }
                Segment::Index(index) => {
                    let text = slot.to_string();
                    let place = usize::try_from(*index).ok().and_then(|i| slot.get_mut(i));
                    place.ok_or_else(|| CannotPlace {
                        step: index.to_string(),
                        input: text,
                    })?
                }
                _ => return Ok(document),
            };
        }
        *slot = value;
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn places_and_creates() {
        let place = |path: &str, document: Value| {
            ReferencePath::parse(path)
                .unwrap()
                .place(document, json!(7))
        };
        assert_eq!(place("$", json!({"a": 1})), Ok(json!(7)));
        assert_eq!(
            place("$.a", json!({"a": 1, "b": 2})),
            Ok(json!({"a": 7, "b": 2}))
        );
        assert_eq!(place("$.x.y", json!({})), Ok(json!({"x": {"y": 7}})));
        assert_eq!(
            place("$.l[1]", json!({"l": [1, 2]})),
            Ok(json!({"l": [1, 7]}))
        );
        assert!(place("$.l[5]", json!({"l": [1, 2]})).is_err());
        assert!(place("$.x", json!([1])).is_err());
        assert!(ReferencePath::parse("$.a[*]").is_err());
        assert!(ReferencePath::parse("$$.a").is_err());
    }
}
