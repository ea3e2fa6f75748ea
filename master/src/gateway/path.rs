//! `/function/NAME`, `/function/NS/NAME`, with more path behind it. Pure.

use percent_encoding::percent_decode_str;

/// The namespace of names without one.
pub(super) const DEFAULT_NAMESPACE: &str = "default";

/// What a path may mean, the likelier first: the namespace, the name, and the rest that belongs to the
/// function (empty, or beginning with `/`).
pub(super) fn readings(path: &str) -> Vec<(String, String, String)> {
    let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let mut parts = path.splitn(3, '/');
    let first = parts.next().unwrap_or_default();
    let (second, rest) = (parts.next(), parts.next());
    let mut readings = Vec::new();
    if let Some(second) = second.filter(|second| !second.is_empty()) {
        let below = rest.map_or_else(String::new, |rest| format!("/{rest}"));
        readings.push((decode(first), decode(second), below));
    }
    if !first.is_empty() {
        let below = path.get(first.len()..).unwrap_or_default().to_owned();
        readings.push((DEFAULT_NAMESPACE.to_owned(), decode(first), below));
    }
    readings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Vec<(String, String, String)> {
        readings(path)
    }

    fn reading(namespace: &str, name: &str, below: &str) -> (String, String, String) {
        (namespace.into(), name.into(), below.into())
    }

    #[test]
    fn one_part_is_a_name_and_two_may_be_a_namespace_and_a_name() {
        assert_eq!(read("f"), [reading("default", "f", "")]);
        assert_eq!(read("f/"), [reading("default", "f", "/")]);
        assert_eq!(
            read("a/b"),
            [reading("a", "b", ""), reading("default", "a", "/b")]
        );
        assert_eq!(
            read("a/b/c/d"),
            [reading("a", "b", "/c/d"), reading("default", "a", "/b/c/d")]
        );
        assert_eq!(read(""), []);
        assert_eq!(read("a%20b"), [reading("default", "a b", "")]);
    }
}
