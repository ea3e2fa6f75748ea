//! Map: the same machine for each item of a list.
//!
//! - [`distributed`]: what a distributed Map has beside: reader, batcher, writer, tolerated failures
//! - [`amount`]: numbers that are fixed, found or computed

pub mod amount;
pub mod distributed;

use std::borrow::Cow;

use serde_json::{Value, json};

use super::Transition;
use super::io::{Has, InputOutput, template};
use crate::data::context::Scope;
use crate::data::path::Path;
use crate::data::payload_template::Template;
use crate::failure::{Failure, names};
use crate::program::Machine;
use crate::program::fields::Fields;
use crate::program::parse;
use crate::retry::{self, Catcher, Retrier};
use amount::Amount;
use distributed::{Distributed, ExecutionType};

/// Where the items come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Items {
    /// The state's (effective) input.
    Input,
    /// `ItemsPath`
    Path(Path),
    /// JSONata's `Items`: a list or object, literal or computed.
    Query(Template),
}

/// A Map state.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// Its data fields. (`Parameters` is the old name of `ItemSelector`.)
    pub io: InputOutput,
    /// What it maps over.
    pub items: Items,
    /// `ItemSelector`, evaluated for each item.
    pub item_selector: Option<Template>,
    /// `MaxConcurrency` and the like: how many at once; 0 is all.
    pub concurrency: Option<Amount>,
    /// The machine for each item.
    pub processor: Machine,
    /// What it has if it is distributed.
    pub distributed: Option<Box<Distributed>>,
    /// `Retry`
    pub retry: Vec<Retrier>,
    /// `Catch`
    pub catch: Vec<Catcher>,
    /// Where it leads.
    pub transition: Transition,
}

impl Map {
    pub(super) fn parse(fields: &mut Fields<'_>) -> Option<Map> {
        let is_query = fields.speaks.jsonata();
        let mut io = InputOutput::parse(fields, Has::ResultAndSelector);
        let transition = Transition::parse(fields);
        let retry = retry::retriers(fields);
        let catch = retry::catchers(fields);
        let items = if is_query {
            template(fields, "Items").map_or(Items::Input, Items::Query)
        } else {
            fields.path("ItemsPath").map_or(Items::Input, Items::Path)
        };
        let item_selector = template(fields, "ItemSelector");
        if item_selector.is_some() && io.parameters.is_some() {
            fields.wrong(
                "Parameters",
                "'Parameters' is the old name of 'ItemSelector': one of the two is too many",
            );
        }
        let item_selector = item_selector.or_else(|| io.parameters.take());
        let concurrency = Amount::parse(
            fields,
            "MaxConcurrency",
            "MaxConcurrencyPath",
            f64::from(u32::MAX),
        );
        let (processor, execution) = processor(fields)?;
        let distributed = match execution {
            Some(execution) => Some(Box::new(Distributed::parse(fields, execution))),
            None => {
                distributed::refuse(fields);
                None
            }
        };
        Some(Map {
            io,
            items,
            item_selector,
            concurrency,
            processor,
            distributed,
            retry,
            catch,
            transition,
        })
    }

    /// The list that is mapped over: borrowed, if it is a part of the input.
    pub(crate) fn items<'v>(
        &self,
        input: &'v Value,
        scope: &'v Scope<'_>,
    ) -> Result<Cow<'v, Value>, Failure> {
        let items = match &self.items {
            Items::Input => Cow::Borrowed(input),
            Items::Path(path) => scope.find(path, input).map_err(|nothing| {
                Failure::runtime(format!("Invalid path '{path}' : {nothing}"))
            })?,
            Items::Query(template) => Cow::Owned(template.evaluate(input, scope)?),
        };
        if items.is_array() {
            return Ok(items);
        }
        match (&self.items, &*items) {
            // The fields of an object are items, too.
            (Items::Query(_), Value::Object(fields)) => {
                let pairs = fields
                    .iter()
                    .map(|(key, value)| json!({"Key": key, "Value": value}));
                Ok(Cow::Owned(pairs.collect()))
            }
            (Items::Query(Template::Query(query)), _) => {
                // Said in the words of a wrong type.
                query.typed(scope, "array", |_| None::<()>).map(|()| items)
            }
            (Items::Path(path), _) => Err(Failure::runtime(format!(
                "Reference path \"{path}\" must point to array."
            ))),
            (_, found) if self.io.is_query() => Err(Failure::new(
                names::QUERY_EVALUATION,
                format!("Map state input must be an array but was: {found}"),
            )),
            _ => Err(Failure::runtime(
                "Reference path \"$\" must point to array.",
            )),
        }
    }

    /// How many iterations may run at once; 0 is all.
    pub(crate) fn at_once(&self, input: &Value, scope: &Scope<'_>) -> Result<u32, Failure> {
        match &self.concurrency {
            None => Ok(0),
            Some(amount) => {
                let count = amount.integer("MaxConcurrency", input, scope)?;
                Ok(u32::try_from(count).unwrap_or(u32::MAX))
            }
        }
    }
}

/// The machine for each item, and how its executions run if the Map is distributed.
fn processor(fields: &mut Fields<'_>) -> Option<(Machine, Option<ExecutionType>)> {
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
    let (place, speaks) = (fields.place.key(name), fields.speaks);
    let mut inner = Fields::of("a Map's processor", value, place.clone(), fields.problems)?;
    inner.speaks = speaks;
    inner.text("Comment");
    let mut execution = None;
    if let Some(config) = inner.get("ProcessorConfig")
        && let Some(mut config) = Fields::of(
            "a processor's configuration",
            config,
            place.key("ProcessorConfig"),
            inner.problems,
        )
    {
        let kind = config.text("ExecutionType");
        match config.text("Mode") {
            None | Some("INLINE") => {}
            Some("DISTRIBUTED") => execution = Some(ExecutionType::parse(kind, &mut config)),
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
    machine.map(|machine| (machine, execution))
}
