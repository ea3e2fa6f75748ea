//! Integers as digits, words, Roman numerals and letters: `$formatInteger` and `$parseInteger`.

use super::super::error::Error;
use super::super::eval::Evaluator;
use super::super::number::show;
use super::super::value::Item;
use super::number::picture_of;
use super::{Result, number_of, text_of};

/// How an integer is written.
#[derive(Debug, Clone)]
pub(super) struct Format {
    style: Style,
    ordinal: bool,
}

#[derive(Debug, Clone)]
enum Style {
    /// Digits: how many at least, and separators by their distance from the end.
    Digits {
        least: usize,
        separators: Vec<(usize, char)>,
        regular: bool,
    },
    Letters(Case),
    Roman(Case),
    Words(Case),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Case {
    Upper,
    Lower,
    Title,
}

const ONES: [&str; 20] = [
    "Zero",
    "One",
    "Two",
    "Three",
    "Four",
    "Five",
    "Six",
    "Seven",
    "Eight",
    "Nine",
    "Ten",
    "Eleven",
    "Twelve",
    "Thirteen",
    "Fourteen",
    "Fifteen",
    "Sixteen",
    "Seventeen",
    "Eighteen",
    "Nineteen",
];
const ORDINALS: [&str; 20] = [
    "Zeroth",
    "First",
    "Second",
    "Third",
    "Fourth",
    "Fifth",
    "Sixth",
    "Seventh",
    "Eighth",
    "Ninth",
    "Tenth",
    "Eleventh",
    "Twelfth",
    "Thirteenth",
    "Fourteenth",
    "Fifteenth",
    "Sixteenth",
    "Seventeenth",
    "Eighteenth",
    "Nineteenth",
];
const TENS: [&str; 10] = [
    "", "", "Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety",
];
const POWERS: [&str; 5] = ["", "Thousand", "Million", "Billion", "Trillion"];
const ROMAN: [(u64, &str); 13] = [
    (1000, "m"),
    (900, "cm"),
    (500, "d"),
    (400, "cd"),
    (100, "c"),
    (90, "xc"),
    (50, "l"),
    (40, "xl"),
    (10, "x"),
    (9, "ix"),
    (5, "v"),
    (4, "iv"),
    (1, "i"),
];

pub(super) fn format_integer<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(value) = number_of(arguments.first()) else {
        return Ok(Item::Undefined);
    };
    let format = Format::parse(picture_of(arguments, 1))?;
    run.text(format.write(value.floor()))
}

pub(super) fn parse_integer<'a>(_: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(text) = text_of(arguments.first()) else {
        return Ok(Item::Undefined);
    };
    let format = Format::parse(picture_of(arguments, 1))?;
    Ok(format.read(text).map_or(Item::Undefined, Item::float))
}

impl Format {
    pub(super) fn parse(picture: &str) -> Result<Format> {
        let (primary, modifier) = picture.rsplit_once(';').unwrap_or((picture, ""));
        let ordinal = modifier.starts_with('o');
        let style = match primary {
            "A" => Style::Letters(Case::Upper),
            "a" => Style::Letters(Case::Lower),
            "I" => Style::Roman(Case::Upper),
            "i" => Style::Roman(Case::Lower),
            "W" => Style::Words(Case::Upper),
            "w" => Style::Words(Case::Lower),
            "Ww" => Style::Words(Case::Title),
            digits => digit_style(digits)?,
        };
        Ok(Format { style, ordinal })
    }

    pub(super) fn write(&self, value: f64) -> String {
        let size = value.abs();
        let whole = size.min(1e18) as u64;
        let text = match &self.style {
            Style::Letters(case) => cased(&letters(whole), *case),
            Style::Roman(case) => cased(&roman(whole), *case),
            Style::Words(case) => cased(&words(size, self.ordinal), *case),
            Style::Digits {
                least,
                separators,
                regular,
            } => {
                let mut digits = show(size);
                if digits.len() < *least {
                    digits = "0".repeat(least - digits.len()) + &digits;
                }
                let mut text = separated(&digits, separators, *regular);
                if self.ordinal {
                    text.push_str(suffix(&digits));
                }
                text
            }
        };
        if value < 0.0 {
            format!("-{text}")
        } else {
            text
        }
    }

