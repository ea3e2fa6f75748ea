//! One state on its own: `TestState`.
//!
//! A state is taken out of its machine and worked through with an input, up to a task's call, whose answer is given beforehand (a mock) or
//! by whoever asks. Nothing is stored, nothing waits.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::data::context::Scope;
use crate::data::context_object::{ContextObject, StatePart};
use crate::data::entropy::Entropy;
use crate::failure::{Failure, names};
use crate::history::Payload;
use crate::program::problem::{Code, Place};
use crate::program::{Problem, Program};
use crate::retry;
use crate::run::Moment;
use crate::states::io::assigned;
use crate::states::{Body, State};

/// How much the answer tells of the way through the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Inspection {
    /// The outcome only.
    #[default]
    Info,
    /// The data after each field.
    Debug,
    /// The same; requests and answers of HTTP calls would be added.
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
    /// How much is told.
    pub inspection: Inspection,
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
    /// The call of a Task without a mock: call it, and test again with the answer.
    pub wanted: Option<Value>,
}

/// Tests one state of a definition, or a state on its own.
///
/// # Errors
///
/// When the definition cannot be read, or there is no such state.
pub fn test_state(
    definition: &Value,
    test: &Test<'_>,
    moment: &Moment,
) -> Result<Tested, Vec<Problem>> {
    let (program, name) = program_of(definition, test.state)?;
    let Some(state) = program.machine().find(&name) else {
        let message = format!("there is no state '{name}'");
        return Err(vec![
            Place::root().problem(Code::SchemaValidationFailed, message),
        ]);
    };
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

struct Tester<'a> {
    state: &'a State,
    test: &'a Test<'a>,
    moment: &'a Moment,
    entropy: Entropy,
}

