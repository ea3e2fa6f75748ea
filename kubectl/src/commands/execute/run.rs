use std::time::{Duration, Instant};

use common::resources::{Resource as _, WorkflowRun};
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::Value;

use super::Call;
use super::function::{failure, header, print_body, print_id};
use crate::client::{JSON, Request, ResourceType};
use crate::commands::error::{Error, message};
use crate::print::progress::Progress;

/// How long a run is waited for when nobody says.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
/// The longest the server is asked to hold one request.
const HOLD: Duration = Duration::from_secs(30);

/// Starts a run and prints its output.
pub(super) async fn start(call: &Call<'_>, prefix: &str) -> Result<(), Error> {
    let path = format!("/{prefix}/{}", call.place());
    let timeout = call.args.timeout.unwrap_or(DEFAULT_TIMEOUT);
    let begin = Instant::now();
    let prefer = match call.args.detached {
        true => "respond-async".to_owned(),
        false => format!("wait={}", timeout.min(HOLD).as_secs().max(1)),
    };
    let prefer = HeaderValue::from_str(&prefer)
        .map_err(|_| Error::Message("the timeout is no number".to_owned()))?;
    let mut request = Request::new(Method::POST, &path)
        .body(JSON, call.body.clone())
        .header("prefer", prefer);
    for (key, value) in call.query()? {
        request = request.query(&key, value);
    }
    let progress = Progress::on_terminal();
    progress.say(format!("running {}", call.name));
    let answer = call.client.send(request).await?;
    let code = answer.status().as_u16();
    if code == 202 {
        if call.args.detached {
            return print_id(&answer);
        }
        let location = header(&answer, "location");
        return follow(call, &location, begin, timeout, &progress).await;
    }
    let id = header(&answer, "x-invocation-id");
    let success = answer.status().is_success();
    let body = call.client.read(answer).await?;
    drop(progress);
    if success {
        print_body(&body, true)
    } else {
        Err(run_failure(code, &body, &id))
    }
}

fn run_failure(code: u16, body: &[u8], id: &str) -> Error {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    match (text("run"), text("error")) {
        (Some(run), error) => Error::Message(format!(
            "run {run} failed: {}: {}",
            error.unwrap_or("no error named"),
            text("cause").unwrap_or_default()
        )),
        (None, _) => failure(code, body, id),
    }
}

/// Waits for a run that the server let go on without us.
async fn follow(
    call: &Call<'_>,
    location: &str,
    begin: Instant,
    timeout: Duration,
    progress: &Progress,
) -> Result<(), Error> {
    let place = location.rsplit("/runs/").next().unwrap_or_default();
    let Some((namespace, name)) = place.split_once('/') else {
        return message(format!(
            "the server started a run but gave no usable Location: \"{location}\""
        ));
    };
    let path = ResourceType::from(WorkflowRun::KIND).object(namespace, name);
    let mut pause = Duration::from_millis(100);
    loop {
        let run = call.client.json(Request::get(&path)).await?;
        let text = |pointer: &str| {
            run.pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        match text("/status/phase") {
            "Succeeded" => {
                let output = run.pointer("/status/output").unwrap_or(&Value::Null);
                return print_body(output.to_string().as_bytes(), true);
            }
            "Failed" | "TimedOut" | "Aborted" => {
                let (error, cause) = (text("/status/error"), text("/status/cause"));
                return message(format!(
                    "run {place} ended as {}: {error}: {cause}",
                    text("/status/phase")
                ));
            }
            phase => {
                let step = run
                    .pointer("/status/steps")
                    .and_then(Value::as_array)
                    .and_then(|steps| steps.last());
                let step = step
                    .and_then(|step| step.get("name"))
                    .and_then(Value::as_str)
                    .unwrap_or(phase);
                progress.say(format!("running {}: {step}", call.name));
            }
        }
        if begin.elapsed() >= timeout {
            return message(format!(
                "run {place} goes on after {timeout:?}; look at it with: kubectl describe workflowrun {place}"
            ));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}
