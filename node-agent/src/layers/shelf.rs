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
    /// It was fetched before anybody called, and nobody has used it since.
    ahead: bool,
}

impl Shelf {
    pub(super) fn add(&mut self, digest: Digest, bytes: u64) {
        self.uses += 1;
        let place = Place {
            bytes,
            holders: 0,
            last_use: self.uses,
            ahead: false,
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
            place.ahead = false;
            true
        })
    }

    pub(super) fn let_go(&mut self, digest: Digest) {
        if let Some(place) = self.layers.get_mut(&digest) {
            place.holders = place.holders.saturating_sub(1);
        }
    }

    /// It is here for calls that may come.
    pub(super) fn is_ahead(&mut self, digest: Digest) {
        if let Some(place) = self.layers.get_mut(&digest) {
            place.ahead = true;
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.layers.values().map(|place| place.bytes).sum()
    }

    /// Takes off what must go so that all fit the budget: unused ones, the longest unused first.
    pub(super) fn shrink(&mut self, budget: u64) -> Vec<Digest> {
        let gone = self.oldest(budget, |_, place| place.holders == 0);
        self.take_off(&gone);
        gone
    }

    /// Takes off what was fetched ahead, but none of `keep`, so that all fit the budget; nothing when that is not enough.
    pub(super) fn give_way(&mut self, budget: u64, keep: &[Digest]) -> Vec<Digest> {
        let may_go = |digest: &Digest, place: &Place| {
            place.holders == 0 && place.ahead && !keep.contains(digest)
        };
        let gone = self.oldest(budget, may_go);
        let freed: u64 = gone.iter().map(|digest| self.layers[digest].bytes).sum();
        if self.bytes() - freed > budget {
            return Vec::new();
        }
        self.take_off(&gone);
        gone
    }

    /// The longest unused of those that may go, until the others fit the budget.
    fn oldest(&self, budget: u64, may_go: impl Fn(&Digest, &Place) -> bool) -> Vec<Digest> {
        let mut left = self.bytes();
        let all = self.layers.iter();
        let mut unused: Vec<_> = all
            .filter(|(digest, place)| may_go(digest, place))
            .collect();
        unused.sort_by_key(|(_, place)| place.last_use);
        let mut gone = Vec::new();
        for (digest, place) in unused {
            if left <= budget {
                break;
            }
            left -= place.bytes;
            gone.push(*digest);
        }
        gone
    }

    fn take_off(&mut self, gone: &[Digest]) {
        for digest in gone {
            self.layers.remove(digest);
        }
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

    #[test]
    fn what_was_fetched_ahead_gives_way_the_longest_unused_first_and_nothing_else() {
        let mut shelf = Shelf::default();
        for n in 0..5 {
            shelf.add(digest(n), 10);
        }
        for n in 0..4 {
            shelf.is_ahead(digest(n));
        }
        assert!(shelf.hold(digest(0)));
        shelf.let_go(digest(0));
        assert_eq!(shelf.give_way(40, &[digest(1)]), [digest(2)]);
        assert_eq!(shelf.give_way(10, &[]), [], "in vain, so none goes");
        assert_eq!(shelf.give_way(40, &[]), [], "they fit");
        assert_eq!(shelf.give_way(20, &[]), [digest(1), digest(3)]);
        assert!(
            shelf.has(digest(0)) && shelf.has(digest(4)),
            "used before, and never fetched ahead"
        );
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
