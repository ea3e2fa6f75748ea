use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use crate::resources::Quantity;

/// A number of bytes, written as `64Mi`, `1G` or a plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteCount(pub u64);

impl<'de> Deserialize<'de> for ByteCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let quantity: Quantity = text.parse().map_err(|_| {
            de::Error::custom(format!("found {text:?}, want bytes as 64Mi, 1G or 1000000"))
        })?;
        Ok(Self(quantity.whole()))
    }
}

/// For `#[serde(deserialize_with)]`: a time as `500ms`, `60s` or `1h 30m`.
///
/// # Errors
/// When it is anything else.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let fail = || {
        de::Error::custom(format!(
            "found {text:?}, want a time as 500ms, 60s or 1h 30m"
        ))
    };
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| fail())?;
    Duration::try_from(parsed).map_err(|_| fail())
}

/// For `#[serde(deserialize_with)]`: a list, or one text with commas as environment and flags have it.
///
/// # Errors
/// When it is anything else.
pub fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct List;

    impl<'de> Visitor<'de> for List {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of texts, or one text with commas between")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            let parts = text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            Ok(parts.map(ToOwned::to_owned).collect())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut out = Vec::new();
            while let Some(item) = items.next_element()? {
                out.push(item);
            }
            Ok(out)
        }
    }

    deserializer.deserialize_any(List)
}
