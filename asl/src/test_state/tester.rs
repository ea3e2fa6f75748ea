//! The way of an input through a state, with what is seen on it.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Inspection, Status, Test, Tested};
use crate::data::context::Scope;
use crate::data::context_object::{ContextObject, ItemPart, StatePart};
use crate::entropy::Entropy;
use crate::failure::{Failure, names};
use crate::history::Payload;
use crate::retry;
use crate::run::{Invocation, Moment, TaskId};
use crate::states::io::{InputOutput, assigned};
use crate::states::map::Map as MapState;
use crate::states::task::{Seconds, Task};
use crate::states::{Body, State};

pub(super) struct Tester<'a> {
    pub(super) state: &'a State,
    pub(super) test: &'a Test<'a>,
    pub(super) moment: &'a Moment,
    pub(super) entropy: Entropy,
}

/// What is seen on the way: names as `inspectionData` has them.
type Seen = Map<String, Value>;

impl Tester<'_> {
    pub(super) fn run(self) -> Tested {
        let variables: IndexMap<String, Payload> = self
            .test
            .variables
            .iter()
            .map(|(name, value)| (name.clone(), Payload::new(value.clone())))
            .collect();
        let mut seen = Seen::new();
        seen.insert("input".into(), self.test.input.clone());
        let scope = self.scope(&variables, self.moment.now);
        let mut tested = match self.work(&scope, &variables, &mut seen) {
            Ok(tested) => tested,
            Err(failure) => self.failed(failure, &variables),
        };
        if self.test.inspection != Inspection::Info {
            if !variables.is_empty() || !tested.assigned.is_empty() {
                let all = variables.iter().chain(&tested.assigned);
                let all: Map<String, Value> = all
                    .map(|(name, value)| (name.clone(), (**value).clone()))
                    .collect();
                seen.insert("variables".into(), Value::Object(all));
            }
            tested.inspection = seen;
        }
        tested
    }

    fn scope<'s>(&'s self, variables: &'s IndexMap<String, Payload>, now: Timestamp) -> Scope<'s> {
        self.scope_of(self.context(now), variables, now)
    }

    fn context(&self, now: Timestamp) -> ContextObject<'_> {
        ContextObject {
            given: self.test.context.as_ref(),
            state: Some(StatePart {
                name: &self.state.name,
                entered: now,
                retries: Some(self.test.retries),
            }),
            ..ContextObject::default()
        }
    }

    fn scope_of<'s>(
        &'s self,
        context: ContextObject<'s>,
        variables: &'s IndexMap<String, Payload>,
        now: Timestamp,
    ) -> Scope<'s> {
        Scope::new(context, variables, &self.entropy, now).with_input(&self.test.input)
    }

    fn work(
        &self,
        scope: &Scope<'_>,
        variables: &IndexMap<String, Payload>,
        seen: &mut Seen,
    ) -> Result<Tested, Failure> {
        let input = &self.test.input;
        match &self.state.body {
            Body::Pass(pass) => {
                if let Some(result) = &pass.result {
                    seen.insert("result".into(), result.clone());
                    see_result(&pass.io, input, result, scope, seen)?;
                } else {
                    let effective = see_input(&pass.io, input, scope, seen)?;
                    see_result(&pass.io, input, &effective, scope, seen)?;
                }
                let (output, assigned) = pass.evaluate(input, scope)?;
                Ok(done(output, assigned, pass.transition.next()))
            }
            Body::Succeed(succeed) => {
                see_selected(&succeed.io, input, scope, seen)?;
                let output = succeed.evaluate(input, scope)?;
                Ok(done(output, IndexMap::new(), None))
            }
            Body::Choice(choice) => {
                see_selected(&choice.io, input, scope, seen)?;
                let (next, output, assigned) = choice.evaluate(&self.state.name, input, scope)?;
                Ok(done(output, assigned, Some(&next)))
            }
            Body::Fail(fail) => {
                seen.insert("afterInputPath".into(), input.clone());
                Err(fail.evaluate(input, scope)?)
            }
            Body::Wait(wait) => {
                see_selected(&wait.io, input, scope, seen)?;
                wait.end(input, self.moment.now, scope)?;
                let output = wait.output(input, scope)?;
                let assigned = assigned(wait.io.assign.as_ref(), input, scope)?;
                Ok(done(output, assigned, wait.transition.next()))
            }
            Body::Task(task) => {
                let effective = see_input(&task.io, input, scope, seen)?;
                let wanted = self.invocation(task, effective, scope)?;
                let next = task.transition.next();
                self.answered(&task.io, next, Some(wanted), variables, seen)
            }
            Body::Parallel(parallel) => {
                see_input(&parallel.io, input, scope, seen)?;
                let next = parallel.transition.next();
                self.answered(&parallel.io, next, None, variables, seen)
            }
            Body::Map(map) => {
                self.see_items(map, scope, variables, seen)?;
                self.answered(&map.io, map.transition.next(), None, variables, seen)
            }
        }
    }

    fn invocation(
        &self,
        task: &Task,
        input: Value,
        scope: &Scope<'_>,
    ) -> Result<Invocation, Failure> {
        let seconds = |seconds: &Option<Seconds>, field: &str| {
            let found = seconds.as_ref();
            found
                .map(|seconds| seconds.evaluate(field, &self.test.input, scope))
                .transpose()
        };
        Ok(Invocation {
            task: TaskId(1),
            state: self.state.name.clone(),
            resource: task.resource.clone(),
            input: Payload::new(input),
            timeout: seconds(&task.timeout, "TimeoutSeconds")?,
            heartbeat: seconds(&task.heartbeat, "HeartbeatSeconds")?,
            attempt: self.test.retries,
            token: None,
            submitted: false,
        })
    }

    /// A Map's items, what its selector makes of them, and what it tolerates.
    fn see_items(
        &self,
        map: &MapState,
        scope: &Scope<'_>,
        variables: &IndexMap<String, Payload>,
        seen: &mut Seen,
    ) -> Result<(), Failure> {
        let input = &self.test.input;
        let effective = see_selected(&map.io, input, scope, seen)?;
        let items = match &self.test.items {
            Some(items) => items.clone(),
            None if map
                .distributed
                .as_ref()
                .is_some_and(|own| own.reader.is_some()) =>
            {
                json!([])
            }
            None => {
                let items = map.items(&effective, scope)?.into_owned();
                if !map.io.is_query() {
                    seen.insert("afterItemsPath".into(), items.clone());
                }
                items
            }
        };
        let items = items.as_array().cloned().unwrap_or_default();
        if let Some(selector) = &map.item_selector {
            let mut selected = Vec::with_capacity(items.len());
            for (index, item) in (0_u64..).zip(&items) {
                let context = ContextObject {
                    item: Some(ItemPart {
                        index,
                        value: Some(item),
                        key: None,
                        source: None,
                    }),
                    ..self.context(self.moment.now)
                };
                let scope = self.scope_of(context, variables, self.moment.now);
                selected.push(selector.evaluate(&effective, &scope)?);
            }
            seen.insert("afterItemSelector".into(), Value::Array(selected));
        }
        let at_once = map.at_once(&effective, scope)?;
        seen.insert("maxConcurrency".into(), json!(at_once));
        let Some(own) = &map.distributed else {
            return Ok(());
        };
        let tolerance = own.tolerance(&effective, scope)?;
        if let Some(count) = tolerance.count {
            seen.insert("toleratedFailureCount".into(), json!(count));
        }
        if let Some(percentage) = tolerance.percentage {
            seen.insert("toleratedFailurePercentage".into(), json!(percentage));
        }
        let total = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let limited = tolerance.count.is_some() || tolerance.percentage.is_some();
        let failed = self.test.failed_iterations;
        if limited && failed > 0 && tolerance.is_exceeded(failed, total) {
            let cause = "The specified tolerated failure threshold was exceeded";
            return Err(Failure::new(names::TOLERATED_FAILURES, cause));
        }
        Ok(())
    }

    /// What the mock makes of a state that does its work outside.
    fn answered(
        &self,
        io: &InputOutput,
        next: Option<&str>,
        wanted: Option<Invocation>,
        variables: &IndexMap<String, Payload>,
        seen: &mut Seen,
    ) -> Result<Tested, Failure> {
        let result = match &self.test.mock {
            Some(Ok(result)) => result,
            Some(Err(failure)) => return Err(failure.clone()),
            None => {
                let mut tested = done(Value::Null, IndexMap::new(), next);
                tested.output = None;
                tested.wanted = wanted.map(Box::new);
                return Ok(tested);
            }
        };
        seen.insert("result".into(), result.clone());
        let scope = self.scope(variables, self.moment.now).with_result(result);
        see_result(io, &self.test.input, result, &scope, seen)?;
        let (output, assigned) = io.finish(&self.test.input, result.clone(), &scope)?;
        Ok(done(output, assigned, next))
    }

    /// A failure meets the state's retriers and catchers.
    fn failed(&self, failure: Failure, variables: &IndexMap<String, Payload>) -> Tested {
        let mut tested = done(Value::Null, IndexMap::new(), None);
        (tested.status, tested.output) = (Status::Failed, None);
        let fatal = [names::RUNTIME, names::DATA_LIMIT]
            .contains(&failure.error.as_deref().unwrap_or_default());
        let attempts = vec![self.test.retries; self.state.retry().len()];
        let retrier = retry::retrier(self.state.retry(), &failure, &attempts);
        let catcher = retry::catcher(self.state.catch(), &failure);
        match (retrier, catcher) {
            (Some((index, retrier)), _) if !fatal => {
                let pause = retrier.delay(self.test.retries, &self.entropy);
                tested.status = Status::Retriable;
                tested.retry = Some((index, pause.as_secs_f64()));
            }
            (_, Some((index, catcher))) if !fatal => {
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
                        tested.catch = Some(index);
                    }
                    (Err(failure), _) | (_, Err(failure)) => {
                        tested.failure = Some(failure);
                        return tested;
                    }
                }
            }
            _ => {}
        }
        tested.failure = Some(failure);
        tested
    }
}

