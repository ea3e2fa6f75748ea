//! Wait: until a time.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::Transition;
use super::io::{Has, InputOutput};
use crate::data::context::Scope;
use crate::data::path::Path;
use crate::data::query::Query;
use crate::data::{number, timestamp};
use crate::failure::Failure;
use crate::program::fields::Fields;
use crate::program::problem::Code;

/// How long.
#[derive(Debug, Clone, PartialEq)]
pub enum Until {
    /// `Seconds`
    Seconds(u64),
    /// `SecondsPath`
    SecondsPath(Path),
    /// `Timestamp`
    Timestamp(Timestamp),
    /// `TimestampPath`
    TimestampPath(Path),
    /// `Seconds` in JSONata
    SecondsQuery(Query),
    /// `Timestamp` in JSONata
    TimestampQuery(Query),
}

/// A Wait state.
#[derive(Debug, Clone, PartialEq)]
pub struct Wait {
    /// Its data fields.
    pub io: InputOutput,
    /// How long.
    pub until: Until,
    /// Where it leads.
    pub transition: Transition,
}

/// The longest wait: a bit more than three years.
const LONGEST: u64 = 99_999_999;

impl Wait {
    pub(super) fn parse(fields: &mut Fields<'_>) -> Option<Wait> {
        let io = InputOutput::parse(fields, Has::Paths);
        let transition = Transition::parse(fields);
        let names = ["Seconds", "SecondsPath", "Timestamp", "TimestampPath"];
        let given: Vec<&str> = names.into_iter().filter(|name| fields.has(name)).collect();
        if given.len() != 1 {
            let found = if given.is_empty() {
                "none".to_owned()
            } else {
                given.join(" and ")
            };
            let message = format!(
                "a Wait state has exactly one of Seconds, SecondsPath, Timestamp and TimestampPath; this one has {found}"
            );
            let problem = fields.place.problem(Code::SchemaValidationFailed, message);
            fields.problems.push(problem);
        }
        let seconds = fields.query("Seconds").map(Until::SecondsQuery);
        let seconds = seconds.or_else(|| fields.integer("Seconds", 0, LONGEST).map(Until::Seconds));
        let timestamp = fields.query("Timestamp").map(Until::TimestampQuery);
        let seconds_path = fields.path_only("SecondsPath").map(Until::SecondsPath);
        let fixed = if timestamp.is_some() {
            None
        } else {
            fields.text("Timestamp")
        };
        let fixed = fixed.and_then(|text| {
            let parsed = timestamp::parse(text);
            if parsed.is_none() {
                fields.wrong(
                    "Timestamp",
                    format!(
                        "'{text}' is no ISO-8601 time with offset, such as 2030-01-31T12:00:00Z"
                    ),
                );
            }
            parsed.map(Until::Timestamp)
        });
        let path = fields.path_only("TimestampPath").map(Until::TimestampPath);
        let until = seconds.or(seconds_path).or(timestamp).or(fixed).or(path)?;
        Some(Wait {
            io,
            until,
            transition,
        })
    }

    /// When it ends.
    pub(crate) fn end(
        &self,
        raw: &Value,
        now: Timestamp,
        scope: &Scope<'_>,
    ) -> Result<Timestamp, Failure> {
        let input = self.io.input_path.select(raw, scope)?;
        let find = |path: &Path, field: &str| {
            scope.find(path, &input).map(std::borrow::Cow::into_owned).map_err(|_| {
                Failure::runtime(format!(
                    "The JSONPath '{path}' specified for the field '{field}' could not be found in the input '{}'",
                    scope.shown(path, &input)
                ))
            })
        };
        let after = |seconds: u64| {
            now.checked_add(Duration::from_secs(seconds))
                .unwrap_or(Timestamp::MAX)
        };
        match &self.until {
            Until::Seconds(seconds) => Ok(after(*seconds)),
            Until::Timestamp(at) => Ok(*at),
            Until::SecondsPath(path) => {
                let value = find(path, "SecondsPath")?;
                let seconds = value
                    .as_number()
                    .and_then(number::integer)
                    .and_then(|n| u64::try_from(n).ok());
                seconds.filter(|n| *n <= LONGEST).map(after).ok_or_else(|| {
                    Failure::runtime(format!(
                        "The SecondsPath parameter does not reference a valid value (an integer from 0 to {LONGEST}): {path} == {value}"
                    ))
                })
            }
            Until::SecondsQuery(query) => {
                let seconds = query.typed(scope, "number", |value| value.as_number().cloned())?;
                let whole = number::integer(&seconds).and_then(|n| u64::try_from(n).ok());
                whole.filter(|n| *n <= LONGEST).map(after).ok_or_else(|| {
                    Failure::query(
                        &query.location,
                        format!("The Seconds field must be an integer from 0 to {LONGEST}, but was: {seconds}"),
                    )
                })
            }
            Until::TimestampQuery(query) => {
                let text =
                    query.typed(scope, "string", |value| value.as_str().map(str::to_owned))?;
                timestamp::parse(&text).ok_or_else(|| {
                    Failure::query(
                        &query.location,
                        format!(
                            "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: {text}"
                        ),
                    )
                })
            }
            Until::TimestampPath(path) => {
                let value = find(path, "TimestampPath")?;
                value.as_str().and_then(timestamp::parse).ok_or_else(|| {
                    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    Failure::runtime(format!(
                        "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: {path} == {shown}"
                    ))
                })
            }
        }
    }

    pub(crate) fn output(&self, raw: &Value, scope: &Scope<'_>) -> Result<Value, Failure> {
        if let Some(output) = &self.io.output {
            return output.evaluate(raw, scope);
        }
        let selected = self.io.input_path.select(raw, scope)?;
        Ok(self.io.output_path.select(&selected, scope)?.into_owned())
    }
}
