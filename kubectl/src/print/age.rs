//! How long ago something was, as kubectl writes it.

use jiff::Timestamp;

/// The time since `then` (RFC 3339) at `now`; `<unknown>` where it is no time.
#[must_use]
pub fn since(then: Option<&str>, now: Timestamp) -> String {
    match then.and_then(|then| then.parse::<Timestamp>().ok()) {
        Some(then) => human(now.as_second() - then.as_second()),
        None => "<unknown>".to_owned(),
    }
}

/// A number of seconds in at most two units.
#[must_use]
pub fn human(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    let two = |big: i64, unit: &str, small: i64, rest: &str| match small {
        0 => format!("{big}{unit}"),
        small => format!("{big}{unit}{small}{rest}"),
    };
    match seconds {
        ..=-2 => "<invalid>".to_owned(),
        -1..=0 => "0s".to_owned(),
        s if s < 2 * MINUTE => format!("{s}s"),
        s if s < 10 * MINUTE => two(s / MINUTE, "m", s % MINUTE, "s"),
        s if s < 3 * HOUR => format!("{}m", s / MINUTE),
        s if s < 8 * HOUR => two(s / HOUR, "h", s % HOUR / MINUTE, "m"),
        s if s < 2 * DAY => format!("{}h", s / HOUR),
        s if s < 8 * DAY => two(s / DAY, "d", s % DAY / HOUR, "h"),
        s if s < 2 * YEAR => format!("{}d", s / DAY),
        s if s < 8 * YEAR => two(s / YEAR, "y", s % YEAR / DAY, "d"),
        s => format!("{}y", s / YEAR),
    }
}

/// Milliseconds, for people: `12ms`, `1.25s`, `2m5s`.
#[must_use]
pub fn milliseconds(ms: u64) -> String {
    match ms {
        ..1000 => format!("{ms}ms"),
        1000..60_000 => {
            let text = format!("{}.{:02}", ms / 1000, ms % 1000 / 10);
            format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => human(i64::try_from(ms / 1000).unwrap_or(i64::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_kubectls() {
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (700, "11m"),
            (3 * 3600 + 60, "3h1m"),
            (9 * 3600, "9h"),
            (50 * 3600, "2d2h"),
            (10 * 86400, "10d"),
            (800 * 86400, "2y70d"),
        ] {
            assert_eq!(human(seconds), text);
        }
        let now = "2026-01-01T00:01:00Z".parse().unwrap();
        assert_eq!(since(Some("2026-01-01T00:00:00Z"), now), "60s");
        assert_eq!(since(Some("soon"), now), "<unknown>");
    }

    #[test]
    fn durations_stay_short() {
        for (ms, text) in [
            (7, "7ms"),
            (1000, "1s"),
            (1250, "1.25s"),
            (59_999, "59.99s"),
            (125_000, "2m5s"),
        ] {
            assert_eq!(milliseconds(ms), text);
        }
    }
}
