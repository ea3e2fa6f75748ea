//! `Retry` and `Catch`.

use std::time::Duration;

use serde_json::Value;

use crate::data::payload_template::Template;
use crate::entropy::Entropy;
use crate::failure::{Failure, names};
use crate::program::fields::Fields;
use crate::states::io::{ResultPath, assign, template};

/// One entry of `Retry`.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrier {
    /// The errors it is for.
    pub error_equals: Vec<String>,
    /// The first pause, in seconds.
    pub interval: u64,
    /// How often it tries again; 0 is never.
    pub max_attempts: u64,
    /// By what each pause is longer than the one before.
    pub backoff_rate: f64,
    /// No pause is longer than this, in seconds.
    pub max_delay: Option<u64>,
    /// `JitterStrategy: FULL`: a random part of the pause.
    pub jitter: bool,
}

/// One entry of `Catch`.
#[derive(Debug, Clone, PartialEq)]
pub struct Catcher {
    /// The errors it is for.
    pub error_equals: Vec<String>,
    /// Where it leads.
    pub next: String,
    /// Where the error output goes.
    pub result_path: ResultPath,
    /// JSONata's `Output`.
    pub output: Option<Template>,
    /// Variables to set.
    pub assign: Option<Template>,
}

impl Retrier {
    /// The pause before the next attempt, after `attempts` of this retrier.
    pub fn delay(&self, attempts: u32, entropy: &Entropy) -> Duration {
        let exponent = i32::try_from(attempts).unwrap_or(i32::MAX);
        let longest = self.max_delay.unwrap_or(31_622_400) as f64;
        let seconds = (self.interval as f64 * self.backoff_rate.powi(exponent)).min(longest);
        let seconds = if self.jitter {
            seconds * entropy.unit()
        } else {
            seconds
        };
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}

/// The retrier that takes a failure, and whether it has attempts left. `attempts` counts for each retrier.
pub(crate) fn retrier<'a>(
    retriers: &'a [Retrier],
    failure: &Failure,
    attempts: &[u32],
) -> Option<(usize, &'a Retrier)> {
    let (index, retrier) = retriers
        .iter()
        .enumerate()
        .find(|(_, r)| failure.matches(&r.error_equals))?;
    let used = attempts.get(index).copied().unwrap_or(0);
    (u64::from(used) < retrier.max_attempts).then_some((index, retrier))
}

/// The catcher that takes a failure, and which it is.
pub(crate) fn catcher<'a>(
    catchers: &'a [Catcher],
    failure: &Failure,
) -> Option<(usize, &'a Catcher)> {
    let mut all = catchers.iter().enumerate();
    all.find(|(_, c)| failure.matches(&c.error_equals))
}

/// Reads `Retry`.
pub(crate) fn retriers(fields: &mut Fields<'_>) -> Vec<Retrier> {
    let Some(list) = fields.list("Retry") else {
        return Vec::new();
    };
    let place = fields.place.key("Retry");
    let mut found = Vec::with_capacity(list.len());
    for (index, item) in list.iter().enumerate() {
        let Some(mut entry) = Fields::of("a retrier", item, place.index(index), fields.problems)
        else {
            continue;
        };
        entry.text("Comment");
        let error_equals = error_equals(&mut entry, index + 1 == list.len());
        let retrier = Retrier {
            error_equals,
            interval: entry.integer("IntervalSeconds", 1, 99_999_999).unwrap_or(1),
            max_attempts: entry.integer("MaxAttempts", 0, 99_999_999).unwrap_or(3),
            backoff_rate: entry.float("BackoffRate", 1.0).unwrap_or(2.0),
            max_delay: entry.integer("MaxDelaySeconds", 1, 31_622_400),
            jitter: match entry.text("JitterStrategy") {
                Some("FULL") => true,
                None | Some("NONE") => false,
                Some(other) => {
                    entry.wrong(
                        "JitterStrategy",
                        format!("'JitterStrategy' must be 'FULL' or 'NONE' but is '{other}'"),
                    );
                    false
                }
            },
        };
        if retrier
            .max_delay
            .is_some_and(|longest| longest <= retrier.interval)
        {
            entry.wrong(
                "MaxDelaySeconds",
                "'MaxDelaySeconds' must be greater than 'IntervalSeconds'",
            );
        }
        entry.finish();
        found.push(retrier);
    }
    found
}

/// Reads `Catch`.
pub(crate) fn catchers(fields: &mut Fields<'_>) -> Vec<Catcher> {
    let Some(list) = fields.list("Catch") else {
        return Vec::new();
    };
    let place = fields.place.key("Catch");
    let mut found = Vec::with_capacity(list.len());
    for (index, item) in list.iter().enumerate() {
        let Some(entry) = Fields::of("a catcher", item, place.index(index), fields.problems) else {
            continue;
        };
        let mut entry = entry.speaking(fields.speaks, format!("Catch[{index}]/"));
        entry.text("Comment");
        let error_equals = error_equals(&mut entry, index + 1 == list.len());
        let next = entry.required_text("Next").unwrap_or_default().to_owned();
        let (result_path, output) = if entry.speaks.jsonata() {
            (ResultPath::Replace, template(&mut entry, "Output"))
        } else {
            (ResultPath::parse(&mut entry), None)
        };
        let assign = assign(&mut entry);
        entry.finish();
        found.push(Catcher {
            error_equals,
            next,
            result_path,
            output,
            assign,
        });
    }
    found
}

fn error_equals(entry: &mut Fields<'_>, last: bool) -> Vec<String> {
    if entry.required("ErrorEquals").is_none() {
        return Vec::new();
    }
    let Some(list) = entry.list("ErrorEquals") else {
        return Vec::new();
    };
    let found: Vec<String> = list
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    if found.len() != list.len() || list.is_empty() {
        entry.wrong(
            "ErrorEquals",
            "'ErrorEquals' must be a list of one or more error names",
        );
    }
    if found.iter().any(|e| e == names::ALL) && (found.len() > 1 || !last) {
        entry.wrong(
            "ErrorEquals",
            "'States.ALL' must stand alone, and in the last entry",
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retrier_with(interval: u64, rate: f64, max_delay: Option<u64>, jitter: bool) -> Retrier {
        Retrier {
            error_equals: vec!["E".into()],
            interval,
            max_attempts: 3,
            backoff_rate: rate,
            max_delay,
            jitter,
        }
    }

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let entropy = Entropy::of_number(3);
        let seconds = |r: &Retrier| {
            (0..4)
                .map(|n| r.delay(n, &entropy).as_secs_f64())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            seconds(&retrier_with(2, 2.0, None, false)),
            [2.0, 4.0, 8.0, 16.0]
        );
        assert_eq!(
            seconds(&retrier_with(2, 2.0, Some(5), false)),
            [2.0, 4.0, 5.0, 5.0]
        );
        for n in 0..50 {
            let pause = retrier_with(2, 2.0, None, true).delay(n, &entropy);
            assert!(pause < Duration::from_secs(31_622_401));
        }
    }

    #[test]
    fn each_retrier_counts_alone() {
        let retriers = [retrier_with(1, 1.0, None, false)];
        let failure = Failure::new("E", "");
        assert!(retrier(&retriers, &failure, &[2]).is_some());
        assert!(retrier(&retriers, &failure, &[3]).is_none());
        assert!(retrier(&retriers, &Failure::new("F", ""), &[]).is_none());
    }
}
