//! Map: the same machine for each item of a list.

use std::borrow::Cow;

use serde_json::Value;

use super::Transition;
use super::io::{Has, InputOutput, template};
use crate::data::context::Scope;
use crate::data::number;
use crate::data::path::Path;
use crate::data::payload_template::Template;
use crate::failure::Failure;
use crate::program::Machine;
use crate::program::fields::Fields;
use crate::program::parse;
use crate::program::problem::Code;
use crate::retry::{self, Catcher, Retrier};

/// How many iterations run at once.
#[derive(Debug, Clone, PartialEq)]
pub enum Concurrency {
    /// `MaxConcurrency`; 0 is all.
    Fixed(u64),
    /// `MaxConcurrencyPath`
    Path(Path),
}

/// A Map state (inline).
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// Its data fields. (`Parameters` is the old name of `ItemSelector`.)
    pub io: InputOutput,
    /// `ItemsPath`; none is the whole input.
    pub items_path: Option<Path>,
    /// `ItemSelector`, evaluated for each item.
    pub item_selector: Option<Template>,
    /// How many at once.
    pub concurrency: Concurrency,
    /// The machine for each item.
    pub processor: Machine,
    /// `Retry`
    pub retry: Vec<Retrier>,
    /// `Catch`
    pub catch: Vec<Catcher>,
    /// Where it leads.
    pub transition: Transition,
}

/// Fields that only a distributed Map has.
const DISTRIBUTED: [&str; 8] = [
    "ItemReader",
    "ItemBatcher",
    "ResultWriter",
    "Label",
    "ToleratedFailureCount",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentage",
    "ToleratedFailurePercentagePath",
];

impl Map {
    pub(super) fn parse(fields: &mut Fields<'_>) -> Option<Map> {
        let mut io = InputOutput::parse(fields, Has::ResultAndSelector);
        let transition = Transition::parse(fields);
        let retry = retry::retriers(fields);
        let catch = retry::catchers(fields);
        for name in DISTRIBUTED {
            if fields.get(name).is_some() {
                fields.report(
                    Code::NotSupported,
                    name,
                    format!("not supported yet: '{name}' (distributed Map)"),
                );
            }
        }
        let items_path = fields.path("ItemsPath");
        let item_selector = template(fields, "ItemSelector");
        if item_selector.is_some() && io.parameters.is_some() {
            fields.wrong(
                "Parameters",
                "'Parameters' is the old name of 'ItemSelector': one of the two is too many",
            );
        }
        let item_selector = item_selector.or_else(|| io.parameters.take());
        let fixed = fields
            .integer("MaxConcurrency", 0, u64::from(u32::MAX))
            .map(Concurrency::Fixed);
        let path = fields.path("MaxConcurrencyPath").map(Concurrency::Path);
        if fixed.is_some() && path.is_some() {
            fields.wrong(
                "MaxConcurrencyPath",
                "'MaxConcurrency' is there too: one of the two is too many",
            );
        }
        let concurrency = fixed.or(path).unwrap_or(Concurrency::Fixed(0));
        let processor = processor(fields)?;
        Some(Map {
            io,
            items_path,
            item_selector,
            concurrency,
            processor,
            retry,
            catch,
            transition,
        })
    }

    /// The list that is mapped over.
    pub(crate) fn items<'v>(
        &self,
        input: &'v Value,
        scope: &'v Scope<'_>,
    ) -> Result<Cow<'v, Value>, Failure> {
        let items = match &self.items_path {
            None => Cow::Borrowed(input),
            Some(path) => scope.find(path, input).map_err(|nothing| {
                Failure::runtime(format!("Invalid path '{path}' : {nothing}"))
            })?,
        };
        if items.is_array() {
            return Ok(items);
        }
        Err(Failure::runtime(match &self.items_path {
            Some(path) => format!("Reference path \"{path}\" must point to array."),
            None => "Reference path \"$\" must point to array.".to_owned(),
        }))
    }

    /// How many iterations may run at once; 0 is all.
    pub(crate) fn at_once(&self, input: &Value, scope: &Scope<'_>) -> Result<u32, Failure> {
        let path = match &self.concurrency {
            Concurrency::Fixed(count) => return Ok(u32::try_from(*count).unwrap_or(0)),
            Concurrency::Path(path) => path,
        };
        let value = scope
            .find(path, input)
            .map_err(|nothing| Failure::runtime(format!("Invalid path '{path}' : {nothing}")))?;
        let count = value
            .as_number()
            .and_then(number::integer)
            .and_then(|n| u32::try_from(n).ok());
        count.ok_or_else(|| {
            Failure::runtime(format!(
                "The MaxConcurrencyPath field refers to value \"{value}\" which is not a valid integer: {path}"
            ))
        })
    }
}

fn processor(fields: &mut Fields<'_>) -> Option<Machine> {
    let (new, old) = (fields.get("ItemProcessor"), fields.get("Iterator"));
    let (name, value) = match (new, old) {
        (Some(value), None) => ("ItemProcessor", value),
        (None, Some(value)) => ("Iterator", value),
        (Some(_), Some(_)) => {
            fields.wrong(
                "Iterator",
                "'Iterator' is the old name of 'ItemProcessor': one of the two is too many",
            );
            return None;
        }
        (None, None) => {
            fields.required("ItemProcessor");
            return None;
        }
    };
    let place = fields.place.key(name);
    let mut inner = Fields::of("a Map's processor", value, place.clone(), fields.problems)?;
    inner.text("Comment");
    if let Some(config) = inner.get("ProcessorConfig")
        && let Some(mut config) = Fields::of(
            "a processor's configuration",
            config,
            place.key("ProcessorConfig"),
            inner.problems,
        )
    {
        config.get("ExecutionType");
        match config.text("Mode") {
            None | Some("INLINE") => {}
            Some("DISTRIBUTED") => {
                config.report(
                    Code::NotSupported,
                    "Mode",
                    "not supported yet: a distributed Map (INLINE is)",
                );
            }
            Some(other) => {
                config.wrong(
                    "Mode",
                    format!("'Mode' must be 'INLINE' or 'DISTRIBUTED' but is '{other}'"),
                );
            }
        }
        config.finish();
    }
    let machine = parse::machine(&mut inner);
    inner.finish();
    machine
}
