//! Numbers: doubles that remember the exact JSON number they came from until something is computed with them.

use serde_json::Number;

/// A number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Num<'a> {
    /// Computed, or written in the expression.
    Float(f64),
    /// As it stands in the data, with all its digits.
    Exact(&'a Number),
}

impl Num<'_> {
    pub(crate) fn value(self) -> f64 {
        match self {
            Num::Float(value) => value,
            Num::Exact(number) => number.as_f64().unwrap_or(f64::NAN),
        }
    }

    pub(crate) fn to_json(self) -> Number {
        match self {
            Num::Float(value) => to_json(value),
            Num::Exact(number) => number.clone(),
        }
    }

    /// As `$string` shows it.
    pub(crate) fn text(self) -> String {
        match self {
            Num::Exact(number) if number.is_i64() || number.is_u64() => number.to_string(),
            other => show(precise(other.value())),
        }
    }
}

/// The number to 15 significant digits, which hides the noise of binary fractions.
pub(crate) fn precise(value: f64) -> f64 {
    if value.fract() == 0.0 {
        return value;
    }
    format!("{value:.14e}").parse().unwrap_or(value)
}

fn to_json(value: f64) -> Number {
    if value.fract() == 0.0 && value.abs() < 9.0e15 {
        return Number::from(value as i64);
    }
    // `show` writes JSON numbers only.
    show(value).parse().unwrap_or_else(|_| Number::from(0))
}

/// The shortest text that reads back as the same number, with an exponent where JavaScript writes one.
pub(crate) fn show(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return "null".to_owned();
    }
    let size = value.abs();
    if (1e-6..1e21).contains(&size) {
        return format!("{value}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if !exponent.starts_with('-') => {
            format!("{mantissa}e+{exponent}")
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_json_does() {
        for (value, text) in [
            (7.0, "7"),
            (-0.0, "0"),
            (0.1, "0.1"),
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-7"),
            (123456789012345680000.0, "123456789012345680000"),
        ] {
            assert_eq!(show(value), text);
        }
        assert_eq!(show(precise(0.1 + 0.2)), "0.3");
    }

    #[test]
    fn exact_numbers_keep_their_digits() {
        let number: Number = serde_json::from_str("12345678901234567890").unwrap();
        assert_eq!(
            Num::Exact(&number).to_json().to_string(),
            "12345678901234567890"
        );
    }
}
