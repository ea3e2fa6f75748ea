use std::fmt::Write as _;

use super::{SealError, Secret};

/// What a sealed value begins with; the key's id, a colon and the sealed bytes follow. JSON never does.
const MARK: &[u8] = b"sealed:v1:";
/// Hexadecimal digits of a key's id.
const ID: usize = 16;
/// Bytes of a key.
const KEY: usize = 32;

/// Keys that values of the store are sealed with. The first seals; all open what they sealed, so that another one can
/// take its place.
pub struct Keyring(Vec<(String, Secret)>);

impl Keyring {
    /// A keyring with one new key.
    #[must_use]
    pub fn random() -> Self {
        let id: u64 = rand::random();
        let key: [u8; KEY] = rand::random();
        Self(vec![(format!("{id:0ID$x}"), Secret::new(key.to_vec()))])
    }

    /// Reads what [`Self::text`] gave.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let keys: Option<Vec<_>> = text.lines().map(parse_line).collect();
        let keys = keys.ok_or(SealError::Keys(
            "want lines of an id and a key, in hexadecimal",
        ))?;
        if keys.is_empty() {
            return Err(SealError::Keys("there are none"));
        }
        Ok(Self(keys))
    }

    /// The keys, one a line, the one that seals first. To be kept as secret as what they seal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (id, key) in &self.0 {
            text.push_str(id);
            text.push(' ');
            for byte in key.bytes() {
                // A String takes everything.
                let _ = write!(text, "{byte:02x}");
            }
            text.push('\n');
        }
        text
    }

    /// Whether a key is there.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.key(id).is_some()
    }

    /// The id of the key that seals.
    #[must_use]
    pub fn current(&self) -> &str {
        self.0.first().map_or("", |(id, _)| id)
    }

    fn key(&self, id: &str) -> Option<&Secret> {
        let found = self.0.iter().find(|(own, _)| own == id);
        found.map(|(_, key)| key)
    }

    /// Seals a value for the place called `name`.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn seal(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, SealError> {
        let refused = || SealError::Refused(name.to_owned());
        let (id, key) = self.0.first().ok_or_else(refused)?;
        let sealed = key.seal(name, value)?;
        Ok([MARK, id.as_bytes(), b":", &sealed].concat())
    }

    /// Opens a value of the place called `name`; `None` when it is not sealed.
    ///
    /// # Errors
    /// When its key is not there, or it was changed or moved.
    pub fn open(&self, name: &str, value: &[u8]) -> Result<Option<Vec<u8>>, SealError> {
        let Some(rest) = value.strip_prefix(MARK) else {
            return Ok(None);
        };
        let wrong = || SealError::Wrong(name.to_owned());
        let (id, sealed) = rest.split_at_checked(ID).ok_or_else(wrong)?;
        let id = std::str::from_utf8(id).map_err(|_| wrong())?;
        let sealed = sealed.strip_prefix(b":").ok_or_else(wrong)?;
        let key = self.key(id).ok_or_else(|| SealError::UnknownKey {
            name: name.to_owned(),
            key: id.to_owned(),
        })?;
        key.open(name, sealed).map(Some)
    }
}

fn parse_line(line: &str) -> Option<(String, Secret)> {
    let (id, key) = line.split_once(' ')?;
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    if id.len() != ID || key.len() != 2 * KEY || !plain(id) || !plain(key) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(key.get(2 * at..2 * at + 2)?, 16).ok();
    let key = (0..KEY).map(byte).collect::<Option<Vec<u8>>>()?;
    Some((id.to_owned(), Secret::new(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_open_with_the_key_that_sealed_them_in_their_place_unchanged() {
        let old = Keyring::random();
        let sealed = old.seal("here", b"{text}").unwrap();
        assert!(!sealed.windows(4).any(|part| part == b"text"));
        let read = Keyring::parse(&old.text()).unwrap();
        assert_eq!(read.open("here", &sealed).unwrap().unwrap(), b"{text}");
        assert!(read.open("there", &sealed).is_err());
        for n in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[n] ^= 1;
            // A changed mark is no mark: then the value is what nobody can read as JSON.
            let opened = read.open("here", &changed);
            assert!(!matches!(opened, Ok(Some(_))), "byte {n}");
        }
        let other = Keyring::random();
        assert!(matches!(
            other.open("here", &sealed),
            Err(SealError::UnknownKey { .. })
        ));
        let both = Keyring::parse(&format!("{}{}", other.text(), old.text())).unwrap();
        assert_eq!(both.current(), other.current());
        assert!(both.has(old.current()));
        assert_eq!(both.open("here", &sealed).unwrap().unwrap(), b"{text}");
    }

    #[test]
    fn a_value_of_before_is_no_sealed_one() {
        let keys = Keyring::random();
        assert_eq!(keys.open("here", b"{\"kind\":\"Secret\"}").unwrap(), None);
        for bad in ["", "x", "0123456789abcdef 00", "0123456789abcdef"] {
            assert!(Keyring::parse(bad).is_err(), "{bad:?}");
        }
    }
}
