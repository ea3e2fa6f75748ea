//! Dates by a picture, as in XPath: `[Y0001]-[M01]-[D01]`, `[FNn], [D1o] [MNn]`.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

use super::super::error::Error;
use super::Result;
use super::integer::Format;

const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A piece of a picture.
enum Piece {
    Literal(String),
    Marker(Marker),
}

/// `[D1o]`
struct Marker {
    component: char,
    /// `1`, `01`, `N`, `Nn`, `i`, …
    presentation: String,
    /// `t` behind a zone: `Z` for UTC.
    zulu: bool,
    least: Option<usize>,
    most: Option<usize>,
}

fn pieces(picture: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut letters = picture.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '[' if letters.peek() == Some(&'[') => {
                letters.next();
                literal.push('[');
            }
            ']' if letters.peek() == Some(&']') => {
                letters.next();
                literal.push(']');
            }
            '[' => {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                let mut inside = String::new();
                loop {
                    match letters.next() {
                        Some(']') => break,
                        Some(c) if c.is_whitespace() => {}
                        Some(c) => inside.push(c),
                        None => {
                            return Err(Error::new(
                                "D3135",
                                "No matching closing bracket ']' in date/time picture string",
                            ));
                        }
                    }
                }
                pieces.push(Piece::Marker(marker(&inside)?));
            }
            other => literal.push(other),
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

fn marker(text: &str) -> Result<Marker> {
    let mut letters = text.chars();
    let component = letters.next().unwrap_or(' ');
    let default = match component {
        'Y' | 'X' | 'M' | 'D' | 'd' | 'W' | 'w' | 'x' | 'H' | 'h' | 'f' => "1",
        'm' | 's' => "01",
        'F' | 'P' | 'C' | 'E' => "n",
        'Z' | 'z' => "01:01",
        other => {
            return Err(Error::new(
                "D3132",
                format!("Unknown component specifier \"{other}\" in date/time picture string"),
            ));
        }
    };
    let rest = letters.as_str();
    let (presentation, widths) = rest.rsplit_once(',').unwrap_or((rest, ""));
    let (least, most) = widths.split_once('-').unwrap_or((widths, ""));
    let zone = matches!(component, 'Z' | 'z');
    let zulu = zone && presentation.ends_with('t');
    let presentation = if zulu {
        presentation.trim_end_matches('t')
    } else {
        presentation
    };
    let presentation = if presentation.is_empty() {
        default
    } else {
        presentation
    };
    if presentation.starts_with(['N', 'n'])
        && !matches!(component, 'M' | 'x' | 'F' | 'd' | 'P' | 'C' | 'E')
    {
        return Err(Error::new(
            "D3133",
            format!(
                "The 'name' modifier can only be applied to months and days in the date/time picture string, not \"{component}\""
            ),
        ));
    }
    Ok(Marker {
        component,
        presentation: presentation.to_owned(),
        zulu,
        least: least.parse().ok(),
        most: most.parse().ok(),
    })
}

/// Writes a time at an offset.
pub(super) fn write(at: Timestamp, offset: Offset, picture: &str) -> Result<String> {
    let civil = offset.to_datetime(at);
    let mut out = String::new();
    for piece in pieces(picture)? {
        match piece {
            Piece::Literal(text) => out.push_str(&text),
            Piece::Marker(marker) => out.push_str(&marker.write(civil, offset)?),
        }
    }
    Ok(out)
}

impl Marker {
    fn write(&self, at: DateTime, offset: Offset) -> Result<String> {
        let day = usize::try_from(at.weekday().to_monday_zero_offset()).unwrap_or(0);
        let month = usize::try_from(at.month() - 1).unwrap_or(0);
        let name = |names: &[&'static str], index: usize| {
            let name = names.get(index).copied().unwrap_or_default();
            let name = match self.most {
                Some(most) => name.get(..most.min(name.len())).unwrap_or(name),
                None => name,
            };
            match self.presentation.as_str() {
                p if p.starts_with("Nn") => name.to_owned(),
                p if p.starts_with('N') => name.to_uppercase(),
                _ => name.to_lowercase(),
            }
        };
        let is_name = self.presentation.starts_with(['N', 'n']);
        let iso = at.date().iso_week_date();
        let number = match self.component {
            'Y' => {
                let mut year = f64::from(at.year());
                let width = self
                    .most
                    .or_else(|| Some(self.presentation.len()).filter(|n| *n >= 2));
                if let Some(width) = width.filter(|n| *n < 4) {
                    year %= 10_f64.powi(i32::try_from(width).unwrap_or(4));
                }
                year
            }
            'M' | 'x' if is_name => return Ok(name(&MONTHS, month)),
            'M' | 'x' => f64::from(at.month()),
            'F' if is_name => return Ok(name(&DAYS, day)),
            'F' => day as f64 + 1.0,
            'd' => f64::from(at.day_of_year()),
            'D' => f64::from(at.day()),
            'X' => f64::from(iso.year()),
            'W' => f64::from(iso.week()),
            'w' => (f64::from(at.day()) / 7.0).ceil(),
            'H' => f64::from(at.hour()),
            'h' => f64::from((at.hour() + 11) % 12 + 1),
            'P' => {
                let text = if at.hour() < 12 { "am" } else { "pm" };
                return Ok(if self.presentation.starts_with('N') {
                    text.to_uppercase()
                } else {
                    text.to_owned()
                });
            }
            'm' => f64::from(at.minute()),
            's' => f64::from(at.second()),
            'f' => {
                let digits = self.presentation.len().clamp(1, 9);
                let text = format!("{:09}", at.subsec_nanosecond());
                return Ok(text
                    .get(..digits.max(if digits == 1 { 3 } else { digits }))
                    .unwrap_or_default()
                    .to_owned());
            }
            'Z' | 'z' => return self.write_zone(offset),
            'C' | 'E' => return Ok("ISO".to_owned()),
            _ => return Ok(String::new()),
        };
        let format = Format::parse(&self.ordinal_picture())?;
        Ok(format.at_least(self.least.unwrap_or(0)).write(number))
    }

    /// The number's own picture: `1o` is `1;o`.
    fn ordinal_picture(&self) -> String {
        match self.presentation.strip_suffix('o') {
            Some(plain) if !plain.is_empty() => format!("{plain};o"),
            _ => self.presentation.clone(),
        }
    }

    fn write_zone(&self, offset: Offset) -> Result<String> {
        let seconds = offset.seconds();
        if seconds == 0 && self.zulu {
            return Ok("Z".to_owned());
        }
        let sign = if seconds < 0 { '-' } else { '+' };
        let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
        let prefix = if self.component == 'z' { "GMT" } else { "" };
        let text = match self.presentation.split_once(':') {
            Some((h, _)) => format!("{sign}{hours:0width$}:{minutes:02}", width = h.len()),
            None => match self.presentation.len() {
                1 | 2 => {
                    let width = self.presentation.len();
                    let minutes = if minutes > 0 {
                        format!(":{minutes:02}")
                    } else {
                        String::new()
                    };
                    format!("{sign}{hours:0width$}{minutes}")
                }
                3 | 4 => format!(
                    "{sign}{hours:0width$}{minutes:02}",
                    width = self.presentation.len() - 2
                ),
                _ => {
                    return Err(Error::new(
                        "D3134",
                        "The timezone integer format specifier cannot have more than four digits",
                    ));
                }
            },
        };
        Ok(format!("{prefix}{text}"))
    }
}

/// What has been read of a time.
#[derive(Default)]
struct Found {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: Option<i64>,
    half_day_hour: Option<i64>,
    afternoon: bool,
    minute: Option<i64>,
    second: Option<i64>,
    millis: Option<i64>,
    offset: i64,
}

/// Reads a time; none if the text does not look like the picture.
pub(super) fn read(text: &str, picture: &str, now: Timestamp) -> Result<Option<i64>> {
    let mut found = Found::default();
    let mut rest = text;
    let pieces = pieces(picture)?;
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Literal(literal) => match rest.strip_prefix(literal.as_str()) {
                Some(after) => rest = after,
                None => return Ok(None),
            },
            Piece::Marker(marker) => {
                // Numbers side by side are cut by their widths.
                let tight = matches!(pieces.get(index + 1), Some(Piece::Marker(_)));
                match marker.read(rest, tight, &mut found)? {
                    Some(after) => rest = after,
                    None => return Ok(None),
                }
            }
        }
    }
    if !rest.is_empty() {
        return Ok(None);
    }
    found.millis(now)
}

