//! Function calls of Lambda integrations: what is called with what, and how the answer is wrapped.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::failure::{Failure, names};
use crate::resource::{FunctionRef, Resource};
use crate::run::Invocation;

/// The function that a task calls.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionCall {
    /// Which.
    pub function: FunctionRef,
    /// What it is called with.
    pub payload: Value,
}

/// An answered call, as far as a wrapped result shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What the function returned.
    pub payload: Value,
    /// How many bytes that was; none: as many as its shortest JSON text.
    pub content_length: Option<usize>,
    /// The invocation's id.
    pub request_id: String,
    /// When it was answered.
    pub at: Timestamp,
}

impl Invocation {
    /// The function call in this task, if its resource is a function or `lambda:invoke`: from the latter's input,
    /// `FunctionName` and `Payload` are taken.
    ///
    /// # Errors
    ///
    /// When `FunctionName` is missing or names no function: fail the task with that.
    pub fn function_call(&self) -> Option<Result<FunctionCall, Failure>> {
        match &self.resource {
            Resource::Function { function, .. } => Some(Ok(FunctionCall {
                function: function.clone(),
                payload: (*self.input).clone(),
            })),
            Resource::LambdaInvoke(_) => Some(lambda_invoke(&self.input)),
            _ => None,
        }
    }

    /// What an answered function call gives the task: the payload itself, or wrapped as `lambda:invoke` gives it.
    pub fn function_result(&self, answer: Answer) -> Value {
        match self.resource {
            Resource::LambdaInvoke(_) => wrapped(answer),
            _ => answer.payload,
        }
    }
}

fn lambda_invoke(input: &Value) -> Result<FunctionCall, Failure> {
    let wrong = |cause: String| Failure::new(names::RUNTIME, cause);
    let Some(name) = input.get("FunctionName").and_then(Value::as_str) else {
        return Err(wrong(format!(
            "lambda:invoke needs the name of a function in 'FunctionName', but its input is {input}"
        )));
    };
    let function = name
        .parse()
        .map_err(|error| wrong(format!("'FunctionName': {error}")))?;
    Ok(FunctionCall {
        function,
        payload: input.get("Payload").cloned().unwrap_or_else(|| json!({})),
    })
}

fn wrapped(answer: Answer) -> Value {
    let Answer {
        payload,
        content_length,
        request_id,
        at,
    } = answer;
    let length = content_length
        .unwrap_or_else(|| payload.to_string().len())
        .to_string();
    let date = at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let trace = format!(
        "root=1-{:x}-{};sampled=0",
        at.as_second(),
        request_id.replace('-', "").get(..24).unwrap_or_default()
    );
    let headers = [
        ("X-Amz-Executed-Version", "$LATEST"),
        ("x-amzn-Remapped-Content-Length", "0"),
        ("Connection", "keep-alive"),
        ("x-amzn-RequestId", &request_id),
        ("Content-Length", &length),
        ("Date", &date),
        ("X-Amzn-Trace-Id", &trace),
        ("Content-Type", "application/json"),
    ];
    let all: serde_json::Map<String, Value> = headers
        .iter()
        .map(|(k, v)| ((*k).to_owned(), json!([v])))
        .collect();
    let first: serde_json::Map<String, Value> = headers
        .iter()
        .map(|(k, v)| ((*k).to_owned(), json!(v)))
        .collect();
    json!({
        "ExecutedVersion": "$LATEST",
        "Payload": payload,
        "SdkHttpMetadata": {"AllHttpHeaders": all, "HttpHeaders": first, "HttpStatusCode": 200},
        "SdkResponseMetadata": {"RequestId": request_id},
        "StatusCode": 200,
    })
}
