//! What every state does with data: `InputPath`, `Parameters`, `ResultSelector`, `ResultPath`, `OutputPath`, `Assign`.

use std::borrow::Cow;

use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::data::context::Scope;
use crate::data::path::Path;
use crate::data::payload_template::Template;
use crate::data::query;
use crate::data::reference_path::ReferencePath;
use crate::failure::Failure;
use crate::history::Payload;
use crate::program::fields::Fields;
use crate::program::language::QueryLanguage;
use crate::program::problem::{Code, Place};

/// `InputPath` or `OutputPath`.
#[derive(Debug, Clone, PartialEq)]
pub enum Selection {
    /// Not there, or `$`.
    All,
    /// `null`: `{}`.
    Nothing,
    /// A path.
    Path(Path),
}

/// `ResultPath`.
#[derive(Debug, Clone, PartialEq)]
pub enum ResultPath {
    /// Not there, or `$`: the result replaces the input.
    Replace,
    /// `null`: the result is dropped.
    Discard,
    /// Where in the input it goes.
    Place(ReferencePath),
}

/// The data fields of a state. Which of them a state has depends on its type.
#[derive(Debug, Clone, PartialEq)]
pub struct InputOutput {
    /// `InputPath`
    pub input_path: Selection,
    /// `Parameters`; JSONata's `Arguments`
    pub parameters: Option<Template>,
    /// `ResultSelector`
    pub result_selector: Option<Template>,
    /// `ResultPath`
    pub result_path: ResultPath,
    /// `OutputPath`
    pub output_path: Selection,
    /// `Assign`
    pub assign: Option<Template>,
    /// JSONata's `Output`
    pub output: Option<Template>,
    /// In which language the fields are.
    pub language: QueryLanguage,
}

/// Which data fields a state type has beside `InputPath` and `OutputPath`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Has {
    Paths,
    Result,
    ResultAndSelector,
    /// The same, with `Arguments` in JSONata.
    Arguments,
}

impl Selection {
    fn parse(fields: &mut Fields<'_>, name: &'static str) -> Selection {
        match fields.get(name) {
            None => Selection::All,
            Some(Value::Null) => Selection::Nothing,
            Some(_) => match fields.path(name) {
                Some(path) if path.text() == "$" => Selection::All,
                Some(path) => Selection::Path(path),
                None => Selection::All,
            },
        }
    }

    pub(crate) fn select<'v>(
        &self,
        value: &'v Value,
        scope: &'v Scope<'_>,
    ) -> Result<Cow<'v, Value>, Failure> {
        match self {
            Selection::All => Ok(Cow::Borrowed(value)),
            Selection::Nothing => Ok(Cow::Owned(json!({}))),
            Selection::Path(path) => scope
                .find(path, value)
                .map_err(|nothing| Failure::runtime(format!("Invalid path '{path}' : {nothing}"))),
        }
    }
}

impl ResultPath {
    pub(crate) fn parse(fields: &mut Fields<'_>) -> ResultPath {
        match fields.get("ResultPath") {
            None => ResultPath::Replace,
            Some(Value::Null) => ResultPath::Discard,
            Some(_) => match fields.text("ResultPath").map(ReferencePath::parse) {
                Some(Ok(path)) if path.text() == "$" => ResultPath::Replace,
                Some(Ok(path)) => ResultPath::Place(path),
                Some(Err(error)) => {
                    fields.report(Code::InvalidPath, "ResultPath", error.to_string());
                    ResultPath::Replace
                }
                None => ResultPath::Replace,
            },
        }
    }

    /// The state's output: its input with the result where it belongs.
    pub(crate) fn combine(&self, input: &Value, result: Value) -> Result<Value, Failure> {
        match self {
            ResultPath::Replace => Ok(result),
            ResultPath::Discard => Ok(input.clone()),
            ResultPath::Place(path) => path
                .place(input.clone(), result)
                .map_err(|error| Failure::new("States.ResultPathMatchFailure", error.to_string())),
        }
    }
}

/// Reads `Assign`.
pub(crate) fn assign(fields: &mut Fields<'_>) -> Option<Template> {
    let value = fields.get("Assign")?;
    let place = fields.place.key("Assign");
    let Value::Object(map) = value else {
        fields.wrong(
            "Assign",
            "'Assign' must be an object: a value for each variable",
        );
        return None;
    };
    for key in map.keys() {
        let name = key.strip_suffix(".$").unwrap_or(key);
        let good = name
            .chars()
            .next()
            .is_some_and(|c| c.is_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_alphanumeric() || c == '_')
            && name.chars().count() <= 80
            && name != "states";
        if !good {
            let message = format!(
                "'{name}' is no name for a variable: letters, digits and '_' only, a letter first, at most 80 characters, not 'states'"
            );
            fields.problems.push(
                place
                    .key(key)
                    .problem(Code::SchemaValidationFailed, message),
            );
        }
    }
    Some(read(value, "Assign", place, fields))
}