impl Marker {
    fn read<'t>(&self, text: &'t str, tight: bool, found: &mut Found) -> Result<Option<&'t str>> {
        if matches!(self.component, 'Z' | 'z') {
            return Ok(read_zone(text, found));
        }
        if self.component == 'P' {
            let lower = text.to_ascii_lowercase();
            found.afternoon = lower.starts_with("pm");
            return Ok((lower.starts_with("am") || found.afternoon)
                .then(|| text.get(2..).unwrap_or_default()));
        }
        if self.presentation.starts_with(['N', 'n']) {
            let names: &[&str] = if self.component == 'M' {
                &MONTHS
            } else {
                &DAYS
            };
            let hit = names.iter().enumerate().find_map(|(index, name)| {
                let name = name.get(..self.most.unwrap_or(name.len()).min(name.len()))?;
                let head = text.get(..name.len())?;
                head.eq_ignore_ascii_case(name)
                    .then_some((index, name.len()))
            });
            return Ok(hit.map(|(index, length)| {
                if self.component == 'M' {
                    found.month = i64::try_from(index + 1).ok();
                }
                text.get(length..).unwrap_or_default()
            }));
        }
        let format = Format::parse(&self.ordinal_picture())?;
        let length = match format.least_digits() {
            Some(least) => {
                let digits = text
                    .bytes()
                    .take_while(|b| b.is_ascii_digit() || *b == b',')
                    .count();
                let width = self.most.or(self.least).or_else(|| tight.then_some(least));
                let ordinal = if self.presentation.ends_with('o') {
                    2
                } else {
                    0
                };
                width.map_or(digits, |width| digits.min(width)) + ordinal
            }
            None => text
                .bytes()
                .take_while(|b| b.is_ascii_alphabetic() || b" -,".contains(b))
                .count(),
        };
        let Some(value) = text
            .get(..length)
            .filter(|t| !t.is_empty())
            .and_then(|t| format.read(t.trim()))
        else {
            return Ok(None);
        };
        let value = value as i64;
        match self.component {
            'Y' => {
                found.year = Some(
                    if length <= 2
                        && self.presentation.len() <= 2
                        && value < 100
                        && format.least_digits() == Some(2)
                    {
                        2000 + value
                    } else {
                        value
                    },
                )
            }
            'M' => found.month = Some(value),
            'D' => found.day = Some(value),
            'd' => found.day_of_year = Some(value),
            'H' => found.hour = Some(value),
            'h' => found.half_day_hour = Some(value),
            'm' => found.minute = Some(value),
            's' => found.second = Some(value),
            'f' => {
                let digits = text.get(..length.min(3)).unwrap_or_default();
                found.millis = format!("{digits:0<3}").parse().ok();
            }
            'F' | 'C' | 'E' => {}
            _ => return Err(underspecified()),
        }
        Ok(text.get(length..))
    }
}

