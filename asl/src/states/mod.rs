//! The eight state types: what each one's fields mean, and what it computes.
//!
//! How a state is *stepped* (what events and effects it leads to) is in [`crate::run`].

pub mod choice;
pub mod fail;
pub mod io;
pub mod map;
pub mod parallel;
pub mod pass;
pub mod succeed;
pub mod task;
pub mod wait;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::program::Machine;
use crate::program::fields::Fields;
use crate::program::language::{self, Speaks};
use crate::program::problem::{Place, Problem};
use crate::program::suggest::nearest;
use crate::retry::{Catcher, Retrier};

/// The type of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum StateType {
    Task,
    Choice,
    Pass,
    Wait,
    Succeed,
    Fail,
    Parallel,
    Map,
}

impl StateType {
    const ALL: [StateType; 8] = [
        StateType::Task,
        StateType::Choice,
        StateType::Pass,
        StateType::Wait,
        StateType::Succeed,
        StateType::Fail,
        StateType::Parallel,
        StateType::Map,
    ];

    /// The type's name in a definition.
    pub fn as_str(self) -> &'static str {
        match self {
            StateType::Task => "Task",
            StateType::Choice => "Choice",
            StateType::Pass => "Pass",
            StateType::Wait => "Wait",
            StateType::Succeed => "Succeed",
            StateType::Fail => "Fail",
            StateType::Parallel => "Parallel",
            StateType::Map => "Map",
        }
    }
}

impl fmt::Display for StateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a state leads when it succeeds.
#[derive(Debug, Clone, PartialEq)]
pub enum Transition {
    /// To that state.
    Next(String),
    /// To the end.
    End,
}

impl Transition {
    /// The next state's name; none is the end.
    pub fn next(&self) -> Option<&str> {
        match self {
            Transition::Next(name) => Some(name),
            Transition::End => None,
        }
    }

    pub(crate) fn parse(fields: &mut Fields<'_>) -> Transition {
        let next = fields.text("Next").map(str::to_owned);
        let end = fields.boolean("End");
        let place = fields.place.clone();
        let mut wrong = |message: &str| {
            let code = crate::program::Code::SchemaValidationFailed;
            fields.problems.push(place.problem(code, message));
        };
        match (next, end) {
            (Some(_), Some(_)) => wrong("a state has either 'Next' or 'End', this one has both"),
            (Some(next), None) => return Transition::Next(next),
            (None, Some(true)) => {}
            (None, Some(false)) => {
                wrong("'End' is false and there is no 'Next': where does it lead?")
            }
            (None, None) => wrong(
                "where does this state lead? It lacks 'Next' (a state's name) or 'End' (true)",
            ),
        }
        Transition::End
    }
}

/// A state.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Its name.
    pub name: String,
    /// `Comment`.
    pub comment: Option<String>,
    /// The rest, by type.
    pub body: Body,
}

/// What a state is, by type.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Body {
    Task(Box<task::Task>),
    Choice(choice::Choice),
    Pass(pass::Pass),
    Wait(wait::Wait),
    Succeed(succeed::Succeed),
    Fail(fail::Fail),
    Parallel(Box<parallel::Parallel>),
    Map(Box<map::Map>),
}

impl State {
    pub(crate) fn parse(
        name: &str,
        value: &Value,
        place: Place,
        speaks: Speaks,
        problems: &mut Vec<Problem>,
    ) -> Option<State> {
        let fields = Fields::of(format!("the state '{name}'"), value, place, problems)?;
        let mut fields = fields.speaking(speaks, String::new());
        let comment = fields.text("Comment").map(str::to_owned);
        let text = fields.required_text("Type")?;
        let Some(kind) = StateType::ALL.into_iter().find(|t| t.as_str() == text) else {
            let hint = nearest(text, StateType::ALL.map(StateType::as_str));
            fields.wrong("Type", format!("there is no state type '{text}': want Task, Choice, Pass, Wait, Succeed, Fail, Parallel or Map{hint}"));
            return None;
        };
        language::of_state(&mut fields);
        let body = match kind {
            StateType::Task => task::Task::parse(&mut fields).map(|t| Body::Task(Box::new(t))),
            StateType::Choice => choice::Choice::parse(&mut fields).map(Body::Choice),
            StateType::Pass => Some(Body::Pass(pass::Pass::parse(&mut fields))),
            StateType::Wait => wait::Wait::parse(&mut fields).map(Body::Wait),
            StateType::Succeed => Some(Body::Succeed(succeed::Succeed::parse(&mut fields))),
            StateType::Fail => Some(Body::Fail(fail::Fail::parse(&mut fields))),
            StateType::Parallel => {
                parallel::Parallel::parse(&mut fields).map(|p| Body::Parallel(Box::new(p)))
            }
            StateType::Map => map::Map::parse(&mut fields).map(|m| Body::Map(Box::new(m))),
        };
        fields.finish();
        Some(State {
            name: name.to_owned(),
            comment,
            body: body?,
        })
    }

    /// The state's type.
    pub fn kind(&self) -> StateType {
        match self.body {
            Body::Task(_) => StateType::Task,
            Body::Choice(_) => StateType::Choice,
            Body::Pass(_) => StateType::Pass,
            Body::Wait(_) => StateType::Wait,
            Body::Succeed(_) => StateType::Succeed,
            Body::Fail(_) => StateType::Fail,
            Body::Parallel(_) => StateType::Parallel,
            Body::Map(_) => StateType::Map,
        }
    }

    /// Its retriers.
    pub fn retry(&self) -> &[Retrier] {
        match &self.body {
            Body::Task(task) => &task.retry,
            Body::Parallel(parallel) => &parallel.retry,
            Body::Map(map) => &map.retry,
            _ => &[],
        }
    }

    /// Its catchers.
    pub fn catch(&self) -> &[Catcher] {
        match &self.body {
            Body::Task(task) => &task.catch,
            Body::Parallel(parallel) => &parallel.catch,
            Body::Map(map) => &map.catch,
            _ => &[],
        }
    }

    /// The machines inside it.
    pub fn machines(&self) -> &[Machine] {
        match &self.body {
            Body::Parallel(parallel) => &parallel.branches,
            Body::Map(map) => std::slice::from_ref(&map.processor),
            _ => &[],
        }
    }
}
