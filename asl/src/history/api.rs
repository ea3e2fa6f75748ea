//! Events as `GetExecutionHistory` shows them: JSON inside travels as strings.

use serde_json::{Map, Value, json};

use super::event::{EventKind, HistoryEvent, Payload};
use crate::failure::Failure;

impl HistoryEvent {
    /// The event in the form of Step Functions' API: `id`, `previousEventId`, `timestamp` (epoch seconds), `type`
    /// and the details under the name that the type has there.
    pub fn to_api(&self) -> Value {
        let mut event = Map::new();
        event.insert(
            "timestamp".into(),
            json!(self.at.as_millisecond() as f64 / 1000.0),
        );
        event.insert("type".into(), json!(self.kind.type_name()));
        event.insert("id".into(), json!(self.id));
        event.insert("previousEventId".into(), json!(self.previous));
        if let Some((name, details)) = details(&self.kind) {
            event.insert(name.into(), Value::Object(details.0));
        }
        Value::Object(event)
    }
}

/// The details of an event, in the making.
struct Details(Map<String, Value>);

impl Details {
    fn new() -> Self {
        Details(Map::new())
    }

    fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }

    fn maybe(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.set(key, value),
            None => self,
        }
    }

    fn document(self, key: &str, payload: &Payload) -> Self {
        self.set(key, payload.to_string())
            .set(&format!("{key}Details"), json!({"truncated": false}))
    }

    fn failure(self, failure: &Failure) -> Self {
        self.maybe("error", failure.error.as_deref())
            .maybe("cause", failure.cause.as_deref())
    }

    fn integration(self, service: &str, action: &str) -> Self {
        self.set("resourceType", service).set("resource", action)
    }
}

fn details(kind: &EventKind) -> Option<(&'static str, Details)> {
    use EventKind as K;
    let d = Details::new();
    Some(match kind {
        K::ExecutionStarted { input, role } => (
            "executionStartedEventDetails",
            d.document("input", input).maybe("roleArn", role.as_deref()),
        ),
        K::ExecutionRedriven { count } => (
            "executionRedrivenEventDetails",
            d.set("redriveCount", *count),
        ),
        K::ExecutionSucceeded { output } => (
            "executionSucceededEventDetails",
            d.document("output", output),
        ),
        K::ExecutionFailed { failure } => ("executionFailedEventDetails", d.failure(failure)),
        K::ExecutionTimedOut { failure } => ("executionTimedOutEventDetails", d.failure(failure)),
        K::ExecutionAborted { failure } => ("executionAbortedEventDetails", d.failure(failure)),
        K::StateEntered { name, input, .. } => (
            "stateEnteredEventDetails",
            d.set("name", name.as_str()).document("input", input),
        ),
        K::StateExited {
            name,
            output,
            assigned,
            ..
        } => {
            let d = d.set("name", name.as_str()).document("output", output);
            let d = if assigned.is_empty() {
                d
            } else {
                let texts: Map<String, Value> = assigned
                    .iter()
                    .map(|(k, v)| (k.clone(), Value::String(v.to_string())))
                    .collect();
                d.set("assignedVariables", texts)
                    .set("assignedVariablesDetails", json!({"truncated": false}))
            };
            ("stateExitedEventDetails", d)
        }
        K::EvaluationFailed {
            state,
            location,
            failure,
        } => (
            "evaluationFailedEventDetails",
            d.set("state", state.as_str())
                .maybe("location", location.as_deref())
                .failure(failure),
        ),
        K::LambdaFunctionScheduled {
            resource,
            input,
            timeout,
        } => (
            "lambdaFunctionScheduledEventDetails",
            d.set("resource", resource.as_str())
                .document("input", input)
                .maybe("timeoutInSeconds", *timeout),
        ),
        K::LambdaFunctionSucceeded { output } => (
            "lambdaFunctionSucceededEventDetails",
            d.document("output", output),
        ),
        K::LambdaFunctionFailed { failure } => {
            ("lambdaFunctionFailedEventDetails", d.failure(failure))
        }
        K::LambdaFunctionTimedOut { failure } => {
            ("lambdaFunctionTimedOutEventDetails", d.failure(failure))
        }
        K::ActivityScheduled {
            resource,
            input,
            timeout,
            heartbeat,
        } => (
            "activityScheduledEventDetails",
            d.set("resource", resource.as_str())
                .document("input", input)
                .maybe("timeoutInSeconds", *timeout)
                .maybe("heartbeatInSeconds", *heartbeat),
        ),
        K::ActivityStarted { worker } => (
            "activityStartedEventDetails",
            d.maybe("workerName", worker.as_deref()),
        ),
        K::ActivitySucceeded { output } => (
            "activitySucceededEventDetails",
            d.document("output", output),
        ),
        K::ActivityFailed { failure } => ("activityFailedEventDetails", d.failure(failure)),
        K::ActivityTimedOut { failure } => ("activityTimedOutEventDetails", d.failure(failure)),
        K::TaskScheduled {
            service,
            action,
            region,
            parameters,
            timeout,
            heartbeat,
        } => (
            "taskScheduledEventDetails",
            d.integration(service, action)
                .set("region", region.as_str())
                .set("parameters", parameters.to_string())
                .maybe("timeoutInSeconds", *timeout)
                .maybe("heartbeatInSeconds", *heartbeat),
        ),
        K::TaskStarted { service, action } => {
            ("taskStartedEventDetails", d.integration(service, action))
        }
        K::TaskSubmitted {
            service,
            action,
            output,
        } => (
            "taskSubmittedEventDetails",
            d.integration(service, action).document("output", output),
        ),
        K::TaskSucceeded {
            service,
            action,
            output,
        } => (
            "taskSucceededEventDetails",
            d.integration(service, action).document("output", output),
        ),
        K::TaskFailed {
            service,
            action,
            failure,
        } => (
            "taskFailedEventDetails",
            d.integration(service, action).failure(failure),
        ),
        K::TaskTimedOut {
            service,
            action,
            failure,
        } => (
            "taskTimedOutEventDetails",
            d.integration(service, action).failure(failure),
        ),
        K::MapRunStarted { arn } => (
            "mapRunStartedEventDetails",
            d.set("mapRunArn", arn.as_str()),
        ),
        K::MapRunRedriven { arn, count } => (
            "mapRunRedrivenEventDetails",
            d.set("mapRunArn", arn.as_str()).set("redriveCount", *count),
        ),
        K::MapRunFailed { failure } => ("mapRunFailedEventDetails", d.failure(failure)),
        K::MapStateStarted { length } => ("mapStateStartedEventDetails", d.set("length", *length)),
        K::MapIterationStarted { name, index } => (
            "mapIterationStartedEventDetails",
            d.set("name", name.as_str()).set("index", *index),
        ),
        K::MapIterationSucceeded { name, index } => (
            "mapIterationSucceededEventDetails",
            d.set("name", name.as_str()).set("index", *index),
        ),
        K::MapIterationFailed { name, index } => (
            "mapIterationFailedEventDetails",
            d.set("name", name.as_str()).set("index", *index),
        ),
        K::MapIterationAborted { name, index } => (
            "mapIterationAbortedEventDetails",
            d.set("name", name.as_str()).set("index", *index),
        ),
        K::StateAborted { .. }
        | K::LambdaFunctionStarted
        | K::ParallelStateStarted
        | K::ParallelStateSucceeded
        | K::ParallelStateFailed
        | K::MapStateSucceeded
        | K::MapRunSucceeded
        | K::MapRunAborted
        | K::MapStateFailed => return None,
    })
}