fn underspecified() -> Error {
    Error::new(
        "D3136",
        "The date/time picture string is missing specifiers required to parse the timestamp",
    )
}

fn read_zone<'t>(text: &'t str, found: &mut Found) -> Option<&'t str> {
    if let Some(rest) = text.strip_prefix('Z') {
        return Some(rest);
    }
    let text = text.strip_prefix("GMT").unwrap_or(text);
    let negative = text.starts_with('-');
    let rest = text.strip_prefix(['+', '-'])?;
    let length = rest
        .bytes()
        .take_while(|b| b.is_ascii_digit() || *b == b':')
        .count()
        .min(5);
    let digits: String = rest
        .get(..length)?
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let (hours, minutes) = match digits.len() {
        0 => return None,
        1 | 2 => (digits.parse::<i64>().ok()?, 0),
        n => (
            digits.get(..n - 2)?.parse().ok()?,
            digits.get(n - 2..)?.parse().ok()?,
        ),
    };
    let seconds = hours * 3600 + minutes * 60;
    found.offset = if negative { -seconds } else { seconds };
    rest.get(length..)
}

impl Found {
    /// Parts that are not there: those above the ones that are come from today, those below are the least.
    fn millis(&self, now: Timestamp) -> Result<Option<i64>> {
        let hour = match (self.hour, self.half_day_hour) {
            (Some(hour), _) => Some(hour),
            (None, Some(hour)) => Some(hour % 12 + if self.afternoon { 12 } else { 0 }),
            _ => None,
        };
        let today = Offset::UTC.to_datetime(now).date();
        let no_date = self.year.is_none()
            && self.month.is_none()
            && self.day.is_none()
            && self.day_of_year.is_none();
        let within = |value: i64| i16::try_from(value).ok();
        let date = if no_date {
            Some(today)
        } else {
            let year = within(self.year.unwrap_or_else(|| i64::from(today.year())));
            match self.day_of_year {
                Some(day) => year
                    .and_then(|y| Date::new(y, 1, 1).ok())
                    .zip(within(day - 1))
                    .and_then(|(first, days)| first.checked_add(jiff::Span::new().days(days)).ok()),
                None => {
                    if self.year.is_some() && self.month.is_none() && self.day.is_some() {
                        return Err(underspecified());
                    }
                    let small = |value: i64| i8::try_from(value).ok();
                    year.zip(small(self.month.unwrap_or(1)))
                        .zip(small(self.day.unwrap_or(1)))
                        .and_then(|((y, m), d)| Date::new(y, m, d).ok())
                }
            }
        };
        if hour.is_some() && self.minute.is_none() && self.second.is_some() {
            return Err(underspecified());
        }
        let small = |value: Option<i64>| i8::try_from(value.unwrap_or(0)).ok();
        let nanos = i32::try_from(self.millis.unwrap_or(0) * 1_000_000).ok();
        let time = small(hour)
            .zip(small(self.minute))
            .zip(small(self.second))
            .zip(nanos)
            .and_then(|(((h, m), s), n)| Time::new(h, m, s, n).ok());
        let at = date.zip(time).and_then(|(date, time)| {
            Offset::UTC
                .to_timestamp(DateTime::from_parts(date, time))
                .ok()
        });
        Ok(at.map(|at| at.as_millisecond() - self.offset * 1000))
    }
}