impl Tester<'_> {
    fn run(self) -> Tested {
        let variables: IndexMap<String, Payload> = self
            .test
            .variables
            .iter()
            .map(|(name, value)| (name.clone(), Payload::new(value.clone())))
            .collect();
        let mut inspection = Map::new();
        inspection.insert("input".into(), self.test.input.clone());
        let scope = self.scope(&variables, self.moment.now);
        let worked = self.work(&scope, &variables, &mut inspection);
        let mut tested = match worked {
            Ok(tested) => tested,
            Err(failure) => self.failed(failure, &variables),
        };
        if self.test.inspection != Inspection::Info {
            if let (Some(output), Status::Succeeded) = (&tested.output, tested.status) {
                inspection.insert("afterOutputPath".into(), output.clone());
            }
            if !variables.is_empty() || !tested.assigned.is_empty() {
                let all = variables.iter().chain(&tested.assigned);
                let all: Map<String, Value> = all
                    .map(|(name, value)| (name.clone(), (**value).clone()))
                    .collect();
                inspection.insert("variables".into(), Value::Object(all));
            }
            tested.inspection = inspection;
        }
        tested
    }

    fn scope<'s>(&'s self, variables: &'s IndexMap<String, Payload>, now: Timestamp) -> Scope<'s> {
        let context = ContextObject {
            given: self.test.context.as_ref(),
            state: Some(StatePart {
                name: &self.state.name,
                entered: now,
                retries: Some(self.test.retries),
            }),
            ..ContextObject::default()
        };
        Scope::new(context, variables, &self.entropy, now).with_input(&self.test.input)
    }

    fn work(
        &self,
        scope: &Scope<'_>,
        variables: &IndexMap<String, Payload>,
        inspection: &mut Map<String, Value>,
    ) -> Result<Tested, Failure> {
        let input = &self.test.input;
        let done =
            |output: Value, assigned: IndexMap<String, Payload>, next: Option<&str>| Tested {
                status: Status::Succeeded,
                output: Some(output),
                failure: None,
                next: next.map(str::to_owned),
                assigned,
                inspection: Map::new(),
                wanted: None,
            };
        let (io, next) = match &self.state.body {
            Body::Pass(pass) => {
                let (output, assigned) = pass.evaluate(input, scope)?;
                return Ok(done(output, assigned, pass.transition.next()));
            }
            Body::Succeed(succeed) => {
                return Ok(done(succeed.evaluate(input, scope)?, IndexMap::new(), None));
            }
            Body::Choice(choice) => {
                let (next, output, assigned) = choice.evaluate(&self.state.name, input, scope)?;
                return Ok(done(output, assigned, Some(&next)));
            }
            Body::Fail(fail) => return Err(fail.evaluate(input, scope)?),
            Body::Wait(wait) => {
                wait.end(input, self.moment.now, scope)?;
                let output = wait.output(input, scope)?;
                let assigned = assigned(wait.io.assign.as_ref(), input, scope)?;
                return Ok(done(output, assigned, wait.transition.next()));
            }
            Body::Task(task) => (&task.io, task.transition.next()),
            Body::Parallel(parallel) => (&parallel.io, parallel.transition.next()),
            Body::Map(map) => (&map.io, map.transition.next()),
        };
        inspection.insert(
            "afterInputPath".into(),
            io.input_path.select(input, scope)?.into_owned(),
        );
        let effective = io.effective_input(input, scope)?;
        let after = if io.is_query() {
            "afterArguments"
        } else {
            "afterParameters"
        };
        inspection.insert(after.into(), effective.clone().into_owned());
        if let Body::Map(map) = &self.state.body {
            let items = map.items(&effective, scope)?;
            inspection.insert("afterItemsPath".into(), items.into_owned());
        }
        let result = match &self.test.mock {
            Some(Ok(result)) => result,
            Some(Err(failure)) => return Err(failure.clone()),
            None => {
                let mut tested = done(Value::Null, IndexMap::new(), next);
                tested.output = None;
                tested.wanted = Some(effective.into_owned());
                return Ok(tested);
            }
        };
        inspection.insert("result".into(), result.clone());
        if let Some(selector) = &io.result_selector {
            inspection.insert(
                "afterResultSelector".into(),
                selector.evaluate(result, scope)?,
            );
        }
        let scope = self.scope(variables, self.moment.now).with_result(result);
        let (output, assigned) = io.finish(input, result.clone(), &scope)?;
        inspection.insert("afterResultPath".into(), output.clone());
        Ok(done(output, assigned, next))
    }

    /// A failure meets the state's retriers and catchers.
    fn failed(&self, failure: Failure, variables: &IndexMap<String, Payload>) -> Tested {
        let mut tested = Tested {
            status: Status::Failed,
            output: None,
            failure: None,
            next: None,
            assigned: IndexMap::new(),
            inspection: Map::new(),
            wanted: None,
        };
        let fatal = [names::RUNTIME, names::DATA_LIMIT]
            .contains(&failure.error.as_deref().unwrap_or_default());
        let attempts = vec![self.test.retries; self.state.retry().len()];
        if !fatal && retry::retrier(self.state.retry(), &failure, &attempts).is_some() {
            tested.status = Status::Retriable;
        } else if let (false, Some(catcher)) = (fatal, retry::catcher(self.state.catch(), &failure))
        {
            let error = json!({
                "Error": failure.error.as_deref().unwrap_or_default(),
                "Cause": failure.cause.as_deref().unwrap_or_default(),
            });
            let scope = self.scope(variables, self.moment.now).with_error(&error);
            let output = match &catcher.output {
                Some(output) => output.evaluate(&error, &scope),
                None => catcher.result_path.combine(&self.test.input, error.clone()),
            };
            let set = assigned(catcher.assign.as_ref(), &error, &scope);
            match (output, set) {
                (Ok(output), Ok(set)) => {
                    tested.status = Status::CaughtError;
                    tested.output = Some(output);
                    tested.assigned = set;
                    tested.next = Some(catcher.next.clone());
                }
                (Err(failure), _) | (_, Err(failure)) => {
                    tested.failure = Some(failure);
                    return tested;
                }
            }
        }
        tested.failure = Some(failure);
        tested
    }
}
