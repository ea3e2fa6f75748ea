//! What kinds there are and where they live in the API.

use common::resources::{KINDS, Kind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::error::Error;
use super::http::{Client, Request};

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A kind as the API's paths name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceType {
    /// API group; empty for core.
    pub group: String,
    /// Version within the group.
    pub version: String,
    /// As in YAML.
    pub kind: String,
    /// As in URLs.
    pub plural: String,
    /// As messages name it.
    pub singular: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
}

impl From<&Kind> for ResourceType {
    fn from(kind: &Kind) -> Self {
        Self {
            group: kind.group.to_owned(),
            version: kind.version.to_owned(),
            kind: kind.kind.to_owned(),
            plural: kind.plural.to_owned(),
            singular: kind.singular.to_owned(),
            namespaced: kind.namespaced,
        }
    }
}

impl ResourceType {
    /// How messages name the kind: `function`, `replicaset.apps`.
    #[must_use]
    pub fn label(&self) -> String {
        if self.group.is_empty() {
            self.singular.clone()
        } else {
            format!("{}.{}", self.singular, self.group)
        }
    }

    /// The path of all objects; of one namespace where one is given.
    #[must_use]
    pub fn collection(&self, namespace: Option<&str>) -> String {
        let root = match self.group.as_str() {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/namespaces/{}/{}", segment(namespace), self.plural),
            None => format!("{root}/{}", self.plural),
        }
    }

    /// The path of one object.
    #[must_use]
    pub fn object(&self, namespace: &str, name: &str) -> String {
        format!("{}/{}", self.collection(Some(namespace)), segment(name))
    }
}

/// `text` as one segment of a path.
#[must_use]
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// The kinds meant by `words`: `rs,pods`, `all`.
///
/// # Errors
/// When the server has no such kind.
pub async fn resolve(client: &Client, words: &str) -> Result<Vec<ResourceType>, Error> {
    let mut found: Vec<ResourceType> = Vec::new();
    for word in words.split(',').filter(|word| !word.is_empty()) {
        let in_category = KINDS.iter().filter(|kind| kind.categories.contains(&word));
        let mut types: Vec<ResourceType> =
            in_category.map(|kind| ResourceType::from(*kind)).collect();
        if types.is_empty() {
            types = match Kind::by_word(word) {
                Some(kind) => vec![kind.into()],
                None => vec![discover(client, word).await?],
            };
        }
        for found_type in types {
            if !found.contains(&found_type) {
                found.push(found_type);
            }
        }
    }
    Ok(found)
}

/// Asks the server for a kind that this program does not know.
async fn discover(client: &Client, word: &str) -> Result<ResourceType, Error> {
    let lower = word.to_lowercase();
    let (name, group) = lower
        .split_once('.')
        .map_or((lower.as_str(), None), |(n, g)| (n, Some(g)));
    let mut paths = vec!["/api/v1".to_owned()];
    if let Some(groups) = client.find("/apis").await? {
        let groups = groups
            .get("groups")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let version = |group: &Value| {
            Some(
                group
                    .pointer("/preferredVersion/groupVersion")?
                    .as_str()?
                    .to_owned(),
            )
        };
        paths.extend(
            groups
                .iter()
                .filter_map(version)
                .map(|version| format!("/apis/{version}")),
        );
    }
    for path in paths {
        let Some(list) = client.find(&path).await? else {
            continue;
        };
        for entry in list
            .get("resources")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let found = from_discovery(&path, entry);
            let Some(found) =
                found.filter(|found| group.is_none_or(|group| found.group.starts_with(group)))
            else {
                continue;
            };
            let short = entry.get("shortNames").and_then(Value::as_array);
            let is_short = short.is_some_and(|short| short.iter().any(|word| word == name));
            if is_short
                || found.plural == name
                || found.singular == name
                || found.kind.to_lowercase() == name
            {
                return Ok(found);
            }
        }
    }
    let known: Vec<&str> = KINDS
        .iter()
        .flat_map(|kind| [kind.plural, kind.singular])
        .collect();
    let hint = crate::manifest::nearest(word, &known).map(crate::manifest::did_you_mean);
    Err(Error::Answer(format!(
        "the server doesn't have a resource type \"{word}\"{}",
        hint.unwrap_or_default()
    )))
}

fn from_discovery(path: &str, entry: &Value) -> Option<ResourceType> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    let plural = text("name").filter(|name| !name.contains('/'))?;
    let kind = text("kind")?;
    let (group, version) = match path.strip_prefix("/apis/") {
        Some(rest) => rest.split_once('/')?,
        None => ("", "v1"),
    };
    Some(ResourceType {
        group: group.to_owned(),
        version: version.to_owned(),
        singular: text("singularName")
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| kind.to_lowercase()),
        namespaced: entry
            .get("namespaced")
            .and_then(Value::as_bool)
            .unwrap_or(true),
        kind,
        plural,
    })
}

/// The version the server says it is.
///
/// # Errors
/// When the server cannot be asked.
pub async fn server_version(client: &Client) -> Result<Value, Error> {
    client.json(Request::get("/version")).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_kubernetes() {
        let of = |word: &str| ResourceType::from(Kind::by_word(word).unwrap());
        assert_eq!(
            of("fn").object("default", "a_b"),
            "/api/v1/namespaces/default/functions/a_b"
        );
        assert_eq!(of("rs").collection(None), "/apis/apps/v1/replicasets");
        assert_eq!(of("no").object("default", "n1"), "/api/v1/nodes/n1");
        assert_eq!(
            of("fn").object("x", "a/../b"),
            "/api/v1/namespaces/x/functions/a%2F..%2Fb"
        );
        assert_eq!(of("rs").label(), "replicaset.apps");
    }
}
