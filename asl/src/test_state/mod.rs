//! One state on its own: `TestState`.
//!
//! A state is taken out of its machine and worked through with an input, up to a task's call, whose answer is given beforehand (a mock) or
//! by whoever asks. Nothing is stored, nothing waits.
//!
//! - `tester`: the way through the state; `mock`: which mocks a state takes

mod mock;
mod tester;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::entropy::Entropy;
use crate::failure::Failure;
use crate::history::Payload;
use crate::program::problem::{Code, Place};
use crate::program::{Problem, Program};
use crate::run::{Invocation, Moment};
use tester::Tester;

/// How much the answer tells of the way through the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Inspection {
    /// The outcome only.
    #[default]
    Info,
    /// The data after each field.
    Debug,
    /// The same; whoever makes the call adds the request and the answer of an HTTP call.
    Trace,
}

/// What a state is tested with.
#[derive(Debug, Clone, Default)]
pub struct Test<'a> {
    /// The state; not needed if the definition is a state itself.
    pub state: Option<&'a str>,
    /// Its input.
    pub input: Value,
    /// Variables.
    pub variables: Map<String, Value>,
    /// The context object, in place of an invented one.
    pub context: Option<Value>,
    /// What the task, branches or iterations give: a result or a failure.
    pub mock: Option<Result<Value, Failure>>,
    /// How often the state was tried before: `stateConfiguration.retrierRetryCount`.
    pub retries: u32,
    /// What a Map's item reader finds, in place of the state's own items: `stateConfiguration.mapItemReaderData`.
    pub items: Option<Value>,
    /// How many of a Map's iterations have failed: `stateConfiguration.mapIterationFailureCount`.
    pub failed_iterations: u64,
    /// How much is told.
    pub inspection: Inspection,
}

/// A state cannot be tested like this.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TestError {
    /// The definition cannot be read, or there is no such state.
    #[error("the definition cannot be read")]
    Definition(Vec<Problem>),
    /// The state does its work outside in a way that a test does not wait for.
    #[error("{0}")]
    NeedsMock(String),
    /// The mock is not one for this state.
    #[error("{0}")]
    Mock(String),
}

/// How the test of a state came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum Status {
    Succeeded,
    Failed,
    /// A retrier takes the failure.
    Retriable,
    CaughtError,
}

/// The outcome of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct Tested {
    /// How.
    pub status: Status,
    /// The state's output; the error output, where it was caught.
    pub output: Option<Value>,
    /// The failure.
    pub failure: Option<Failure>,
    /// Where the state leads.
    pub next: Option<String>,
    /// Variables that the state sets.
    pub assigned: IndexMap<String, Payload>,
    /// The data after each field, where it was asked for: names as `inspectionData` has them.
    pub inspection: Map<String, Value>,
    /// Which retrier takes the failure, and the pause before it tries again, in seconds.
    pub retry: Option<(usize, f64)>,
    /// Which catcher takes the failure.
    pub catch: Option<usize>,
    /// The call of a Task without a mock: make it, and test again with the answer.
    pub wanted: Option<Box<Invocation>>,
}

/// Tests one state of a definition, or a state on its own.
///
/// # Errors
///
/// When the definition cannot be read, there is no such state, or it needs another mock or none.
pub fn test_state(
    definition: &Value,
    test: &Test<'_>,
    moment: &Moment,
) -> Result<Tested, TestError> {
    let (program, name) = program_of(definition, test.state).map_err(TestError::Definition)?;
    let Some(state) = program.machine().find(&name) else {
        let message = format!("there is no state '{name}'");
        let problem = Place::root().problem(Code::SchemaValidationFailed, message);
        return Err(TestError::Definition(vec![problem]));
    };
    mock::check(state, test.mock.as_ref())?;
    Ok(Tester {
        state,
        test,
        moment,
        entropy: Entropy::new(moment.entropy),
    }
    .run())
}

/// The definition as a program: a state on its own becomes a machine of one, with the states that it leads to beside it.
fn program_of(definition: &Value, state: Option<&str>) -> Result<(Program, String), Vec<Problem>> {
    if definition.get("States").is_some() {
        let program = Program::parse(definition)?;
        let name = state.unwrap_or(&program.machine().start_at).to_owned();
        return Ok((program, name));
    }
    let name = state.unwrap_or("state").to_owned();
    let mut states = Map::new();
    states.insert(name.clone(), definition.clone());
    for next in crate::program::check::leads_to(definition) {
        if !states.contains_key(next) {
            states.insert(next.to_owned(), json!({"Type": "Succeed"}));
        }
    }
    let machine = json!({"StartAt": name, "States": states});
    match Program::parse(&machine) {
        Ok(program) => Ok((program, name)),
        Err(problems) => {
            // Said from the state's point of view.
            let prefix = Place::root().key("States").key(&name);
            Err(problems
                .into_iter()
                .map(|problem| problem.within(&prefix))
                .collect())
        }
    }
}
