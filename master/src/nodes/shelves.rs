use std::collections::{BTreeMap, HashMap};

use common::link::LayerToKeep;
use common::resources::{Function, FunctionLayer};

use crate::platform::Platform;

/// Most layers that a node is told to have; functions that were built last come first.
const MOST: usize = 256;

/// Which layers nodes should have before anybody calls. Pure.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    functions: HashMap<String, Built>,
    count: u64,
}

#[derive(Debug)]
struct Built {
    layers: Vec<FunctionLayer>,
    selector: BTreeMap<String, String>,
    /// Counts up with each change, so that the newest can be told.
    order: u64,
}

impl Shelves {
    /// A function is this now; tells whether nodes should hear of it.
    pub(super) fn set(&mut self, function: &Function) -> bool {
        let uid = &function.metadata.uid;
        let layers: Vec<_> = function
            .status
            .layers
            .iter()
            .filter(|layer| layer.digest.is_some())
            .cloned()
            .collect();
        let selector = &function.spec.node_selector;
        let known = self.functions.get(uid);
        if known.is_some_and(|known| known.layers == layers && known.selector == *selector) {
            return false;
        }
        if layers.is_empty() {
            return self.functions.remove(uid).is_some();
        }
        self.count += 1;
        let built = Built {
            layers,
            selector: selector.clone(),
            order: self.count,
        };
        self.functions.insert(uid.clone(), built);
        true
    }

    /// A function is gone. What a node has of it goes when it needs the room.
    pub(super) fn remove(&mut self, function: &Function) {
        self.functions.remove(&function.metadata.uid);
    }

    /// What a node should have, the newest first.
    pub(super) fn of(
        &self,
        platform: &Platform,
        labels: &BTreeMap<String, String>,
    ) -> Vec<LayerToKeep> {
        let admits = |built: &&Built| {
            let mut wanted = built.selector.iter();
            wanted.all(|(key, value)| labels.get(key) == Some(value))
        };
        let mut newest: Vec<_> = self.functions.values().filter(admits).collect();
        newest.sort_unstable_by_key(|built| std::cmp::Reverse(built.order));
        let mut found = Vec::new();
        for layer in newest.into_iter().flat_map(|built| &built.layers) {
            let serves = Platform::of_layer(layer).is_none_or(|own| own.serves(platform));
            if let (true, Some(digest), Some(size)) = (serves, layer.digest, layer.bytes) {
                let layer = LayerToKeep { digest, size };
                if !found.contains(&layer) {
                    found.push(layer);
                }
            }
            if found.len() == MOST {
                break;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use common::digest::Digest;
    use common::resources::ObjectMeta;
    use common::resources::Resource as _;

    use super::*;

    fn function(name: &str, layers: &[(&str, Option<&str>)]) -> Function {
        let mut function = Function::with_metadata(ObjectMeta {
            uid: format!("uid-{name}"),
            ..ObjectMeta::named("default", name)
        });
        let layer = |(text, arch): &(&str, Option<&str>)| FunctionLayer {
            architecture: arch.map(ToOwned::to_owned),
            python: arch.map(|_| "3.11".to_owned()),
            digest: Some(Digest::of(text.as_bytes())),
            bytes: Some(10),
            ..FunctionLayer::default()
        };
        function.status.layers = layers.iter().map(layer).collect();
        function
    }

    fn of(shelves: &Shelves, arch: &str) -> Vec<Digest> {
        let platform = Platform::new(arch, "3.11");
        let labels = BTreeMap::from([("kubernetes.io/arch".to_owned(), arch.to_owned())]);
        let found = shelves.of(&platform, &labels);
        found.into_iter().map(|layer| layer.digest).collect()
    }

    #[test]
    fn a_node_should_have_what_serves_it_the_newest_first() {
        let mut shelves = Shelves::default();
        assert!(!shelves.set(&function("none", &[])), "not built yet");
        assert!(shelves.set(&function("a", &[("pure", None)])));
        assert!(shelves.set(&function(
            "b",
            &[("intel", Some("amd64")), ("arm", Some("arm64"))]
        )));
        let mut chosen = function("c", &[("chosen", None)]);
        let arm = ("kubernetes.io/arch".to_owned(), "arm64".to_owned());
        chosen.spec.node_selector = BTreeMap::from([arm]);
        assert!(shelves.set(&chosen));
        assert!(!shelves.set(&chosen), "nothing new");
        let digests = |texts: &[&str]| -> Vec<Digest> {
            texts
                .iter()
                .map(|text| Digest::of(text.as_bytes()))
                .collect()
        };
        assert_eq!(of(&shelves, "amd64"), digests(&["intel", "pure"]));
        assert_eq!(of(&shelves, "arm64"), digests(&["chosen", "arm", "pure"]));
        shelves.remove(&chosen);
        assert_eq!(of(&shelves, "arm64"), digests(&["arm", "pure"]));
    }

    #[test]
    fn functions_that_share_a_layer_name_it_once_and_there_is_a_most() {
        let mut shelves = Shelves::default();
        shelves.set(&function("a", &[("same", None)]));
        shelves.set(&function("b", &[("same", None)]));
        assert_eq!(of(&shelves, "amd64").len(), 1);
        for number in 0..MOST + 10 {
            shelves.set(&function(
                &format!("f{number}"),
                &[(&number.to_string(), None)],
            ));
        }
        assert_eq!(of(&shelves, "amd64").len(), MOST);
    }
}
