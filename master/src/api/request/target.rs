use actix_web::http::Method;
use common::resources::{KINDS, Kind};
use percent_encoding::percent_decode_str;

use super::Options;
use crate::api::ApiError;

/// The objects a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) kind: &'static Kind,
    /// `None` for all namespaces, and for kinds outside namespaces.
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    /// `status`, `scale`, `log`, `eviction`.
    pub(crate) part: Option<String>,
}

impl Target {
    /// Reads `/api/v1/…` and `/apis/GROUP/VERSION/…`. `None` when nothing is there.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let mut parts = Vec::new();
        for part in path.trim_matches('/').split('/') {
            parts.push(percent_decode_str(part).decode_utf8().ok()?.into_owned());
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let kind_of = |plural: &str| {
            KINDS
                .into_iter()
                .find(|k| k.plural == plural && k.group == group && k.version == version)
        };
        let owned = |text: &str| Some(text.to_owned());
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..]
                if rest.first().is_some_and(|plural| kind_of(plural).is_some()) =>
            {
                (owned(namespace), rest)
            }
            _ => (None, rest),
        };
        let (plural, name, part) = match rest {
            [plural] => (*plural, None, None),
            [plural, name] => (*plural, owned(name), None),
            [plural, name, part] => (*plural, owned(name), owned(part)),
            _ => return None,
        };
        let kind = kind_of(plural)?;
        if namespace.is_some() != kind.namespaced && (namespace.is_some() || name.is_some()) {
            return None;
        }
        if name.as_deref() == Some("") || namespace.as_deref() == Some("") {
            return None;
        }
        Some(Self {
            kind,
            namespace,
            name,
            part,
        })
    }

    /// The namespace; empty for kinds outside namespaces.
    pub(crate) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("")
    }
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

impl Verb {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

/// The verb a method means.
pub(crate) fn verb(method: &Method, target: &Target, options: &Options) -> Result<Verb, ApiError> {
    Ok(match (method.as_str(), target.name.is_some()) {
        ("GET" | "HEAD", true) if !options.watch => Verb::Get,
        ("GET" | "HEAD", _) if options.watch => Verb::Watch,
        ("GET" | "HEAD", _) => Verb::List,
        ("POST", false) => Verb::Create,
        ("POST", true) if target.part.as_deref() == Some("eviction") => Verb::Create,
        ("PUT", true) => Verb::Update,
        ("PATCH", true) => Verb::Patch,
        ("DELETE", true) => Verb::Delete,
        ("DELETE", false) => Verb::DeleteCollection,
        (method, _) => {
            let message = format!("{method} is not possible here");
            return Err(ApiError::new(405, "MethodNotAllowed", message));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str) -> Option<String> {
        let t = Target::parse(path)?;
        let parts = [t.namespace.as_deref(), t.name.as_deref(), t.part.as_deref()];
        Some(format!(
            "{} {}",
            t.kind.plural,
            parts.map(|p| p.unwrap_or("-")).join(" ")
        ))
    }

    #[test]
    fn paths_name_objects() {
        for (path, want) in [
            ("/api/v1/functions", "functions - - -"),
            ("/api/v1/namespaces/n/functions", "functions n - -"),
            (
                "/api/v1/namespaces/n/functions/my%2Ffunc",
                "functions n my/func -",
            ),
            (
                "/api/v1/namespaces/n/functions/f/scale",
                "functions n f scale",
            ),
            (
                "/apis/apps/v1/namespaces/n/replicasets/r",
                "replicasets n r -",
            ),
            ("/api/v1/namespaces", "namespaces - - -"),
            ("/api/v1/namespaces/n", "namespaces - n -"),
            ("/api/v1/namespaces/n/status", "namespaces - n status"),
            ("/api/v1/nodes/a", "nodes - a -"),
        ] {
            assert_eq!(told(path).as_deref(), Some(want), "{path}");
        }
    }

    #[test]
    fn other_paths_name_nothing() {
        for path in [
            "/api",
            "/api/v1",
            "/api/v2/functions",
            "/api/v1/deployments",
            "/api/v1/replicasets",
            "/api/v1/functions/f",
            "/api/v1/namespaces/n/nodes/a",
            "/api/v1/namespaces/n/functions/f/scale/more",
        ] {
            assert_eq!(told(path), None, "{path}");
        }
    }
}
