//! `maxResults` and `nextToken`.

use std::ops::Range;

use serde::Deserialize;

use super::error::Error;

/// Most entries of one answer when nobody says.
const USUAL: usize = 100;
/// Most that can be asked for.
const LARGEST: usize = 1000;

/// The parameters of an action that only lists.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    max_results: Option<i64>,
    next_token: Option<String>,
}

impl List {
    /// The part that is wanted.
    pub(super) fn page(&self) -> Result<Page, Error> {
        Page::read(self.max_results, self.next_token.as_deref())
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    from: usize,
    count: usize,
}

impl Page {
    /// Reads the two parameters.
    pub(super) fn read(max_results: Option<i64>, next_token: Option<&str>) -> Result<Self, Error> {
        let count = match max_results {
            None | Some(0) => USUAL,
            Some(count) => usize::try_from(count)
                .ok()
                .filter(|count| *count <= LARGEST)
                .ok_or_else(|| {
                    Error::validation(format!("maxResults: found {count}, want 0 to {LARGEST}"))
                })?,
        };
        let from = match next_token {
            None => 0,
            Some(token) => token
                .strip_prefix("after-")
                .and_then(|rest| rest.parse().ok())
                .ok_or_else(|| Error::new("InvalidToken", format!("Invalid Token: '{token}'")))?,
        };
        Ok(Self { from, count })
    }

    /// The part of a list, and the token that leads to the rest.
    pub(super) fn of<T>(self, all: impl Iterator<Item = T>) -> (Vec<T>, Option<String>) {
        let mut part: Vec<T> = all.skip(self.from).take(self.count + 1).collect();
        let more = part.len() > self.count;
        part.truncate(self.count);
        (part, more.then(|| self.token()))
    }

    /// The places of the part in a list, and the token that leads to the rest where the list has any.
    pub(super) fn places(self) -> (Range<usize>, String) {
        (
            self.from..self.from.saturating_add(self.count),
            self.token(),
        )
    }

    fn token(self) -> String {
        format!("after-{}", self.from.saturating_add(self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_comes_whole_in_pages() {
        let (mut token, mut seen) = (None, Vec::new());
        loop {
            let page = Page::read(Some(3), token.as_deref()).unwrap();
            let (part, next) = page.of(0..7);
            seen.extend(part);
            token = next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
        assert!(Page::read(Some(1001), None).is_err());
        assert!(Page::read(Some(-1), None).is_err());
        assert_eq!(
            Page::read(None, Some("x")).unwrap_err().code,
            "InvalidToken"
        );
    }
}
