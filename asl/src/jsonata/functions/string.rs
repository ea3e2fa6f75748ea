//! Texts. Lengths and positions count characters.

use super::super::error::Error;
use super::super::eval::Evaluator;
use super::super::value::Item;
use super::{Result, Row, number_of, text_of};

pub(super) const FUNCTIONS: &[Row] = &[
    ("string", "<x-b?:s>", string),
    ("substring", "<s-nn?:s>", substring),
    ("substringBefore", "<s-s:s>", substring_before),
    ("substringAfter", "<s-s:s>", substring_after),
    ("lowercase", "<s-:s>", lowercase),
    ("uppercase", "<s-:s>", uppercase),
    ("length", "<s-:n>", length),
    ("trim", "<s-:s>", trim),
    ("pad", "<s-ns?:s>", pad),
    ("join", "<a<s>s?:s>", join),
];

fn string<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(value) = arguments.first().filter(|value| !value.is_undefined()) else {
        return Ok(Item::Undefined);
    };
    Ok(Item::text(match arguments.get(1) {
        Some(Item::Bool(true)) => run.pretty(value)?,
        _ => run.shown(value)?,
    }))
}

fn substring<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(text) = text_of(arguments.first()) else {
        return Ok(Item::Undefined);
    };
    let start = number_of(arguments.get(1)).unwrap_or(0.0);
    let letters = text.chars().count() as f64;
    let mut start = start.trunc();
    if letters + start < 0.0 {
        start = 0.0;
    }
    let from = if start < 0.0 { letters + start } else { start };
    let to = match number_of(arguments.get(2)) {
        Some(length) if length <= 0.0 => from,
        Some(length) => from + length.trunc(),
        None => letters,
    };
    let count = (to.min(letters) - from).max(0.0);
    run.text(
        text.chars()
            .skip(from as usize)
            .take(count as usize)
            .collect(),
    )
}

fn substring_before<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    around(run, arguments, |text, chars| {
        text.split_once(chars).map(|(before, _)| before)
    })
}

fn substring_after<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    around(run, arguments, |text, chars| {
        text.split_once(chars).map(|(_, after)| after)
    })
}

fn around<'a>(
    run: &Evaluator<'a>,
    arguments: &[Item<'a>],
    cut: for<'t> fn(&'t str, &str) -> Option<&'t str>,
) -> Result<Item<'a>> {
    let Some(text) = text_of(arguments.first()) else {
        return Ok(Item::Undefined);
    };
    let found = text_of(arguments.get(1)).and_then(|chars| cut(text, chars));
    run.text(found.unwrap_or(text).to_owned())
}

fn lowercase<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    text_of(arguments.first()).map_or(Ok(Item::Undefined), |text| run.text(text.to_lowercase()))
}

fn uppercase<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    text_of(arguments.first()).map_or(Ok(Item::Undefined), |text| run.text(text.to_uppercase()))
}

fn length<'a>(_: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let count = |text: &str| Item::float(text.chars().count() as f64);
    Ok(text_of(arguments.first()).map_or(Item::Undefined, count))
}

fn trim<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(text) = text_of(arguments.first()) else {
        return Ok(Item::Undefined);
    };
    let words: Vec<&str> = text
        .split([' ', '\t', '\n', '\r'])
        .filter(|word| !word.is_empty())
        .collect();
    run.text(words.join(" "))
}

fn pad<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(text) = text_of(arguments.first()) else {
        return Ok(Item::Undefined);
    };
    let width = number_of(arguments.get(1)).unwrap_or(0.0);
    let padding = text_of(arguments.get(2))
        .filter(|p| !p.is_empty())
        .unwrap_or(" ");
    let missing = (width.abs().trunc() - text.chars().count() as f64).max(0.0);
    // Paid for before it is made: the width may be anything.
    run.purse.hold(
        (missing.min(1e15)) as usize * padding.len().max(1) / padding.chars().count().max(1),
    )?;
    let padding: String = padding.chars().cycle().take(missing as usize).collect();
    run.text(if width < 0.0 {
        padding + text
    } else {
        text.to_owned() + &padding
    })
}

fn join<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(Item::Array(list)) = arguments.first() else {
        return Ok(Item::Undefined);
    };
    let separator = text_of(arguments.get(1)).unwrap_or_default();
    let mut joined = String::new();
    for (index, item) in list.iter().enumerate() {
        let Item::Text(text) = item else {
            return Err(Error::new(
                "T0412",
                "Argument 1 of function \"join\" must be an array of strings",
            ));
        };
        run.purse.hold(text.as_str().len() + separator.len())?;
        if index > 0 {
            joined.push_str(separator);
        }
        joined.push_str(text.as_str());
    }
    Ok(Item::text(joined))
}
