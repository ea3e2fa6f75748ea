//! What a registry asks for: the `WWW-Authenticate` header.

use std::collections::BTreeMap;

/// How to show who one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password.
    Basic,
    /// A token that another server gives.
    Bearer {
        /// That server.
        realm: String,
        /// For whom the token is.
        service: Option<String>,
        /// What it allows.
        scope: Option<String>,
    },
}

impl Challenge {
    /// Reads a header's value; `None` for schemes that nobody here speaks.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header
            .trim()
            .split_once(' ')
            .unwrap_or_else(|| (header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut words = parameters(rest);
        Some(Self::Bearer {
            realm: words.remove("realm")?,
            service: words.remove("service"),
            scope: words.remove("scope"),
        })
    }
}

/// `key="value",key=value`; commas within quotes belong to the value.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text.trim();
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        rest = next.trim_start_matches([',', ' ']);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_schemes_are_read() {
        assert_eq!(
            Challenge::parse("Basic realm=\"x\""),
            Some(Challenge::Basic)
        );
        let header =
            "Bearer realm=\"https://a/token\",service=\"r\",scope=\"repository:a/b:pull,push\"";
        let Some(Challenge::Bearer {
            realm,
            service,
            scope,
        }) = Challenge::parse(header)
        else {
            panic!("not read")
        };
        assert_eq!(
            (realm.as_str(), service.as_deref()),
            ("https://a/token", Some("r"))
        );
        assert_eq!(scope.as_deref(), Some("repository:a/b:pull,push"));
        assert_eq!(Challenge::parse("Bearer service=x"), None);
        assert_eq!(Challenge::parse("Negotiate"), None);
    }
}
