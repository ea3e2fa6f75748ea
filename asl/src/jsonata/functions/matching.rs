//! Texts and regular expressions.

use super::super::error::Error;
use super::super::eval::Evaluator;
use super::super::eval::function::Function;
use super::super::regex::Match;
use super::super::value::{Fields, Item};
use super::{Result, Row, number_of, text_of};

pub(super) const FUNCTIONS: &[Row] = &[
    ("match", "<s-f<s:o>n?:a<o>>", find_all),
    ("contains", "<s-(sf):b>", contains),
    ("replace", "<s-(sf)(sf)n?:s>", replace),
    ("split", "<s-(sf)n?:a<s>>", split),
];

/// All matches of a pattern, paid for by the length of the text.
fn matches(
    run: &Evaluator<'_>,
    function: &Function<'_>,
    text: &str,
    name: &str,
) -> Result<Vec<Match>> {
    let Function::Regex(pattern) = function else {
        return Err(Error::new(
            "T1010",
            format!(
                "The matcher function argument passed to function \"{name}\" does not return the correct object structure"
            ),
        ));
    };
    run.purse.work(text.len() / 16 + 1)?;
    let mut found = Vec::new();
    let mut at = 0;
    while found.is_empty() || at < text.len() {
        let Some(one) = pattern.find(text, at) else {
            break;
        };
        // One that does not move on would be found for ever.
        if one.start == one.end && !found.is_empty() {
            return Err(Error::new(
                "D1004",
                "Regular expression matches zero length string",
            ));
        }
        run.purse.hold(
            64 + one
                .groups
                .iter()
                .flatten()
                .map(|g| g.len() + 24)
                .sum::<usize>(),
        )?;
        run.purse.work((one.end - at) / 16 + 1)?;
        at = one.end;
        found.push(one);
    }
    Ok(found)
}

/// What a group caught; nothing if it took no part.
fn group<'a>(caught: Option<String>) -> Item<'a> {
    caught.map_or(Item::Undefined, Item::text)
}

/// Positions in a text as JavaScript and Java count them, in UTF-16 code units; asked for from left to right.
struct Places<'t> {
    text: &'t str,
    byte: usize,
    place: usize,
}

impl<'t> Places<'t> {
    fn of(text: &'t str) -> Self {
        Places {
            text,
            byte: 0,
            place: 0,
        }
    }

    fn find(&mut self, byte: usize) -> f64 {
        let between = self.text.get(self.byte..byte).unwrap_or_default();
        self.place += between.encode_utf16().count();
        self.byte = byte.max(self.byte);
        self.place as f64
    }
}

fn limit(item: Option<&Item<'_>>, code: &'static str, message: &str) -> Result<usize> {
    match number_of(item) {
        Some(limit) if limit < 0.0 => Err(Error::new(code, message)),
        Some(limit) => Ok(limit.ceil() as usize),
        None => Ok(usize::MAX),
    }
}

fn find_all<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let (Some(text), Some(Item::Function(function))) =
        (text_of(arguments.first()), arguments.get(1))
    else {
        return Ok(Item::Undefined);
    };
    let message = "Third argument of match function must evaluate to a positive number";
    let limit = limit(arguments.get(2), "D3040", message)?;
    let mut found = Vec::new();
    let mut places = Places::of(text);
    for one in matches(run, function, text, "match")?
        .into_iter()
        .take(limit)
    {
        let index = places.find(one.start);
        let groups = one.groups.into_iter().map(group).collect();
        let mut fields = Fields::new();
        fields.insert(
            "match".into(),
            Item::text(text.get(one.start..one.end).unwrap_or_default()),
        );
        fields.insert("index".into(), Item::float(index));
        fields.insert("groups".into(), Item::Array(run.array(groups)?));
        found.push(run.object(fields)?);
    }
    Ok(Item::Array(run.sequence(found)?))
}

fn contains<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(text) = text_of(arguments.first()) else {
        return Ok(Item::Undefined);
    };
    Ok(Item::Bool(match arguments.get(1) {
        Some(Item::Text(token)) => text.contains(token.as_str()),
        Some(Item::Function(function)) => match &**function {
            Function::Regex(pattern) => {
                run.purse.work(text.len() / 16 + 1)?;
                pattern.is_match(text)
            }
            other => !matches(run, other, text, "contains")?.is_empty(),
        },
        _ => return Ok(Item::Undefined),
    }))
}