    pub(super) fn read(&self, text: &str) -> Option<f64> {
        match &self.style {
            Style::Letters(_) => text.chars().try_fold(0.0, |sum, c| {
                let digit = c.to_ascii_lowercase();
                digit
                    .is_ascii_lowercase()
                    .then(|| sum * 26.0 + f64::from(digit as u32 - 96))
            }),
            Style::Roman(_) => read_roman(&text.to_ascii_lowercase()),
            Style::Words(_) => read_words(&text.to_ascii_lowercase()),
            Style::Digits { separators, .. } => {
                let text = if self.ordinal {
                    text.get(..text.len().saturating_sub(2))?
                } else {
                    text
                };
                let digits: String = text
                    .chars()
                    .filter(|c| !separators.iter().any(|(_, s)| s == c))
                    .collect();
                digits.parse().ok()
            }
        }
    }

    /// How many digits it writes at least, where it writes digits.
    pub(super) fn least_digits(&self) -> Option<usize> {
        match &self.style {
            Style::Digits { least, .. } => Some(*least),
            _ => None,
        }
    }

    /// The same with so many digits at least.
    pub(super) fn at_least(mut self, count: usize) -> Format {
        if let Style::Digits { least, .. } = &mut self.style {
            *least = (*least).max(count.min(100));
        }
        self
    }
}

fn digit_style(picture: &str) -> Result<Style> {
    let (mut least, mut separators, mut place) = (0, Vec::new(), 0);
    for c in picture.chars().rev() {
        match c {
            '0'..='9' => {
                least += 1;
                place += 1;
            }
            '#' => place += 1,
            c if c.is_numeric() => {
                return Err(Error::new(
                    "D3131",
                    "In a decimal digit pattern, all digits must be from the same decimal group",
                ));
            }
            c if c.is_alphabetic() => {
                return Err(Error::new(
                    "D3130",
                    format!(
                        "Formatting or parsing an integer as a sequence starting with \"{picture}\" is not supported by this implementation"
                    ),
                ));
            }
            separator => separators.push((place, separator)),
        }
    }
    if least == 0 {
        return Err(Error::new(
            "D3130",
            format!(
                "Formatting or parsing an integer as a sequence starting with \"{picture}\" is not supported by this implementation"
            ),
        ));
    }
    // Separators at equal distances go on beyond the picture.
    let regular = separators.first().is_some_and(|(step, first)| {
        *step > 0
            && separators
                .iter()
                .enumerate()
                .all(|(i, (at, c))| *at == step * (i + 1) && c == first)
    });
    Ok(Style::Digits {
        least,
        separators,
        regular,
    })
}

fn separated(digits: &str, separators: &[(usize, char)], regular: bool) -> String {
    let length = digits.len();
    let mut out = String::with_capacity(length * 2);
    for (index, digit) in digits.chars().enumerate() {
        let rest = length - index;
        let separator = match separators.first() {
            Some((step, c)) if regular => rest.is_multiple_of(*step).then_some(*c),
            _ => separators
                .iter()
                .find(|(at, _)| *at == rest)
                .map(|(_, c)| *c),
        };
        if let (Some(separator), true) = (separator, index > 0) {
            out.push(separator);
        }
        out.push(digit);
    }
    out
}

fn suffix(digits: &str) -> &'static str {
    let teen = digits.len() > 1 && digits.as_bytes().get(digits.len() - 2) == Some(&b'1');
    match digits.bytes().last() {
        Some(b'1') if !teen => "st",
        Some(b'2') if !teen => "nd",
        Some(b'3') if !teen => "rd",
        _ => "th",
    }
}

fn cased(text: &str, case: Case) -> String {
    match case {
        Case::Upper => text.to_uppercase(),
        Case::Lower => text.to_lowercase(),
        Case::Title => text.to_owned(),
    }
}

