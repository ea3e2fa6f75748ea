//! What lies in the store and must not be read there.
//!
//! A [`Secret`] seals bytes for one place: ChaCha20-Poly1305 with a key by HKDF-SHA256 over a salt of its own. The
//! cluster's secret, which operators give to masters, seals what all of them must have; a [`Keyring`] holds the keys that
//! Secret objects are sealed with.

mod error;
mod keyring;
mod secret;

pub use error::SealError;
pub use keyring::Keyring;
pub use secret::Secret;
