use std::sync::atomic::{AtomicU32, Ordering};

use common::pod_protocol as pod;
use http::HeaderMap;

/// A call that ran no longer is short, in milliseconds. Handing the interpreter from one thread to another costs about
/// half of that; a call that waits for something outside seldom takes less.
const SHORT_MS: f64 = 0.1;
/// So many short calls in a row, and the next one is expected to be short, too.
const STREAK: u32 = 16;

/// Whether a pod's calls are short.
#[derive(Debug, Default)]
pub struct Pace {
    short_in_a_row: AtomicU32,
}

impl Pace {
    /// An answer with these headers came. Only func-base says how long a call ran.
    pub fn note(&self, headers: &HeaderMap) {
        let said = headers.get(pod::RUN_MS).and_then(|took| took.to_str().ok());
        let took = said.and_then(|took| took.parse().ok());
        if took.is_none_or(|took: f64| took > SHORT_MS) {
            self.interrupt();
        } else if !self.is_short() {
            self.short_in_a_row.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A call was not short.
    pub(crate) fn interrupt(&self) {
        self.short_in_a_row.store(0, Ordering::Relaxed);
    }

    /// Whether the next call is expected to be short.
    pub(crate) fn is_short(&self) -> bool {
        self.short_in_a_row.load(Ordering::Relaxed) >= STREAK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(took: &[&str]) -> Pace {
        let pace = Pace::default();
        for took in took {
            let mut headers = HeaderMap::new();
            headers.insert(pod::RUN_MS, took.parse().unwrap());
            pace.note(&headers);
        }
        pace
    }

    #[test]
    fn a_row_of_short_calls_is_needed_and_one_that_is_not_ends_it() {
        let short = ["0.004"; STREAK as usize];
        assert!(!after(&short[1..]).is_short());
        assert!(after(&short).is_short());
        for other in ["0.2", "12000", "?"] {
            let mut calls = short.to_vec();
            calls.push(other);
            assert!(!after(&calls).is_short(), "{other}");
        }
    }

    #[test]
    fn a_server_that_does_not_say_how_long_calls_ran_has_none() {
        let pace = after(&["0.004"; STREAK as usize]);
        pace.note(&HeaderMap::new());
        assert!(!pace.is_short());
    }
}
