use std::collections::BTreeMap;
use std::sync::Arc;

use common::link::{BaseImage, Hello};
use common::resources::Base;
use parking_lot::Mutex;

use crate::platform::Platform;

/// The function bases that connected nodes have. Cheap to clone.
#[derive(Clone, Default)]
pub struct Bases(Arc<Mutex<BTreeMap<String, Had>>>);

/// What a node is and has.
type Had = (Platform, Vec<BaseImage>);

impl Bases {
    /// Notes what a node's agent said.
    pub(super) fn set(&self, hello: &Hello) {
        let platform = Platform::new(&hello.arch, &hello.python);
        let had = (platform, hello.bases.clone());
        self.0.lock().insert(hello.node.clone(), had);
    }

    /// A node left.
    pub(super) fn remove(&self, node: &str) {
        self.0.lock().remove(node);
    }

    /// All bases of a flavour that nodes have.
    #[must_use]
    pub fn all(&self, flavour: Base) -> Vec<BaseImage> {
        let known = self.0.lock();
        let all = known.values().flat_map(|(_, bases)| bases);
        all.filter(|base| base.flavour == flavour)
            .cloned()
            .collect()
    }

    /// For each kind of node the base of a flavour that most of them have; among equals the one with
    /// the smallest digest, so that the choice does not depend on who came first.
    #[must_use]
    pub fn of(&self, flavour: Base) -> BTreeMap<Platform, BaseImage> {
        let mut votes: BTreeMap<Platform, Vec<(u32, BaseImage)>> = BTreeMap::new();
        for (platform, bases) in self.0.lock().values() {
            for base in bases.iter().filter(|base| base.flavour == flavour) {
                let known = votes.entry(platform.clone()).or_default();
                match known
                    .iter_mut()
                    .find(|(_, other)| other.config == base.config)
                {
                    Some((count, _)) => *count += 1,
                    None => known.push((1, base.clone())),
                }
            }
        }
        let chosen = |(platform, votes): (Platform, Vec<(u32, BaseImage)>)| {
            let best = |(count, base): &(u32, BaseImage)| (*count, std::cmp::Reverse(base.config));
            Some((platform, votes.into_iter().max_by_key(best)?.1))
        };
        votes.into_iter().filter_map(chosen).collect()
    }
}

#[cfg(test)]
mod tests {
    use common::digest::Digest;

    use super::*;

    #[test]
    fn the_base_that_most_nodes_have_is_chosen() {
        let bases = Bases::default();
        let base = |text: &str| BaseImage {
            flavour: Base::Slim,
            config: Digest::of(text.as_bytes()),
            layers: Vec::new(),
        };
        let note = |node: &str, text: &str| {
            let had = (Platform::new("amd64", "3.11"), vec![base(text)]);
            bases.0.lock().insert(node.to_owned(), had);
        };
        note("a", "old");
        note("b", "new");
        note("c", "new");
        let of = |bases: &Bases| bases.of(Base::Slim).into_values().collect::<Vec<_>>();
        assert_eq!(of(&bases), [base("new")]);
        bases.remove("b");
        bases.remove("c");
        assert_eq!(of(&bases), [base("old")]);
        assert!(bases.of(Base::Full).is_empty());
    }
}