fn split<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(text) = text_of(arguments.first()) else {
        return Ok(Item::Undefined);
    };
    let message = "Third argument of split function must evaluate to a positive number";
    let limit = limit(arguments.get(2), "D3020", message)?;
    let mut parts: Vec<Item<'a>> = Vec::new();
    let mut add = |part: &str| -> Result<()> {
        run.purse.hold(part.len() + size_of::<Item<'a>>())?;
        parts.push(Item::text(part));
        Ok(())
    };
    match arguments.get(1) {
        Some(Item::Text(separator)) if separator.as_str().is_empty() => {
            for letter in text.chars().take(limit) {
                add(letter.encode_utf8(&mut [0; 4]))?;
            }
        }
        Some(Item::Text(separator)) => {
            for part in text.split(separator.as_str()).take(limit) {
                add(part)?;
            }
        }
        Some(Item::Function(function)) => {
            let (mut at, mut count) = (0, 0);
            for one in matches(run, function, text, "split")? {
                if count >= limit {
                    break;
                }
                add(text.get(at..one.start).unwrap_or_default())?;
                (at, count) = (one.end, count + 1);
            }
            if count < limit {
                add(text.get(at..).unwrap_or_default())?;
            }
        }
        _ => return Ok(Item::Undefined),
    }
    Ok(Item::Array(run.array(parts)?))
}

fn replace<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(text) = text_of(arguments.first()) else {
        return Ok(Item::Undefined);
    };
    let message = "Fourth argument of replace function must evaluate to a positive number";
    let limit = limit(arguments.get(3), "D3011", message)?;
    let found: Vec<Match> = match arguments.get(1) {
        Some(Item::Text(token)) if token.as_str().is_empty() => {
            return Err(Error::new(
                "D3010",
                "Second argument of replace function cannot be an empty string",
            ));
        }
        Some(Item::Text(token)) => {
            let mut found = Vec::new();
            for (start, part) in text.match_indices(token.as_str()).take(limit) {
                run.purse.hold(size_of::<Match>())?;
                let end = start + part.len();
                found.push(Match {
                    start,
                    end,
                    groups: Vec::new(),
                });
            }
            found
        }
        Some(Item::Function(function)) => {
            let mut found = matches(run, function, text, "replace")?;
            found.truncate(limit);
            found
        }
        _ => return Ok(Item::Undefined),
    };
    let plain = matches!(arguments.get(1), Some(Item::Text(_)));
    let (mut out, mut at) = (String::new(), 0);
    let mut places = Places::of(text);
    let put = |out: &mut String, part: &str| -> Result<()> {
        run.purse.hold(part.len())?;
        out.push_str(part);
        Ok(())
    };
    for one in found {
        put(&mut out, text.get(at..one.start).unwrap_or_default())?;
        at = one.end;
        let matched = text.get(one.start..one.end).unwrap_or_default();
        match arguments.get(2) {
            Some(Item::Text(with)) if plain => put(&mut out, with.as_str())?,
            Some(Item::Text(with)) => put(&mut out, &filled(with.as_str(), matched, &one.groups))?,
            Some(Item::Function(with)) => {
                let (start, end) = (places.find(one.start), places.find(one.end));
                let groups = one.groups.into_iter().map(group).collect();
                let description = Item::object([
                    ("match", Item::text(matched)),
                    ("start", Item::float(start)),
                    ("end", Item::float(end)),
                    ("groups", Item::Array(run.array(groups)?)),
                ]);
                match run.apply(with, vec![description], &Item::Undefined)? {
                    Item::Text(with) => put(&mut out, with.as_str())?,
                    _ => {
                        return Err(Error::new(
                            "D3012",
                            "Attempted to replace a matched string with a non-string value",
                        ));
                    }
                }
            }
            _ => return Ok(Item::Undefined),
        }
    }
    put(&mut out, text.get(at..).unwrap_or_default())?;
    Ok(Item::text(out))
}

/// `$0`, `$1`, … and `$$` in a replacement. `$12` is the first group and a 2 where there are fewer than twelve.
fn filled(with: &str, matched: &str, groups: &[Option<String>]) -> String {
    let mut out = String::new();
    let mut rest = with;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            out.push('$');
            continue;
        }
        let most = groups.len().to_string().len().min(digits);
        let chosen = (1..=most).rev().find_map(|length| {
            let index: usize = rest.get(..length)?.parse().ok()?;
            (index <= groups.len()).then_some((index, length))
        });
        match chosen {
            Some((0, length)) => {
                out.push_str(matched);
                rest = rest.get(length..).unwrap_or_default();
            }
            Some((index, length)) => {
                out.push_str(
                    groups
                        .get(index - 1)
                        .and_then(Option::as_deref)
                        .unwrap_or_default(),
                );
                rest = rest.get(length..).unwrap_or_default();
            }
            // There is no such group.
            None => rest = rest.get(1..).unwrap_or_default(),
        }
    }
    out.push_str(rest);
    out
}
