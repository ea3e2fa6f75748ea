//! Timestamps as Step Functions reads them: ISO-8601 with `T` and an offset (`Z` or `+01:00`), nothing less.

use jiff::Timestamp;

/// Reads a timestamp; none if it is no "extended offset date-time".
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.get(10) != Some(&b'T') || text.contains('[') {
        return None;
    }
    let time = text.get(11..)?;
    let offset = time.ends_with('Z') || time.contains('+') || time.contains('-');
    if !offset || !time.contains(':') {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wants_the_t_and_the_offset() {
        for good in [
            "2012-10-09T19:00:55Z",
            "2012-10-09T19:00:55+01:00",
            "2016-03-05T21:29:29.243167252Z",
        ] {
            assert!(parse(good).is_some(), "{good}");
        }
        for bad in [
            "2012-10-09T19:00:55",
            "2016-12-05 21:29:29Z",
            "2016-13-05T21:29:29Z",
            "2023-02-24",
            "",
            "x",
            "ééééééééééé",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
        assert_eq!(
            parse("2012-10-09T19:00:55+01:00"),
            parse("2012-10-09T18:00:55Z")
        );
    }
}
