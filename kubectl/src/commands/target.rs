//! What people point at: `KIND NAME…`, `KIND/NAME`, `KIND NS/NAME`.

use super::error::{Error, message};
use crate::client::{Client, ResourceType, resolve};

/// One object, or all of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) resource: ResourceType,
    pub(super) namespace: String,
    /// None: all of them.
    pub(super) name: Option<String>,
}

impl Target {
    /// The object's path, or the collection's (`everywhere`: of all namespaces).
    pub(super) fn path(&self, everywhere: bool) -> String {
        match &self.name {
            Some(name) => self.resource.object(&self.namespace, name),
            None => self
                .resource
                .collection((!everywhere).then_some(self.namespace.as_str())),
        }
    }
}

/// Words as typed, before kinds are looked up: `(kinds, namespace, name)`.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    kinds: String,
    namespace: Option<String>,
    name: Option<String>,
}

fn split(words: &[String]) -> Result<Vec<Word>, Error> {
    let Some(first) = words.first() else {
        return message("You must specify the type of resource, as in 'kubectl get functions'");
    };
    let named = |kinds: &str, text: &str| match text.split('/').collect::<Vec<_>>().as_slice() {
        [name] if !name.is_empty() => Ok(Word {
            kinds: kinds.to_owned(),
            namespace: None,
            name: Some((*name).to_owned()),
        }),
        [namespace, name] if !namespace.is_empty() && !name.is_empty() => Ok(Word {
            kinds: kinds.to_owned(),
            namespace: Some((*namespace).to_owned()),
            name: Some((*name).to_owned()),
        }),
        _ => message(format!("found \"{text}\", want NAME or NAMESPACE/NAME")),
    };
    if first.contains('/') {
        let with_kind = |word: &String| match word.split_once('/') {
            Some((kind, rest)) if !kind.is_empty() => named(kind, rest),
            _ => message(
                "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get function/<name>' instead of 'kubectl get function function/<name>')",
            ),
        };
        return words.iter().map(with_kind).collect();
    }
    match words.get(1..).unwrap_or_default() {
        [] => Ok(vec![Word {
            kinds: first.clone(),
            namespace: None,
            name: None,
        }]),
        names => names.iter().map(|name| named(first, name)).collect(),
    }
}

/// The targets that `words` mean.
///
/// # Errors
/// When a kind is unknown, or the words make no sense.
pub(super) async fn targets(client: &Client, words: &[String]) -> Result<Vec<Target>, Error> {
    let mut targets = Vec::new();
    for word in split(words)? {
        for resource in resolve(client, &word.kinds).await? {
            let namespace = word
                .namespace
                .clone()
                .unwrap_or_else(|| client.namespace().to_owned());
            targets.push(Target {
                resource,
                namespace,
                name: word.name.clone(),
            });
        }
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        split(&words)
            .unwrap()
            .into_iter()
            .map(|w| (w.kinds, w.namespace, w.name))
            .collect()
    }

    #[test]
    fn all_ways_to_point_at_something() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(words("rs,pods"), [("rs,pods".to_owned(), None, None)]);
        assert_eq!(
            words("workflow default/w"),
            [("workflow".to_owned(), some("default"), some("w"))]
        );
        assert_eq!(
            words("fn a b"),
            [
                ("fn".to_owned(), None, some("a")),
                ("fn".to_owned(), None, some("b"))
            ]
        );
        assert_eq!(
            words("fn/a sm/ns/b"),
            [
                ("fn".to_owned(), None, some("a")),
                ("sm".to_owned(), some("ns"), some("b"))
            ]
        );
        for bad in ["fn a/b/c", "fn/", "fn /a", "fn/a b"] {
            let words: Vec<String> = bad.split(' ').map(str::to_owned).collect();
            assert!(split(&words).is_err(), "{bad}");
        }
        assert!(split(&[]).is_err());
    }
}
