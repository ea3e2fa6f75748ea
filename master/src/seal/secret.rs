use std::path::Path;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};

use super::SealError;

/// Fewest bytes of a secret; they must be random, as there is no password to be guessed slowly.
const LEAST: usize = 32;
const SALT: usize = 16;
/// How it is sealed: HKDF-SHA256 over a salt of its own, then ChaCha20-Poly1305.
const FORMAT: u8 = 1;

/// A secret that keys are made from: the cluster's, from its file, or one of a [`Keyring`](super::Keyring).
pub struct Secret(Vec<u8>);

impl Secret {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads a secret from a file; blanks around it do not count.
    ///
    /// # Errors
    /// When the file cannot be read or is too short.
    pub fn read(path: &Path) -> Result<Self, SealError> {
        let text = std::fs::read(path).map_err(|source| SealError::File {
            path: path.to_owned(),
            source,
        })?;
        let text = text.trim_ascii();
        if text.len() < LEAST {
            return Err(SealError::Short {
                path: path.to_owned(),
                found: text.len(),
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The key for what is sealed with a salt, in the place called `name`.
    fn key(&self, salt: &[u8], name: &str) -> Option<LessSafeKey> {
        let root = Salt::new(HKDF_SHA256, salt).extract(&self.0);
        let info: [&[u8]; 2] = [b"troupe ", name.as_bytes()];
        let key = root.expand(&info, &CHACHA20_POLY1305);
        Some(LessSafeKey::new(UnboundKey::from(key.ok()?)))
    }

    /// Seals bytes for the place called `name`; they open there only.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn seal(&self, name: &str, bytes: &[u8]) -> Result<Vec<u8>, SealError> {
        let salt: [u8; SALT] = rand::random();
        let nonce: [u8; NONCE_LEN] = rand::random();
        let refused = || SealError::Refused(name.to_owned());
        let key = self.key(&salt, name).ok_or_else(refused)?;
        let mut text = bytes.to_vec();
        let nonce_again = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce_again, Aad::from(name), &mut text)
            .map_err(|_| refused())?;
        Ok([&[FORMAT], &salt[..], &nonce, &text].concat())
    }

    /// Opens what was sealed for the place called `name`.
    ///
    /// # Errors
    /// When it was sealed with another secret, for another place, or changed.
    pub fn open(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let opened = self.try_open(name, sealed);
        opened.ok_or_else(|| SealError::Wrong(name.to_owned()))
    }

    fn try_open(&self, name: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let sealed = sealed.strip_prefix(&[FORMAT])?;
        let (salt, sealed) = sealed.split_first_chunk::<SALT>()?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut text = sealed.to_vec();
        let key = self.key(salt, name)?;
        let opened = key.open_in_place(nonce, Aad::from(name), &mut text).ok()?;
        Some(opened.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Result<Secret, SealError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Secret::read(file.path())
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_secret_in_the_same_place_unchanged() {
        let one = secret(&format!(" {}\n", "ab".repeat(16))).unwrap();
        let same = secret(&"ab".repeat(16)).unwrap();
        let other = secret(&"cd".repeat(16)).unwrap();
        let sealed = one.seal("here", b"text").unwrap();
        assert_eq!(same.open("here", &sealed).unwrap(), b"text");
        assert!(!sealed.windows(4).any(|w| w == b"text"));
        assert_ne!(one.seal("here", b"text").unwrap(), sealed);
        assert!(other.open("here", &sealed).is_err());
        assert!(one.open("there", &sealed).is_err());
        for n in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[n] ^= 1;
            assert!(one.open("here", &changed).is_err(), "byte {n}");
            assert!(one.open("here", &sealed[..n]).is_err(), "cut at {n}");
        }
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_refused() {
        assert!(matches!(
            secret("hunter2\n"),
            Err(SealError::Short { found: 7, .. })
        ));
        let nothing = Secret::read("/nowhere/secret".as_ref());
        assert!(matches!(nothing, Err(SealError::File { .. })));
    }
}
