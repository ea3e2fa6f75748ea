//! Numbers.

use super::super::error::Error;
use super::super::eval::Evaluator;
use super::super::number::show;
use super::super::value::Item;
use super::{Result, Row, integer, number_of, picture, text_of};

pub(super) const FUNCTIONS: &[Row] = &[
    ("sum", "<a<n>:n>", sum),
    ("max", "<a<n>:n>", max),
    ("min", "<a<n>:n>", min),
    ("average", "<a<n>:n>", average),
    ("number", "<(nsb)-:n>", number),
    ("floor", "<n-:n>", floor),
    ("ceil", "<n-:n>", ceil),
    ("round", "<n-n?:n>", round),
    ("abs", "<n-:n>", abs),
    ("sqrt", "<n-:n>", sqrt),
    ("power", "<n-n:n>", power),
    ("formatNumber", "<n-so?:s>", picture::format_number),
    ("formatBase", "<n-n?:s>", format_base),
    ("formatInteger", "<n-s:s>", integer::format_integer),
    ("parseInteger", "<s-s:n>", integer::parse_integer),
];

/// Looks at all numbers of a list; none if there is no list.
fn fold<'a>(
    run: &Evaluator<'a>,
    arguments: &[Item<'a>],
    start: f64,
    step: fn(f64, f64) -> f64,
) -> Result<Option<(f64, usize)>> {
    let Some(Item::Array(list)) = arguments.first() else {
        return Ok(None);
    };
    run.purse.work(list.len())?;
    let numbers = list.iter().filter_map(|item| number_of(Some(&item)));
    Ok(Some((numbers.fold(start, step), list.len())))
}

fn sum<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    Ok(fold(run, arguments, 0.0, |a, b| a + b)?
        .map_or(Item::Undefined, |(sum, _)| Item::float(sum)))
}

fn max<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let found = fold(run, arguments, f64::NEG_INFINITY, f64::max)?;
    Ok(found
        .filter(|(_, n)| *n > 0)
        .map_or(Item::Undefined, |(max, _)| Item::float(max)))
}

fn min<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let found = fold(run, arguments, f64::INFINITY, f64::min)?;
    Ok(found
        .filter(|(_, n)| *n > 0)
        .map_or(Item::Undefined, |(min, _)| Item::float(min)))
}

fn average<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let found = fold(run, arguments, 0.0, |a, b| a + b)?;
    Ok(found
        .filter(|(_, n)| *n > 0)
        .map_or(Item::Undefined, |(sum, n)| Item::float(sum / n as f64)))
}

fn number<'a>(_: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let wrong = |text: &str| {
        Error::new(
            "D3030",
            format!("Unable to cast value to a number: \"{text}\""),
        )
    };
    Ok(match arguments.first() {
        Some(Item::Number(number)) => Item::Number(*number),
        Some(Item::Bool(value)) => Item::float(f64::from(u8::from(*value))),
        Some(Item::Text(text)) => {
            let text = text.as_str();
            let radix = |prefix: [&str; 2], radix| {
                let digits = prefix.iter().find_map(|p| text.strip_prefix(p))?;
                digits
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric())
                    .then(|| u64::from_str_radix(digits, radix).ok())
                    .flatten()
            };
            let prefixed = radix(["0x", "0X"], 16)
                .or_else(|| radix(["0o", "0O"], 8))
                .or_else(|| radix(["0b", "0B"], 2));
            if let Some(value) = prefixed {
                return Ok(Item::float(value as f64));
            }
            // JSON's numbers, and no others.
            let value = serde_json::from_str::<serde_json::Number>(text).ok();
            let plain = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
            match value
                .and_then(|n| n.as_f64())
                .filter(|n| plain && n.is_finite())
            {
                Some(value) => Item::float(value),
                None => return Err(wrong(text)),
            }
        }
        _ => Item::Undefined,
    })
}

fn one<'a>(arguments: &[Item<'a>], compute: impl FnOnce(f64) -> f64) -> Item<'a> {
    number_of(arguments.first()).map_or(Item::Undefined, |n| Item::float(compute(n)))
}

fn floor<'a>(_: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    Ok(one(arguments, f64::floor))
}

fn ceil<'a>(_: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    Ok(one(arguments, f64::ceil))
}

fn abs<'a>(_: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    Ok(one(arguments, f64::abs))
}

fn round<'a>(_: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let precision = number_of(arguments.get(1)).unwrap_or(0.0);
    Ok(one(arguments, |n| rounded(n, precision)))
}

/// To so many places, halves to the even digit.
pub(super) fn rounded(value: f64, precision: f64) -> f64 {
    let precision = precision.clamp(-300.0, 300.0) as i32;
    // The point moves in the text, so that 4.525 is a half and not a bit less.
    let shift = |value: f64, by: i32| -> f64 {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        format!("{mantissa}e{}", exponent.saturating_add(by))
            .parse()
            .unwrap_or(value)
    };
    let shifted = shift(value, precision);
    if !shifted.is_finite() {
        return value;
    }
    let even = shifted.round_ties_even();
    let back = shift(even, -precision);
    if back == 0.0 { 0.0 } else { back }
}

fn sqrt<'a>(_: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    match number_of(arguments.first()) {
        Some(n) if n < 0.0 => Err(Error::new(
            "D3060",
            format!(
                "The sqrt function cannot be applied to a negative number: {}",
                show(n)
            ),
        )),
        _ => Ok(one(arguments, f64::sqrt)),
    }
}

fn power<'a>(_: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let (Some(base), Some(exponent)) = (number_of(arguments.first()), number_of(arguments.get(1)))
    else {
        return Ok(Item::Undefined);
    };
    let result = base.powf(exponent);
    if !result.is_finite() {
        return Err(Error::new(
            "D3061",
            format!(
                "The power function has resulted in a value that cannot be represented as a JSON number: base={}, exponent={}",
                show(base),
                show(exponent)
            ),
        ));
    }
    Ok(Item::float(result))
}

fn format_base<'a>(_: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(value) = number_of(arguments.first()) else {
        return Ok(Item::Undefined);
    };
    let value = rounded(value, 0.0);
    let radix = rounded(number_of(arguments.get(1)).unwrap_or(10.0), 0.0);
    if !(2.0..=36.0).contains(&radix) {
        return Err(Error::new(
            "D3100",
            format!(
                "The radix of the formatBase function must be between 2 and 36. It was given {}",
                show(radix)
            ),
        ));
    }
    let (mut rest, radix) = (value.abs() as u128, radix as u32);
    let mut digits = Vec::new();
    loop {
        let digit = u32::try_from(rest % u128::from(radix)).unwrap_or(0);
        digits.push(char::from_digit(digit, radix).unwrap_or('0'));
        rest /= u128::from(radix);
        if rest == 0 {
            break;
        }
    }
    if value < 0.0 {
        digits.push('-');
    }
    Ok(Item::text(digits.into_iter().rev().collect::<String>()))
}

/// What a picture argument says.
pub(super) fn picture_of<'i>(arguments: &'i [Item<'_>], index: usize) -> &'i str {
    text_of(arguments.get(index)).unwrap_or_default()
}
