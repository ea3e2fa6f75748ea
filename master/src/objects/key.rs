use common::resources::Kind;

/// Everything under this is an object.
pub(crate) const REGISTRY: &str = "/registry/";

/// Key of an object; `namespace` is ignored for kinds that live outside namespaces.
#[must_use]
pub fn key(kind: &Kind, namespace: &str, name: &str) -> String {
    if kind.namespaced {
        format!("{REGISTRY}{}/{namespace}/{name}", kind.plural)
    } else {
        format!("{REGISTRY}{}/{name}", kind.plural)
    }
}

/// What the keys of a kind begin with, in one namespace or in all.
#[must_use]
pub fn prefix(kind: &Kind, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) if kind.namespaced => format!("{REGISTRY}{}/{namespace}/", kind.plural),
        _ => format!("{REGISTRY}{}/", kind.plural),
    }
}

/// The kind a key belongs to.
pub(crate) fn kind_of(key: &str) -> Option<&'static Kind> {
    let plural = key.strip_prefix(REGISTRY)?.split('/').next()?;
    common::resources::KINDS
        .into_iter()
        .find(|kind| kind.plural == plural)
}

/// Namespace and name of an object's key; the namespace is empty outside namespaces.
pub(crate) fn parts_of(key: &str) -> (&str, &str) {
    let path = key.strip_prefix(REGISTRY).unwrap_or(key);
    let rest = path.split_once('/').map_or("", |(_, rest)| rest);
    rest.split_once('/').unwrap_or(("", rest))
}
