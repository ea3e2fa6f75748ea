use serde_json::Value;

use super::TestError;
use crate::failure::Failure;
use crate::resource::{Pattern, Resource};
use crate::states::{Body, State};

/// Whether a state is tested with such a mock, or without one. The words are AWS's own, where it has some.
pub(super) fn check(state: &State, mock: Option<&Result<Value, Failure>>) -> Result<(), TestError> {
    let Some(mock) = mock else {
        return check_none(state);
    };
    let wrong = |message: &str| Err(TestError::Mock(message.to_owned()));
    let result = mock.as_ref().ok();
    match &state.body {
        Body::Task(_) => Ok(()),
        Body::Map(map) => {
            let writes = map
                .distributed
                .as_ref()
                .is_some_and(|own| own.writer.is_some());
            match result {
                Some(result) if writes && !result.is_object() => {
                    wrong("Mocked result must be a JSON object.")
                }
                Some(result) if !writes && !result.is_array() => {
                    wrong("Mocked result must be an array.")
                }
                _ => Ok(()),
            }
        }
        Body::Parallel(parallel) => match result.map(Value::as_array) {
            Some(None) => wrong("Mocked result must be an array."),
            Some(Some(list)) if list.len() != parallel.branches.len() => wrong(
                "Mocked result must contain the same number of items as number of Parallel branches.",
            ),
            _ => Ok(()),
        },
        _ => Err(TestError::Mock(format!(
            "State type '{}' is not supported when a mock is specified",
            state.kind()
        ))),
    }
}

fn check_none(state: &State) -> Result<(), TestError> {
    match &state.body {
        Body::Map(_) | Body::Parallel(_) => Err(TestError::NeedsMock(
            "TestState API does not support Map or Parallel states. Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]".to_owned(),
        )),
        Body::Task(task) => {
            let waits = matches!(task.resource, Resource::Activity { .. })
                || matches!(
                    task.resource.pattern(),
                    Some(Pattern::Sync | Pattern::Sync2 | Pattern::WaitForTaskToken)
                );
            if waits {
                let message = format!(
                    "TestState API does not wait for {}: give a mock",
                    task.resource
                );
                return Err(TestError::NeedsMock(message));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