fn letters(value: u64) -> String {
    let mut out = Vec::new();
    let mut rest = value;
    while rest > 0 {
        let digit = u8::try_from((rest - 1) % 26).unwrap_or(0);
        out.push(char::from(b'a' + digit));
        rest = (rest - 1) / 26;
    }
    out.into_iter().rev().collect()
}

fn roman(value: u64) -> String {
    let (mut rest, mut out) = (value.min(1_000_000), String::new());
    for (size, text) in ROMAN {
        while rest >= size {
            out.push_str(text);
            rest -= size;
        }
    }
    out
}

fn read_roman(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut value = 0;
    while !rest.is_empty() {
        let (size, numeral) = ROMAN
            .iter()
            .find(|(_, numeral)| rest.starts_with(numeral))?;
        value += size;
        rest = rest.get(numeral.len()..)?;
    }
    Some(value as f64)
}

fn words(value: f64, ordinal: bool) -> String {
    say(value, false, ordinal)
}

fn say(value: f64, inner: bool, ordinal: bool) -> String {
    let place = value as usize;
    if value < 20.0 {
        let names = if ordinal { ORDINALS } else { ONES };
        let name = names.get(place).copied().unwrap_or_default();
        return if inner {
            format!(" and {name}")
        } else {
            name.to_owned()
        };
    }
    if value < 100.0 {
        let tens = TENS.get(place / 10).copied().unwrap_or_default();
        let rest = place % 10;
        let text = if rest > 0 {
            format!("{tens}-{}", say(rest as f64, false, ordinal))
        } else if ordinal {
            format!("{}ieth", tens.strip_suffix('y').unwrap_or(tens))
        } else {
            tens.to_owned()
        };
        return if inner { format!(" and {text}") } else { text };
    }
    if value < 1000.0 {
        let hundreds = ONES.get(place / 100).copied().unwrap_or_default();
        let rest = place % 100;
        let text = if rest > 0 {
            format!("{hundreds} Hundred{}", say(rest as f64, true, ordinal))
        } else {
            format!("{hundreds} Hundred{}", if ordinal { "th" } else { "" })
        };
        return if inner { format!(", {text}") } else { text };
    }
    let power = ((value.log10() / 3.0).floor() as usize).clamp(1, POWERS.len() - 1);
    let unit = 1000_f64.powi(i32::try_from(power).unwrap_or(1));
    let (head, rest) = ((value / unit).floor(), value % unit);
    let name = POWERS.get(power).copied().unwrap_or_default();
    let mut text = format!("{} {name}", say(head, false, false));
    if rest > 0.0 {
        text.push_str(&say(rest, true, ordinal));
    } else if ordinal {
        text.push_str("th");
    }
    if inner { format!(", {text}") } else { text }
}

fn read_words(text: &str) -> Option<f64> {
    let mut total = Vec::<f64>::new();
    for word in text
        .split([',', ' ', '-'])
        .filter(|w| !w.is_empty() && *w != "and")
    {
        let word = word.to_owned();
        let small = ONES.iter().position(|w| w.to_lowercase() == word);
        let small = small.or_else(|| ORDINALS.iter().position(|w| w.to_lowercase() == word));
        let tens = || {
            let plain = word
                .strip_suffix("ieth")
                .map(|w| format!("{w}y"))
                .unwrap_or_else(|| word.clone());
            TENS.iter()
                .position(|w| !w.is_empty() && w.to_lowercase() == plain)
                .map(|n| n * 10)
        };
        if let Some(value) = small.or_else(tens) {
            match total.last_mut() {
                Some(last) if *last < 1000.0 => *last += value as f64,
                _ => total.push(value as f64),
            }
            continue;
        }
        let plain = word.strip_suffix("th").unwrap_or(&word);
        let factor = if plain == "hundred" {
            100.0
        } else {
            let power = POWERS
                .iter()
                .position(|w| !w.is_empty() && w.to_lowercase() == plain)?;
            1000_f64.powi(i32::try_from(power).ok()?)
        };
        let last = total.pop()?;
        total.push(last * factor);
    }
    (!total.is_empty()).then(|| total.iter().sum())
}
