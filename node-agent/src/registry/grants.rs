use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::digest::Digest;
use parking_lot::Mutex;
use serde::Deserialize;

/// What may be read: images that are being pulled, and what they are made of. Cheap to clone.
#[derive(Clone, Default)]
pub struct Grants(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    next: u64,
    pulls: BTreeMap<u64, Pull>,
}

struct Pull {
    name: String,
    digests: BTreeSet<Digest>,
    /// Manifests among them that nobody has read yet.
    unread: BTreeSet<Digest>,
}

/// Holds as long as it is kept.
pub struct Grant {
    grants: Grants,
    number: u64,
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.grants.0.lock().pulls.remove(&self.number);
    }
}

impl Grants {
    /// An image is pulled for a pod.
    #[must_use]
    pub fn give(&self, name: &str, image: Digest) -> Grant {
        let mut state = self.0.lock();
        state.next += 1;
        let number = state.next;
        let pull = Pull {
            name: name.to_owned(),
            digests: BTreeSet::from([image]),
            unread: BTreeSet::from([image]),
        };
        state.pulls.insert(number, pull);
        Grant {
            grants: self.clone(),
            number,
        }
    }

    pub(super) fn allow(&self, name: &str, digest: Digest) -> bool {
        let state = self.0.lock();
        let mut pulls = state.pulls.values();
        pulls.any(|pull| pull.name == name && pull.digests.contains(&digest))
    }

    /// A manifest of this name that has not been read. An engine may know it from another time and
    /// ask for its parts at once.
    pub(super) fn unread(&self, name: &str) -> Option<Digest> {
        let state = self.0.lock();
        let mut pulls = state.pulls.values().filter(|pull| pull.name == name);
        pulls.find_map(|pull| pull.unread.first().copied())
    }

    /// A manifest was read: what it names may be read too. What it says was verified against its
    /// digest, so it is what was meant.
    pub(super) fn read(&self, name: &str, digest: Digest, manifest: &[u8]) {
        let (manifests, others) = named(manifest);
        let mut state = self.0.lock();
        for pull in state.pulls.values_mut() {
            if pull.name == name && pull.digests.contains(&digest) {
                pull.unread.remove(&digest);
                let known = &pull.digests;
                let new = manifests.iter().filter(|one| !known.contains(one));
                pull.unread.extend(new);
                pull.digests.extend(&manifests);
                pull.digests.extend(&others);
            }
        }
    }
}

/// What an index or a manifest is made of: manifests, and everything else.
fn named(manifest: &[u8]) -> (Vec<Digest>, Vec<Digest>) {
    #[derive(Deserialize)]
    struct Descriptor {
        digest: Digest,
    }
    #[derive(Deserialize)]
    struct Manifest {
        #[serde(default)]
        manifests: Vec<Descriptor>,
        #[serde(default)]
        layers: Vec<Descriptor>,
        config: Option<Descriptor>,
    }
    let Ok(manifest) = serde_json::from_slice::<Manifest>(manifest) else {
        return (Vec::new(), Vec::new());
    };
    let digests = |parts: Vec<Descriptor>| parts.into_iter().map(|part| part.digest).collect();
    let mut others = manifest.layers;
    others.extend(manifest.config);
    (digests(manifest.manifests), digests(others))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_and_its_parts_may_be_read_while_it_is_pulled() {
        let grants = Grants::default();
        let [index, manifest, config, layer] =
            ["index", "manifest", "config", "layer"].map(|text| Digest::of(text.as_bytes()));
        let grant = grants.give("f", index);
        assert!(grants.allow("f", index) && !grants.allow("g", index));
        assert_eq!(grants.unread("f"), Some(index));
        assert!(!grants.allow("f", manifest));
        let text = format!("{{\"manifests\":[{{\"digest\":\"{manifest}\",\"size\":2}}]}}");
        grants.read("f", index, text.as_bytes());
        assert!(grants.allow("f", manifest) && !grants.allow("f", layer));
        assert_eq!(grants.unread("f"), Some(manifest));
        let text = format!(
            "{{\"config\":{{\"digest\":\"{config}\"}},\"layers\":[{{\"digest\":\"{layer}\"}}]}}"
        );
        grants.read("f", manifest, text.as_bytes());
        assert!(grants.allow("f", config) && grants.allow("f", layer));
        assert_eq!(grants.unread("f"), None);
        drop(grant);
        assert!(
            ![index, manifest, config, layer]
                .iter()
                .any(|part| grants.allow("f", *part))
        );
    }

    #[test]
    fn what_was_not_granted_grants_nothing() {
        let grants = Grants::default();
        let _grant = grants.give("f", Digest::of(b"index"));
        let layer = Digest::of(b"layer");
        let text = format!("{{\"layers\":[{{\"digest\":\"{layer}\"}}]}}");
        grants.read("f", Digest::of(b"other"), text.as_bytes());
        assert!(!grants.allow("f", layer));
    }
}
