//! Times: `$now`, `$millis`, `$fromMillis`, `$toMillis`.

use jiff::Timestamp;
use jiff::tz::Offset;

use super::super::error::Error;
use super::super::eval::Evaluator;
use super::super::value::Item;
use super::{Result, Row, calendar, number_of, text_of};

pub(super) const FUNCTIONS: &[Row] = &[
    ("now", "<s?s?:s>", now),
    ("millis", "<:n>", millis),
    ("fromMillis", "<n-s?s?:s>", from_millis),
    ("toMillis", "<s-s?:n>", to_millis),
];

fn now<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    written(
        run,
        run.world.now,
        text_of(arguments.first()),
        text_of(arguments.get(1)),
    )
}

fn millis<'a>(run: &Evaluator<'a>, _: &[Item<'a>]) -> Result<Item<'a>> {
    Ok(Item::float(run.world.now.as_millisecond() as f64))
}

fn from_millis<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(millis) = number_of(arguments.first()) else {
        return Ok(Item::Undefined);
    };
    let at = Timestamp::from_millisecond(millis as i64)
        .map_err(|_| Error::new("D1001", format!("Number out of range: {millis}")))?;
    written(
        run,
        at,
        text_of(arguments.get(1)),
        text_of(arguments.get(2)),
    )
}

fn written<'a>(
    run: &Evaluator<'a>,
    at: Timestamp,
    picture: Option<&str>,
    zone: Option<&str>,
) -> Result<Item<'a>> {
    let offset = zone.map_or(Some(Offset::UTC), offset).ok_or_else(|| {
        Error::new(
            "D3134",
            "The timezone integer format specifier cannot have more than four digits",
        )
    })?;
    let picture = picture.unwrap_or("[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z01:01t]");
    run.text(calendar::write(at, offset, picture)?)
}

/// `+0100`, `-0530`, `0`.
fn offset(text: &str) -> Option<Offset> {
    let number: i32 = text.parse().ok().filter(|n: &i32| n.abs() < 2600)?;
    Offset::from_seconds((number / 100) * 3600 + (number % 100) * 60).ok()
}

fn to_millis<'a>(run: &Evaluator<'a>, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let Some(text) = text_of(arguments.first()) else {
        return Ok(Item::Undefined);
    };
    let millis = match text_of(arguments.get(1)) {
        Some(picture) => calendar::read(text, picture, run.world.now)?,
        None => Some(iso(text).ok_or_else(|| {
            Error::new(
                "D3110",
                format!("The argument of the toMillis function must be an ISO 8601 formatted timestamp. Given \"{text}\""),
            )
        })?),
    };
    Ok(millis.map_or(Item::Undefined, |millis| Item::float(millis as f64)))
}

/// `2018`, `2018-02`, `2018-02-01`, with a time behind it, with or without an offset (UTC).
fn iso(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let date = match date.len() {
        4 => format!("{date}-01-01"),
        7 => format!("{date}-01"),
        _ => date.to_owned(),
    };
    let time = time.unwrap_or("00:00:00Z");
    let zoned = time.ends_with('Z') || time.contains('+') || time.contains('-');
    let zone = if zoned { "" } else { "Z" };
    let at: Timestamp = format!("{date}T{time}{zone}").parse().ok()?;
    Some(at.as_millisecond())
}
