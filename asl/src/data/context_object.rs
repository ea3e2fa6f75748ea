//! The context object: `$$` and `$states.context`.

use jiff::Timestamp;
use serde_json::Value;

use crate::jsonata::Item;

/// The parts of the context object. Those that are not there are left out of it.
#[derive(Debug, Clone, Default)]
pub struct ContextObject<'a> {
    /// `Execution`
    pub execution: Option<ExecutionPart<'a>>,
    /// `StateMachine`: id and name.
    pub machine: Option<(&'a str, &'a str)>,
    /// `State`
    pub state: Option<StatePart<'a>>,
    /// `Task.Token`
    pub token: Option<&'a str>,
    /// `Map.Item`
    pub item: Option<ItemPart<'a>>,
    /// Parts that somebody gave as they are, in place of all others (TestState).
    pub given: Option<&'a Value>,
}

/// `$$.Execution`
#[derive(Debug, Clone)]
pub struct ExecutionPart<'a> {
    /// An ARN, or any unique id.
    pub id: &'a str,
    /// What the execution was started with.
    pub input: &'a Value,
    /// Its name.
    pub name: &'a str,
    /// Its role.
    pub role: &'a str,
    /// When it was started.
    pub start_time: Timestamp,
    /// How often it was redriven, and when last.
    pub redrives: u32,
    /// When it was redriven last.
    pub redrive_time: Option<Timestamp>,
}

/// `$$.State`
#[derive(Debug, Clone)]
pub struct StatePart<'a> {
    /// The state's name.
    pub name: &'a str,
    /// When it was entered.
    pub entered: Timestamp,
    /// How often it was tried again, for states that can be.
    pub retries: Option<u32>,
}

/// `$$.Map.Item`
#[derive(Debug, Clone)]
pub struct ItemPart<'a> {
    /// Which item, from 0.
    pub index: u64,
    /// The item, where its selector is evaluated.
    pub value: Option<&'a Value>,
    /// Its name, if the items are the fields of an object.
    pub key: Option<&'a str>,
    /// Where items are read from: `STATE_DATA` or the reader's resource.
    pub source: Option<&'a str>,
}

impl<'a> ContextObject<'a> {
    /// `$$.Execution.Input`
    pub(crate) fn input(&self) -> Option<&'a Value> {
        self.execution.as_ref().map(|execution| execution.input)
    }

    pub(crate) fn to_json(&self, with_input: bool) -> Value {
        self.item(with_input).plain()
    }

    /// The object; the execution's input only if asked for.
    pub(crate) fn item<'s>(&self, with_input: bool) -> Item<'s>
    where
        'a: 's,
    {
        if let Some(given) = self.given {
            return given.into();
        }
        let mut root: Vec<(&str, Item<'s>)> = Vec::with_capacity(5);
        if let Some(execution) = &self.execution {
            let mut fields: Vec<(&str, Item<'s>)> = vec![("Id", execution.id.into())];
            if with_input {
                fields.push(("Input", execution.input.into()));
            }
            fields.extend([
                ("Name", execution.name.into()),
                ("RoleArn", execution.role.into()),
                ("StartTime", Item::text(time(execution.start_time))),
                ("RedriveCount", Item::float(f64::from(execution.redrives))),
            ]);
            if let Some(at) = execution.redrive_time {
                fields.push(("RedriveTime", Item::text(time(at))));
            }
            root.push(("Execution", Item::fields(fields)));
        }
        if let Some((id, name)) = self.machine {
            root.push((
                "StateMachine",
                Item::object([("Id", id.into()), ("Name", name.into())]),
            ));
        }
        if let Some(state) = &self.state {
            let mut fields = vec![
                ("Name", state.name.into()),
                ("EnteredTime", Item::text(time(state.entered))),
            ];
            if let Some(retries) = state.retries {
                fields.push(("RetryCount", Item::float(f64::from(retries))));
            }
            root.push(("State", Item::fields(fields)));
        }
        if let Some(token) = self.token {
            root.push(("Task", Item::object([("Token", token.into())])));
        }
        if let Some(item) = &self.item {
            let mut fields: Vec<(&str, Item<'s>)> = vec![("Index", Item::float(item.index as f64))];
            fields.extend(item.key.map(|key| ("Key", key.into())));
            fields.extend(item.value.map(|value| ("Value", value.into())));
            fields.extend(item.source.map(|source| ("Source", source.into())));
            root.push(("Map", Item::object([("Item", Item::fields(fields))])));
        }
        Item::fields(root)
    }
}

/// Milliseconds and `Z`, as Step Functions writes times.
pub(crate) fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}
