use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Seconds as kubectl writes ages: `45s`, `3m10s`, `5h`, `12d`.
pub(crate) fn human(seconds: i64) -> String {
    let two = |large: i64, unit: &str, rest: i64, small: &str| {
        if rest == 0 {
            format!("{large}{unit}")
        } else {
            format!("{large}{unit}{rest}{small}")
        }
    };
    match seconds {
        ..0 => "0s".to_owned(),
        s if s < 2 * MINUTE => format!("{s}s"),
        s if s < 10 * MINUTE => two(s / MINUTE, "m", s % MINUTE, "s"),
        s if s < 3 * HOUR => format!("{}m", s / MINUTE),
        s if s < 8 * HOUR => two(s / HOUR, "h", s % HOUR / MINUTE, "m"),
        s if s < 2 * DAY => format!("{}h", s / HOUR),
        s if s < 8 * DAY => two(s / DAY, "d", s % DAY / HOUR, "h"),
        s if s < 2 * 365 * DAY => format!("{}d", s / DAY),
        s if s < 8 * 365 * DAY => two(s / (365 * DAY), "y", s % (365 * DAY) / DAY, "d"),
        s => format!("{}y", s / (365 * DAY)),
    }
}

/// Time since a timestamp.
pub(crate) fn age(since: Option<&str>, now: Timestamp) -> String {
    match since.and_then(|text| text.parse::<Timestamp>().ok()) {
        Some(since) => human(now.as_second() - since.as_second()),
        None => "<unknown>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_written_as_kubectl_does() {
        for (seconds, want) in [
            (-5, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (190, "3m10s"),
            (3599, "59m"),
            (3 * HOUR + 60, "3h1m"),
            (9 * HOUR, "9h"),
            (3 * DAY + HOUR, "3d1h"),
            (30 * DAY, "30d"),
            (800 * DAY, "2y70d"),
        ] {
            assert_eq!(human(seconds), want);
        }
    }
}
