//! Randomness that came from outside, stretched: SHA-256 of the seed and a counter. The same seed gives the same numbers;
//! who sees some of them cannot tell the others, so that a `States.UUID` gives no task token away.

use std::cell::Cell;

use sha2::{Digest as _, Sha256};

/// What the randomness of one decision begins with.
pub type Seed = [u8; 32];

/// A stream of pseudo-random numbers.
#[derive(Debug)]
pub struct Entropy {
    seed: Seed,
    drawn: Cell<u64>,
}

impl Entropy {
    /// Starts a stream.
    pub fn new(seed: Seed) -> Self {
        Entropy {
            seed,
            drawn: Cell::new(0),
        }
    }

    /// The stream of a number that somebody chose: everybody can follow it.
    pub fn of_number(number: u64) -> Self {
        let mut seed = Seed::default();
        seed[..8].copy_from_slice(&number.to_le_bytes());
        Entropy::new(seed)
    }

    /// The next 64 bits.
    pub fn next(&self) -> u64 {
        let drawn = self.drawn.get();
        self.drawn.set(drawn.wrapping_add(1));
        let hash = Sha256::new()
            .chain_update(self.seed)
            .chain_update(drawn.to_le_bytes())
            .finalize();
        let mut bits = [0; 8];
        bits.copy_from_slice(&hash[..8]);
        u64::from_le_bytes(bits)
    }

    /// A number in `[0, 1)`.
    pub fn unit(&self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A random (version 4) UUID.
    pub fn uuid(&self) -> String {
        let high = (self.next() & 0xffff_ffff_ffff_0fff) | 0x4000;
        let low = (self.next() & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_version_and_variant() {
        let uuid = Entropy::of_number(7).uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]));
        assert_eq!(uuid, Entropy::of_number(7).uuid());
        assert!((0.0..1.0).contains(&Entropy::of_number(1).unit()));
    }

    #[test]
    fn every_byte_of_the_seed_counts() {
        let first = |seed| Entropy::new(seed).next();
        let mut seen = std::collections::HashSet::from([first([0; 32])]);
        for place in 0..32 {
            let mut seed = [0; 32];
            seed[place] = 1;
            assert!(seen.insert(first(seed)), "byte {place} changes nothing");
        }
    }
}
