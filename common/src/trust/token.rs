use std::fmt;
use std::str::FromStr;

use rand::CryptoRng;

use crate::digest::Digest;

const PREFIX: &str = "K10";

/// What a new node is given: whom to trust and the secret that lets it in. Written as
/// `K10<hash of the authority's certificate>.<id>.<secret>`.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// Digest of the authority's certificate (DER).
    pub authority: Digest,
    /// Finds the token's record at the master; not secret.
    pub id: String,
    /// 128 random bits, hexadecimal.
    pub secret: String,
}

impl JoinToken {
    /// A new token for the authority's cluster.
    pub fn random(authority: Digest, rng: &mut impl CryptoRng) -> Self {
        let mut hex = |bytes: usize| {
            let mut buffer = [0_u8; 16];
            rng.fill_bytes(&mut buffer[..bytes]);
            buffer[..bytes]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        Self {
            authority,
            id: hex(5),
            secret: hex(16),
        }
    }

    /// What the master keeps and compares instead of the secret.
    #[must_use]
    pub fn secret_digest(&self) -> Digest {
        Digest::of(self.secret.as_bytes())
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{PREFIX}{}.{}.{}",
            self.authority.hex(),
            self.id,
            self.secret
        )
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken({})", self.id)
    }
}

/// The text is not a join token. The text itself is not repeated: it may hold a secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "read join token: {0}; want K10<64 hexadecimal digits>.<id>.<secret> as `master token create` prints it"
)]
pub struct ParseTokenError(&'static str);

impl FromStr for JoinToken {
    type Err = ParseTokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text
            .strip_prefix(PREFIX)
            .ok_or(ParseTokenError("it does not start with K10"))?;
        let parts: Vec<&str> = rest.split('.').collect();
        let [hash, id, secret] = parts[..] else {
            return Err(ParseTokenError("it has not three parts with dots between"));
        };
        let authority = format!("sha256:{hash}")
            .parse()
            .map_err(|_| ParseTokenError("its first part is not a SHA-256 hash"))?;
        let hex = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit())
        };
        if !hex(id, 10) {
            return Err(ParseTokenError(
                "its second part is not an id of 10 hexadecimal digits",
            ));
        }
        if !hex(secret, 32) {
            return Err(ParseTokenError(
                "its third part is not a secret of 32 hexadecimal digits",
            ));
        }
        Ok(Self {
            authority,
            id: id.to_owned(),
            secret: secret.to_owned(),
        })
    }
}
