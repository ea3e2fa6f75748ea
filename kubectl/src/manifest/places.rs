//! Where things stand in a file.

use std::collections::HashMap;

/// Where in a file something stands: line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
}

/// Where each field of a document stands, by JSON pointer.
#[derive(Clone, Debug, Default)]
pub struct Places(HashMap<String, Place>);

impl Places {
    /// Notes where `pointer` stands.
    pub fn insert(&mut self, pointer: String, place: Place) {
        self.0.insert(pointer, place);
    }

    /// The places of what stands under `pointer`, seen from there.
    #[must_use]
    pub fn under(&self, pointer: &str) -> Self {
        let inner = self.0.iter().filter_map(|(key, place)| {
            let rest = key.strip_prefix(pointer)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| (rest.to_owned(), *place))
        });
        Self(inner.collect())
    }

    /// Where `pointer` stands, or the nearest thing around it that has a place.
    #[must_use]
    pub fn find(&self, pointer: &str) -> Option<Place> {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.0.get(pointer) {
                return Some(*place);
            }
            pointer = pointer.rsplit_once('/')?.0;
        }
    }
}

/// `pointer` with one more step.
#[must_use]
pub(super) fn join(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// A JSON pointer as people write paths: `/spec/workflowNodes/1/name` is `spec.workflowNodes[1].name`.
#[must_use]
pub(super) fn path_of(pointer: &str) -> String {
    let mut path = String::new();
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        if !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit()) {
            path.push_str(&format!("[{step}]"));
        } else if step.contains(['.', ' ', '[', ']', '/']) {
            path.push_str(&format!("['{step}']"));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&step);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_become_paths() {
        assert_eq!(
            path_of("/spec/workflowNodes/1/name"),
            "spec.workflowNodes[1].name"
        );
        assert_eq!(
            path_of("/metadata/labels/a.b~1c"),
            "metadata.labels['a.b/c']"
        );
        assert_eq!(path_of(""), "");
    }

    #[test]
    fn a_field_without_a_place_stands_where_its_parent_does() {
        let mut places = Places::default();
        places.insert("/spec".to_owned(), Place { line: 3, column: 1 });
        assert_eq!(places.find("/spec/a/b").map(|p| p.line), Some(3));
        assert_eq!(places.find("/other"), None);
    }
}