fn read(value: &Value, name: &str, place: Place, fields: &mut Fields<'_>) -> Template {
    if fields.speaks.jsonata() {
        return query::template(value, &fields.location(name), &place, fields.problems);
    }
    Template::parse(value, &place, fields.problems)
}

/// Evaluates an `Assign`.
pub(crate) fn assigned(
    assign: Option<&Template>,
    data: &Value,
    scope: &Scope<'_>,
) -> Result<IndexMap<String, Payload>, Failure> {
    match assign
        .map(|template| template.evaluate(data, scope))
        .transpose()?
    {
        Some(Value::Object(map)) => {
            Ok(map.into_iter().map(|(k, v)| (k, Payload::new(v))).collect())
        }
        _ => Ok(IndexMap::new()),
    }
}

/// Reads a payload template, which is an object at the top.
pub(crate) fn template(fields: &mut Fields<'_>, name: &'static str) -> Option<Template> {
    let value = fields.get(name)?;
    let place = fields.place.key(name);
    Some(read(value, name, place, fields))
}

impl InputOutput {
    pub(crate) fn parse(fields: &mut Fields<'_>, has: Has) -> InputOutput {
        if fields.speaks.jsonata() {
            return InputOutput::parse_query(fields, has);
        }
        let result = has != Has::Paths;
        let selector = matches!(has, Has::ResultAndSelector | Has::Arguments);
        InputOutput {
            input_path: Selection::parse(fields, "InputPath"),
            parameters: if result {
                template(fields, "Parameters")
            } else {
                None
            },
            result_selector: if selector {
                template(fields, "ResultSelector")
            } else {
                None
            },
            result_path: if result {
                ResultPath::parse(fields)
            } else {
                ResultPath::Replace
            },
            output_path: Selection::parse(fields, "OutputPath"),
            assign: assign(fields),
            output: None,
            language: QueryLanguage::JsonPath,
        }
    }

    fn parse_query(fields: &mut Fields<'_>, has: Has) -> InputOutput {
        InputOutput {
            input_path: Selection::All,
            parameters: if has == Has::Arguments {
                template(fields, "Arguments")
            } else {
                None
            },
            result_selector: None,
            result_path: ResultPath::Replace,
            output_path: Selection::All,
            assign: assign(fields),
            output: template(fields, "Output"),
            language: QueryLanguage::Jsonata,
        }
    }

    /// Whether the fields are in JSONata.
    pub(crate) fn is_query(&self) -> bool {
        self.language == QueryLanguage::Jsonata
    }

    /// What the state works on: `InputPath`, then `Parameters`.
    pub(crate) fn effective_input<'v>(
        &self,
        raw: &'v Value,
        scope: &'v Scope<'_>,
    ) -> Result<Cow<'v, Value>, Failure> {
        let selected = self.input_path.select(raw, scope)?;
        match &self.parameters {
            None => Ok(selected),
            Some(template) => template.evaluate(&selected, scope).map(Cow::Owned),
        }
    }

    /// What leaves the state: `ResultSelector`, `ResultPath` into the raw input, `OutputPath`; and the variables it sets.
    pub(crate) fn finish(
        &self,
        raw: &Value,
        result: Value,
        scope: &Scope<'_>,
    ) -> Result<(Value, IndexMap<String, Payload>), Failure> {
        if self.is_query() {
            let assigned = assigned(self.assign.as_ref(), &result, scope)?;
            let output = match &self.output {
                Some(output) => output.evaluate(&result, scope)?,
                None => result,
            };
            return Ok((output, assigned));
        }
        let result = match &self.result_selector {
            None => result,
            Some(template) => template.evaluate(&result, scope)?,
        };
        let assigned = assigned(self.assign.as_ref(), &result, scope)?;
        let combined = self.result_path.combine(raw, result)?;
        let output = match self.output_path.select(&combined, scope)? {
            Cow::Borrowed(_) if self.output_path == Selection::All => None,
            other => Some(other.into_owned()),
        };
        Ok((output.unwrap_or(combined), assigned))
    }
}
