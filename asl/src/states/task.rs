//! Task: calls something.

use std::time::Duration;

use serde_json::Value;

use super::Transition;
use super::io::{Has, InputOutput};
use crate::data::context::Scope;
use crate::data::number;
use crate::data::path::Path;
use crate::data::query::Query;
use crate::failure::Failure;
use crate::program::fields::Fields;
use crate::program::parse::LONGEST_TIMEOUT;
use crate::program::problem::Code;
use crate::resource::Resource;
use crate::retry::{self, Catcher, Retrier};

/// A number of seconds, fixed or found in the data.
#[derive(Debug, Clone, PartialEq)]
pub enum Seconds {
    /// `TimeoutSeconds`, `HeartbeatSeconds`
    Fixed(u64),
    /// `TimeoutSecondsPath`, `HeartbeatSecondsPath`
    Path(Path),
    /// The same fields in JSONata
    Query(Query),
}

/// A Task state.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its data fields.
    pub io: InputOutput,
    /// What it calls.
    pub resource: Resource,
    /// How long it may take.
    pub timeout: Option<Seconds>,
    /// How often it must say that it is alive.
    pub heartbeat: Option<Seconds>,
    /// `Retry`
    pub retry: Vec<Retrier>,
    /// `Catch`
    pub catch: Vec<Catcher>,
    /// Where it leads.
    pub transition: Transition,
}

impl Task {
    pub(super) fn parse(fields: &mut Fields<'_>) -> Option<Task> {
        let io = InputOutput::parse(fields, Has::Arguments);
        let transition = Transition::parse(fields);
        // Roles mean nothing here; the field is accepted.
        fields.get("Credentials");
        let timeout = seconds(fields, "TimeoutSeconds", "TimeoutSecondsPath");
        let heartbeat = seconds(fields, "HeartbeatSeconds", "HeartbeatSecondsPath");
        if let (Some(Seconds::Fixed(timeout)), Some(Seconds::Fixed(heartbeat))) =
            (&timeout, &heartbeat)
            && heartbeat >= timeout
        {
            let message = format!(
                "'HeartbeatSeconds' ({heartbeat}) must be less than 'TimeoutSeconds' ({timeout})"
            );
            fields.wrong("HeartbeatSeconds", message);
        }
        let retry = retry::retriers(fields);
        let catch = retry::catchers(fields);
        let resource = match fields.required_text("Resource")?.parse::<Resource>() {
            Ok(resource) => resource,
            Err(error) => {
                fields.wrong("Resource", error.to_string());
                return None;
            }
        };
        Some(Task {
            io,
            resource,
            timeout,
            heartbeat,
            retry,
            catch,
            transition,
        })
    }
}

fn seconds(fields: &mut Fields<'_>, fixed: &'static str, path: &'static str) -> Option<Seconds> {
    if let Some(query) = fields.query(fixed) {
        return Some(Seconds::Query(query));
    }
    let seconds = fields
        .integer(fixed, 1, LONGEST_TIMEOUT)
        .map(Seconds::Fixed);
    let found = fields.path_only(path).map(Seconds::Path);
    if seconds.is_some() && found.is_some() {
        fields.report(
            Code::SchemaValidationFailed,
            path,
            format!("'{fixed}' is there too: one of the two is too many"),
        );
    }
    seconds.or(found)
}

impl Seconds {
    pub(crate) fn evaluate(
        &self,
        field: &str,
        raw: &Value,
        scope: &Scope<'_>,
    ) -> Result<Duration, Failure> {
        let path = match self {
            Seconds::Fixed(seconds) => return Ok(Duration::from_secs(*seconds)),
            Seconds::Path(path) => path,
            Seconds::Query(query) => {
                let seconds = query.typed(scope, "number", |value| value.as_number().cloned())?;
                let whole = number::integer(&seconds).and_then(|n| u64::try_from(n).ok());
                let whole = whole.filter(|n| (1..=LONGEST_TIMEOUT).contains(n));
                return whole.map(Duration::from_secs).ok_or_else(|| {
                    let message =
                        format!("The {field} field must be a positive integer, but was: {seconds}");
                    Failure::query(&query.location, message)
                });
            }
        };
        let value = scope
            .find(path, raw)
            .map_err(|nothing| Failure::runtime(format!("Invalid path '{path}' : {nothing}")))?;
        let seconds = value
            .as_number()
            .and_then(number::integer)
            .and_then(|n| u64::try_from(n).ok());
        seconds.filter(|n| (1..=LONGEST_TIMEOUT).contains(n)).map(Duration::from_secs).ok_or_else(|| {
            Failure::runtime(format!(
                "The {field}Path parameter does not reference a positive integer: {path} == {value}"
            ))
        })
    }
}
