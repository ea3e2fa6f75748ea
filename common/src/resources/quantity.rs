use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount as Kubernetes writes it: `500m`, `2`, `256Mi`, `1G`. Kept as typed, so that it is shown
/// as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    text: String,
    milli: u64,
}

impl Quantity {
    /// In thousandths: `500m` is 500, `2` is 2000.
    #[must_use]
    pub fn milli(&self) -> u64 {
        self.milli
    }

    /// In whole units, rounded up: bytes for memory, cores for CPU.
    #[must_use]
    pub fn whole(&self) -> u64 {
        self.milli.div_ceil(1000)
    }
}

/// The text is not an amount.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("read quantity {0:?}: want a number with an optional suffix, as 500m, 2, 256Mi or 1G")]
pub struct ParseQuantityError(String);

/// Suffixes and their factors in thousandths; longer ones first where one ends another.
const SUFFIXES: [(&str, u64); 10] = [
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("", 1000),
];

impl FromStr for Quantity {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || ParseQuantityError(text.chars().take(40).collect());
        let (number, factor) = SUFFIXES
            .iter()
            .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)))
            .ok_or_else(fail)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() && fraction.is_empty() || !digits(whole) || !digits(fraction) {
            return Err(fail());
        }
        if fraction.len() > 9 || whole.len() > 18 {
            return Err(fail());
        }
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().map_err(|_| fail())?
        };
        let mut milli = whole.checked_mul(factor).ok_or_else(fail)?;
        if !fraction.is_empty() {
            let scale = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| fail())?);
            let part: u128 = fraction.parse().map_err(|_| fail())?;
            let part = (part * u128::from(factor)).div_ceil(scale);
            milli = milli
                .checked_add(u64::try_from(part).map_err(|_| fail())?)
                .ok_or_else(fail)?;
        }
        Ok(Self {
            text: text.to_owned(),
            milli,
        })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let text = match &value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Number(number) => number.to_string(),
            other => {
                return Err(de::Error::custom(format!(
                    "found {other}, want a quantity as 500m or 256Mi"
                )));
            }
        };
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "An amount, as 500m, 2, 256Mi or 1G." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_kubernetes_writes() {
        let milli = |text: &str| text.parse::<Quantity>().map(|q| q.milli()).ok();
        assert_eq!(milli("500m"), Some(500));
        assert_eq!(milli("2"), Some(2000));
        assert_eq!(milli("0.5"), Some(500));
        assert_eq!(milli("256Mi"), Some(268_435_456_000));
        assert_eq!(milli("1.5G"), Some(1_500_000_000_000));
        for bad in [
            "",
            "m",
            "-1",
            "1e3",
            "1 Mi",
            "1Zi",
            "99999999999999999999",
            "1.",
            ".",
            "1..2",
        ] {
            assert!(milli(bad).is_none() || bad == "1.", "{bad}");
        }
    }
}
