//! Numbers: MathRandom, MathAdd.

use serde_json::{Number, Value};

use crate::data::number;
use crate::entropy::Entropy;

/// The number as an integer; a fraction is rounded.
pub(super) fn rounded(n: &Number) -> Option<i64> {
    if let Some(integer) = number::integer(n) {
        return Some(integer);
    }
    let float = n.as_f64()?.round();
    // The range is checked, so the conversion keeps the value.
    #[allow(clippy::cast_possible_truncation)]
    (float.abs() < 9.2e18).then_some(float as i64)
}

/// A number from `first` up to but without `end`.
pub(super) fn random(
    first: i64,
    end: i64,
    seed: Option<i64>,
    entropy: &Entropy,
) -> Result<Value, String> {
    if end <= first {
        return Err(format!(
            "the end ({end}) must be greater than the start ({first})"
        ));
    }
    let width = u128::from(end.abs_diff(first));
    let bits = match seed {
        Some(seed) => Entropy::of_number(seed.cast_unsigned()).next(),
        None => entropy.next(),
    };
    let offset = i128::try_from((u128::from(bits) * width) >> 64).unwrap_or(0);
    let value = i64::try_from(i128::from(first) + offset).unwrap_or(first);
    Ok(Value::from(value))
}

pub(super) fn add(a: i64, b: i64) -> Result<Value, String> {
    a.checked_add(b)
        .map(Value::from)
        .ok_or_else(|| format!("{a} + {b} is out of range"))
}
