use std::collections::BTreeMap;

use common::digest::Digest;

/// Which layers stand on the disk, how big they are, who uses them and what must go. Pure.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    layers: BTreeMap<Digest, Place>,
    uses: u64,
}

#[derive(Debug)]
struct Place {
    bytes: u64,
    holders: u32,
    last_use: u64,
}

impl Shelf {
    pub(super) fn add(&mut self, digest: Digest, bytes: u64) {
        self.uses += 1;
        let place = Place {
            bytes,
            holders: 0,
            last_use: self.uses,
        };
        self.layers.entry(digest).or_insert(place);
    }

    pub(super) fn has(&self, digest: Digest) -> bool {
        self.layers.contains_key(&digest)
    }

    /// One more uses it; false when it is not there.
    pub(super) fn hold(&mut self, digest: Digest) -> bool {
        self.uses += 1;
        let uses = self.uses;
        self.layers.get_mut(&digest).is_some_and(|place| {
            place.holders += 1;
            place.last_use = uses;
            true
        })
    }

    pub(super) fn let_go(&mut self, digest: Digest) {
        if let Some(place) = self.layers.get_mut(&digest) {
            place.holders = place.holders.saturating_sub(1);
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.layers.values().map(|place| place.bytes).sum()
    }

    /// Takes off what must go so that all fit the budget: unused ones, the longest unused first.
    pub(super) fn shrink(&mut self, budget: u64) -> Vec<Digest> {
        let mut gone = Vec::new();
        while self.bytes() > budget {
            let unused = self.layers.iter().filter(|(_, place)| place.holders == 0);
            let Some((digest, _)) = unused.min_by_key(|(_, place)| place.last_use) else {
                break;
            };
            let digest = *digest;
            self.layers.remove(&digest);
            gone.push(digest);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(n: u8) -> Digest {
        Digest::of(&[n])
    }

    #[test]
    fn the_longest_unused_goes_first_and_none_in_use() {
        let mut shelf = Shelf::default();
        for n in 0..4 {
            shelf.add(digest(n), 10);
        }
        assert!(shelf.hold(digest(0)) && shelf.hold(digest(1)));
        shelf.let_go(digest(1));
        assert_eq!(shelf.shrink(20), [digest(2), digest(3)]);
        assert_eq!(shelf.shrink(0), [digest(1)]);
        assert!(!shelf.hold(digest(1)));
        assert_eq!(shelf.bytes(), 10);
    }

    proptest! {
        #[test]
        fn held_layers_never_go(moves in prop::collection::vec((0_u8..4, 0_u8..5), 0..80)) {
            let mut shelf = Shelf::default();
            let mut held = [0_u32; 5];
            for (what, n) in moves {
                let index = usize::from(n);
                match what {
                    0 => shelf.add(digest(n), 10),
                    1 => held[index] += u32::from(shelf.hold(digest(n))),
                    2 if held[index] > 0 => {
                        shelf.let_go(digest(n));
                        held[index] -= 1;
                    }
                    _ => for gone in shelf.shrink(u64::from(n) * 5) {
                        prop_assert!((0..5).all(|n| digest(n) != gone || held[usize::from(n)] == 0));
                    },
                }
            }
        }
    }
}
