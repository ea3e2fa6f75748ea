//! `TestState`: one state on its own. Its task is carried out, unless a mock answers for it.

use asl::test_state::Status;
use asl::{Failure, Inspection, Moment, Test, TestError, Tested, test_state};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::error::Error;
use super::http::Asked;
use super::machines::{definition_refused, most_bytes};
use super::shapes::without_nulls;
use crate::workflows::{Traced, try_task};

/// What `inspectionData` holds as numbers; all else is JSON text there.
const NUMBERS: [&str; 3] = [
    "maxConcurrency",
    "toleratedFailureCount",
    "toleratedFailurePercentage",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Input {
    definition: String,
    input: Option<String>,
    #[serde(default)]
    inspection_level: Inspection,
    #[serde(default)]
    reveal_secrets: bool,
    variables: Option<String>,
    state_name: Option<String>,
    mock: Option<Mock>,
    context: Option<String>,
    #[serde(default)]
    state_configuration: Configuration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mock {
    result: Option<String>,
    error_output: Option<ErrorOutput>,
}

#[derive(Deserialize)]
struct ErrorOutput {
    error: Option<String>,
    cause: Option<String>,
}

/// How the state stands when it is tested.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    retrier_retry_count: Option<u32>,
    map_iteration_failure_count: Option<u64>,
    map_item_reader_data: Option<String>,
}

pub(super) async fn test(asked: &Asked<'_>, input: Input) -> Result<Value, Error> {
    most_bytes("definition", &input.definition)?;
    let definition = serde_json::from_str(&input.definition).map_err(|error| {
        let message = format!("Invalid State Machine Definition: '{error}'");
        Error::new("InvalidDefinition", message)
    })?;
    let given = read_input(input.input.as_deref())?;
    let mock = read_mock(input.mock, input.reveal_secrets)?;
    let configuration = &input.state_configuration;
    let mut test = Test {
        state: input.state_name.as_deref(),
        input: given,
        variables: document("variables", input.variables.as_deref())?.unwrap_or_default(),
        context: document::<Map<String, Value>>("context", input.context.as_deref())?
            .map(Value::Object),
        mock,
        retries: configuration.retrier_retry_count.unwrap_or_default(),
        items: document(
            "mapItemReaderData",
            configuration.map_item_reader_data.as_deref(),
        )?,
        failed_iterations: configuration
            .map_iteration_failure_count
            .unwrap_or_default(),
        inspection: input.inspection_level,
    };
    let moment = Moment {
        now: asked.service.objects.clock().now(),
        entropy: rand::random(),
    };
    let mut tested = test_state(&definition, &test, &moment).map_err(refused)?;
    let mut traced = None;
    if let Some(wanted) = tested.wanted.take() {
        let trial = try_task(&asked.service.tools, asked.namespace, &wanted).await;
        if test.inspection == Inspection::Trace {
            traced = trial
                .request
                .map(|request| trace(request, trial.result.as_ref().ok()));
        }
        test.mock = Some(trial.result);
        tested = test_state(&definition, &test, &moment).map_err(refused)?;
    }
    Ok(show(tested, traced, test.inspection))
}

fn read_input(text: Option<&str>) -> Result<Value, Error> {
    let text = text.unwrap_or("{}");
    most_bytes("input", text)?;
    serde_json::from_str(text).map_err(|error| {
        let message = format!("Invalid State Machine Execution Input: '{error}'");
        Error::new("InvalidExecutionInput", message)
    })
}

/// JSON that travels as text.
fn document<T: DeserializeOwned>(name: &str, text: Option<&str>) -> Result<Option<T>, Error> {
    let read = |text: &str| {
        serde_json::from_str(text).map_err(|error| {
            let message = format!("Invalid '{name}': want JSON text of the right form: {error}");
            Error::validation(message)
        })
    };
    text.map(read).transpose()
}

fn read_mock(mock: Option<Mock>, reveals: bool) -> Result<Option<Result<Value, Failure>>, Error> {
    let Some(mock) = mock else {
        return Ok(None);
    };
    if reveals {
        let message = "TestState does not support RevealSecrets when a mock is specified.";
        return Err(Error::validation(message));
    }
    match (mock.result, mock.error_output) {
        (Some(result), None) => Ok(document("mock.result", Some(&result))?.map(Ok)),
        (None, Some(output)) => Ok(Some(Err(Failure {
            error: output.error,
            cause: output.cause,
            location: None,
        }))),
        _ => {
            let message =
                "A test mock should have only one of the following fields: [result, errorOutput].";
            Err(Error::validation(message))
        }
    }
}

fn refused(error: TestError) -> Error {
    match error {
        TestError::Definition(problems) => definition_refused(&problems),
        TestError::NeedsMock(message) => Error::new("InvalidDefinition", message),
        TestError::Mock(message) => Error::validation(message),
    }
}

fn show(tested: Tested, traced: Option<[(&'static str, Value); 2]>, level: Inspection) -> Value {
    let mut seen = Map::new();
    for (name, value) in tested.inspection {
        let shown = match NUMBERS.contains(&name.as_str()) {
            true => value,
            false => Value::String(value.to_string()),
        };
        seen.insert(name, shown);
    }
    if level != Inspection::Info {
        let details = without_nulls(json!({
            "retryIndex": tested.retry.map(|(index, _)| index),
            "retryBackoffIntervalSeconds": tested.retry.map(|(_, pause)| pause.round() as u64),
            "catchIndex": tested.catch,
        }));
        if details != json!({}) {
            seen.insert("errorDetails".to_owned(), details);
        }
        seen.extend(
            traced
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.to_owned(), value)),
        );
    }
    let failure = tested.failure.unwrap_or_default();
    let status = match tested.status {
        Status::Succeeded => "SUCCEEDED",
        Status::Failed => "FAILED",
        Status::Retriable => "RETRIABLE",
        Status::CaughtError => "CAUGHT_ERROR",
    };
    without_nulls(json!({
        "status": status,
        "output": tested.output.map(|output| output.to_string()),
        "nextState": tested.next,
        "error": failure.error,
        "cause": failure.cause,
        "inspectionData": Some(seen).filter(|seen| !seen.is_empty()),
    }))
}

/// The request and the answer of an HTTP call, as `inspectionData` shows them.
fn trace(sent: Traced, answer: Option<&Value>) -> [(&'static str, Value); 2] {
    let protocol = sent.url.split(':').next().unwrap_or_default().to_owned();
    let request = without_nulls(json!({
        "protocol": protocol,
        "method": sent.method,
        "url": sent.url,
        "headers": Value::Object(sent.headers).to_string(),
        "body": sent.body,
    }));
    let part = |name: &str| answer.and_then(|answer| answer.get(name));
    let response = without_nulls(json!({
        "protocol": protocol,
        "statusCode": part("StatusCode").map(Value::to_string),
        "statusMessage": part("StatusText"),
        "headers": part("Headers").map(Value::to_string),
        "body": part("ResponseBody").map(Value::to_string),
    }));
    [("request", request), ("response", response)]
}
