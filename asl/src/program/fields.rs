//! Reading an object field by field, collecting every problem on the way.

use serde_json::{Map, Value};

use super::language::Speaks;
use super::problem::{Code, Place, Problem};
use super::suggest::nearest;
use crate::data::path::Path;
use crate::data::payload_template::shape;
use crate::data::query::Query;

/// Fields that only states in JSONPath have, and those that only states in JSONata have.
const PATH_ONLY: [&str; 18] = [
    "InputPath",
    "OutputPath",
    "ResultPath",
    "Parameters",
    "ResultSelector",
    "Result",
    "ItemsPath",
    "MaxConcurrencyPath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "SecondsPath",
    "TimestampPath",
    "ErrorPath",
    "CausePath",
    "Variable",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentagePath",
    "MaxItemsPath",
];
const QUERY_ONLY: [&str; 4] = ["Arguments", "Output", "Items", "Condition"];

/// An object that is being read. What was not asked for when it is [finished](Fields::finish) is an unknown field.
pub(crate) struct Fields<'a> {
    what: String,
    map: &'a Map<String, Value>,
    pub(crate) place: Place,
    known: Vec<&'static str>,
    /// In which language its expressions are.
    pub(crate) speaks: Speaks,
    /// The path from the state to here, for JSONata's messages: `Catch[1]/`.
    pub(crate) within: String,
    pub(crate) problems: &'a mut Vec<Problem>,
}

impl<'a> Fields<'a> {
    /// Begins to read `value`, which a person calls `what`. None (and a problem) if it is no object.
    pub(crate) fn of(
        what: impl Into<String>,
        value: &'a Value,
        place: Place,
        problems: &'a mut Vec<Problem>,
    ) -> Option<Self> {
        let what = what.into();
        match value {
            Value::Object(map) => Some(Fields {
                what,
                map,
                place,
                known: Vec::new(),
                speaks: Speaks::default(),
                within: String::new(),
                problems,
            }),
            other => {
                let message = format!("{what} must be an object but is {}", shape(other));
                problems.push(place.problem(Code::SchemaValidationFailed, message));
                None
            }
        }
    }

    /// Reports a problem at a field.
    pub(crate) fn wrong(&mut self, name: &str, message: impl Into<String>) {
        let problem = self
            .place
            .key(name)
            .problem(Code::SchemaValidationFailed, message);
        self.problems.push(problem);
    }

    /// Reports a problem of another kind at a field.
    pub(crate) fn report(&mut self, code: Code, name: &str, message: impl Into<String>) {
        let problem = self.place.key(name).problem(code, message);
        self.problems.push(problem);
    }

    /// The same in that language, at a place of its state.
    pub(crate) fn speaking(mut self, speaks: Speaks, within: String) -> Self {
        (self.speaks, self.within) = (speaks, within);
        self
    }

    /// Where a field of it is, as JSONata's messages name it.
    pub(crate) fn location(&self, name: &str) -> String {
        format!("{}{name}", self.within)
    }

    /// A field as it is.
    pub(crate) fn get(&mut self, name: &'static str) -> Option<&'a Value> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        self.map.get(name)
    }

    /// Whether there is such a field.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// A field that must be there.
    pub(crate) fn required(&mut self, name: &'static str) -> Option<&'a Value> {
        let found = self.get(name);
        if found.is_none() {
            let message = format!("{} lacks the required field '{name}'", self.what);
            let problem = self.place.problem(Code::SchemaValidationFailed, message);
            self.problems.push(problem);
        }
        found
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Option<&'a str> {
        let value = self.get(name)?;
        self.typed(name, "a string", value, value.as_str())
    }

    pub(crate) fn required_text(&mut self, name: &'static str) -> Option<&'a str> {
        let value = self.required(name)?;
        self.typed(name, "a string", value, value.as_str())
    }

    pub(crate) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        let value = self.get(name)?;
        self.typed(name, "true or false", value, value.as_bool())
    }

    pub(crate) fn list(&mut self, name: &'static str) -> Option<&'a Vec<Value>> {
        let value = self.get(name)?;
        self.typed(name, "a list", value, value.as_array())
    }

    /// An integer of at least `least` and at most `most`.
    pub(crate) fn integer(&mut self, name: &'static str, least: u64, most: u64) -> Option<u64> {
        let value = self.get(name)?;
        let number = value
            .as_number()
            .and_then(crate::data::number::integer)
            .and_then(|n| u64::try_from(n).ok())
            .filter(|n| (least..=most).contains(n));
        if number.is_none() {
            self.wrong(
                name,
                format!("'{name}' must be an integer from {least} to {most} but is {value}"),
            );
        }
        number
    }

    /// A number of at least `least`.
    pub(crate) fn float(&mut self, name: &'static str, least: f64) -> Option<f64> {
        let value = self.get(name)?;
        let number = value.as_f64().filter(|n| *n >= least && n.is_finite());
        if number.is_none() {
            self.wrong(
                name,
                format!("'{name}' must be a number of {least} or more but is {value}"),
            );
        }
        number
    }

    /// An expression in JSONata; none if there is no text, or one without an expression.
    pub(crate) fn query(&mut self, name: &'static str) -> Option<Query> {
        if !self.speaks.jsonata() {
            return None;
        }
        let text = self.get(name)?.as_str()?;
        let (location, place) = (self.location(name), self.place.key(name));
        Query::parse(text, &location, &place, self.problems)
    }

    /// A path that only states in JSONPath have.
    pub(crate) fn path_only(&mut self, name: &'static str) -> Option<Path> {
        if self.speaks.jsonata() {
            None
        } else {
            self.path(name)
        }
    }

    /// A path.
    pub(crate) fn path(&mut self, name: &'static str) -> Option<Path> {
        let text = self.text(name)?;
        match Path::parse(text) {
            Ok(path) => Some(path),
            Err(error) => {
                self.report(Code::InvalidPath, name, error.to_string());
                None
            }
        }
    }

    fn typed<T>(&mut self, name: &str, wanted: &str, found: &Value, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.wrong(
                name,
                format!("'{name}' must be {wanted} but is {}", shape(found)),
            );
        }
        value
    }

    /// Reports the fields that nobody asked for.
    pub(crate) fn finish(self) {
        for name in self.map.keys() {
            if !self.known.contains(&name.as_str()) {
                let hint = if self.speaks.jsonata() && PATH_ONLY.contains(&name.as_str()) {
                    ": it belongs to JSONPath, and this is in JSONata".to_owned()
                } else if !self.speaks.jsonata() && QUERY_ONLY.contains(&name.as_str()) {
                    ": it belongs to JSONata (\"QueryLanguage\": \"JSONata\"), and this is in JSONPath".to_owned()
                } else {
                    nearest(name, self.known.iter().copied())
                };
                let message = format!("the field '{name}' is not supported in {}{hint}", self.what);
                let problem = self
                    .place
                    .key(name)
                    .problem(Code::SchemaValidationFailed, message);
                self.problems.push(problem);
            }
        }
    }
}
