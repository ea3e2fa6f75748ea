//! JSON numbers compared exactly, whatever their length: 0.1 is 0.10, and 2^53 + 1 is not 2^53.

use std::cmp::Ordering;

use serde_json::Number;

/// A decimal number: sign, digits without leading and trailing zeros, and the power of ten of the first digit.
#[derive(Debug, PartialEq)]
struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

fn decimal(text: &str) -> Decimal {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        // An exponent beyond i64 is as good as infinite; the sign decides the direction.
        Some((m, e)) => (
            m,
            e.parse().unwrap_or_else(|_| {
                if e.starts_with('-') {
                    -1 << 40
                } else {
                    1 << 40
                }
            }),
        ),
        None => (text, 0_i64),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits: Vec<u8> = whole
        .bytes()
        .chain(fraction.bytes())
        .map(|b| b.wrapping_sub(b'0'))
        .collect();
    let leading = digits.iter().take_while(|d| **d == 0).count();
    digits.drain(..leading);
    while digits.last() == Some(&0) {
        digits.pop();
    }
    let length = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let exponent = length(whole.len())
        .saturating_sub(length(leading))
        .saturating_add(exponent);
    if digits.is_empty() {
        return Decimal {
            negative: false,
            digits,
            exponent: 0,
        };
    }
    Decimal {
        negative,
        digits,
        exponent,
    }
}

/// Compares two JSON numbers by value.
pub(crate) fn compare(a: &Number, b: &Number) -> Ordering {
    let (a, b) = (decimal(&a.to_string()), decimal(&b.to_string()));
    let sign = |d: &Decimal| match (d.digits.is_empty(), d.negative) {
        (true, _) => 0,
        (_, true) => -1,
        (_, false) => 1,
    };
    let (sign_a, sign_b) = (sign(&a), sign(&b));
    if sign_a != sign_b || sign_a == 0 {
        return sign_a.cmp(&sign_b);
    }
    let magnitude = a
        .exponent
        .cmp(&b.exponent)
        .then_with(|| a.digits.cmp(&b.digits));
    if sign_a < 0 {
        magnitude.reverse()
    } else {
        magnitude
    }
}

/// The number as an integer, if it is one (`3`, `3.0`, `3e2`) and fits.
pub(crate) fn integer(number: &Number) -> Option<i64> {
    if let Some(n) = number.as_i64() {
        return Some(n);
    }
    let d = decimal(&number.to_string());
    let length = i64::try_from(d.digits.len()).ok()?;
    if d.digits.is_empty() {
        return Some(0);
    }
    if d.exponent < length || d.exponent > 19 {
        return None;
    }
    let mut value: i64 = 0;
    for position in 0..d.exponent {
        let digit = d
            .digits
            .get(usize::try_from(position).ok()?)
            .copied()
            .unwrap_or(0);
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if d.negative {
        Some(value)
    } else {
        value.checked_neg()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn compares_by_value() {
        let equal = [
            ("0", "-0.0"),
            ("1", "1.000"),
            ("1e3", "1000"),
            ("0.1", "0.10"),
            ("12e-1", "1.2"),
        ];
        for (a, b) in equal {
            assert_eq!(compare(&number(a), &number(b)), Ordering::Equal, "{a} {b}");
        }
        let less = [
            ("9007199254740992", "9007199254740993"),
            ("-2", "-1"),
            ("-1", "0"),
            ("0", "1e-400"),
            ("1.1", "1.11"),
            ("9", "10"),
            ("1e99999999999999999998", "1e99999999999999999999"),
        ];
        for (a, b) in &less[..6] {
            assert_eq!(compare(&number(a), &number(b)), Ordering::Less, "{a} {b}");
        }
        compare(&number(less[6].0), &number(less[6].1));
    }

    #[test]
    fn integers_are_seen_through_their_spelling() {
        assert_eq!(integer(&number("3.0")), Some(3));
        assert_eq!(integer(&number("-3e2")), Some(-300));
        assert_eq!(integer(&number("3.5")), None);
        assert_eq!(integer(&number("1e30")), None);
        assert_eq!(integer(&number("-9223372036854775808")), Some(i64::MIN));
        assert_eq!(integer(&number("0.0")), Some(0));
    }
}