fn done(output: Value, assigned: IndexMap<String, Payload>, next: Option<&str>) -> Tested {
    Tested {
        status: Status::Succeeded,
        output: Some(output),
        failure: None,
        next: next.map(str::to_owned),
        assigned,
        inspection: Map::new(),
        retry: None,
        catch: None,
        wanted: None,
    }
}

/// `InputPath`.
fn see_selected(
    io: &InputOutput,
    input: &Value,
    scope: &Scope<'_>,
    seen: &mut Seen,
) -> Result<Value, Failure> {
    let selected = io.input_path.select(input, scope)?.into_owned();
    if !io.is_query() {
        seen.insert("afterInputPath".into(), selected.clone());
    }
    Ok(selected)
}

/// `InputPath` and `Parameters`, or `Arguments`.
fn see_input(
    io: &InputOutput,
    input: &Value,
    scope: &Scope<'_>,
    seen: &mut Seen,
) -> Result<Value, Failure> {
    see_selected(io, input, scope, seen)?;
    let effective = io.effective_input(input, scope)?.into_owned();
    let name = match io.is_query() {
        true => "afterArguments",
        false => "afterParameters",
    };
    seen.insert(name.into(), effective.clone());
    Ok(effective)
}

/// `ResultSelector` and `ResultPath`.
fn see_result(
    io: &InputOutput,
    input: &Value,
    result: &Value,
    scope: &Scope<'_>,
    seen: &mut Seen,
) -> Result<(), Failure> {
    if io.is_query() {
        return Ok(());
    }
    let selected = match &io.result_selector {
        Some(selector) => selector.evaluate(result, scope)?,
        None => result.clone(),
    };
    seen.insert("afterResultSelector".into(), selected.clone());
    let combined = io.result_path.combine(input, selected)?;
    seen.insert("afterResultPath".into(), combined);
    Ok(())
}
