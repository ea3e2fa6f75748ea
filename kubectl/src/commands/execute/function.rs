use std::convert::Infallible;
use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use common::resources::{Function, Resource as _};
use reqwest::header::HeaderValue;
use reqwest::{Method, Response};
use serde_json::Value;

use super::Call;
use crate::client::{Error as ClientError, JSON, Request, ResourceType};
use crate::commands::error::Error;
use crate::print::progress::Progress;

/// Calls a function and prints its answer.
pub(super) async fn call(call: &Call<'_>) -> Result<(), Error> {
    let path = format!("/function/{}", call.place());
    let mut request = Request::new(Method::POST, &path)
        .accept("*/*")
        .body(JSON, call.body.clone())
        .timeout(call.args.timeout);
    for (key, value) in call.query()? {
        request = request.query(&key, value);
    }
    if let Some(key) = &call.args.idempotency_key {
        let key = HeaderValue::from_str(key)
            .map_err(|_| Error::Message("--idempotency-key: want printable text".to_owned()))?;
        request = request.header("idempotency-key", key);
    }
    if call.args.detached {
        request = request.header("prefer", HeaderValue::from_static("respond-async"));
    }
    let held = watched(call, call.client.send(request)).await;
    let answer = held.map_err(|error| in_time(error, call.args.timeout))?;
    if call.args.detached && answer.status().as_u16() == 202 {
        return print_id(&answer);
    }
    let code = answer.status();
    let id = header(&answer, "x-invocation-id");
    let text = is_text(&answer);
    let body = call.client.read(answer).await?;
    if code.is_success() {
        return print_body(&body, text);
    }
    Err(failure(code.as_u16(), &body, &id))
}

/// An answer, with a line on the terminal that says what it waits for.
async fn watched<T>(call: &Call<'_>, answer: impl Future<Output = T>) -> T {
    let mut answer = std::pin::pin!(answer);
    // Most answers come at once: nothing flickers then.
    if let Ok(answer) = tokio::time::timeout(Duration::from_millis(400), &mut answer).await {
        return answer;
    }
    let progress = Progress::on_terminal();
    if !progress.is_seen() {
        return answer.await;
    }
    progress.say(format!("calling {}", call.name));
    tokio::select! {
        answer = &mut answer => answer,
        never = look(call, &progress) => match never {},
    }
}

/// Says again and again what the function is doing.
async fn look(call: &Call<'_>, progress: &Progress) -> Infallible {
    let path = ResourceType::from(Function::KIND).object(call.namespace, call.name);
    loop {
        if let Ok(Some(function)) = call.client.find(&path).await {
            progress.say(stand(call.name, &function));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// What a held call waits for.
fn stand(name: &str, function: &Value) -> String {
    let conditions = function
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let condition = |wanted: &str| {
        conditions
            .into_iter()
            .flatten()
            .find(|condition| condition.get("type").and_then(Value::as_str) == Some(wanted))
    };
    let text = |condition: &Value, key: &str| {
        condition
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    if let Some(built) = condition("Built").filter(|built| text(built, "status") != "True") {
        return format!("building {name}: {}", text(built, "message"));
    }
    let ready = function
        .pointer("/status/readyReplicas")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    match (ready, condition("Ready")) {
        (0, Some(ready)) => format!("starting {name}: {}", text(ready, "message")),
        (0, None) => format!("starting {name}"),
        (pods, _) => format!("running {name} ({pods} pods)"),
    }
}

fn in_time(error: ClientError, timeout: Option<Duration>) -> Error {
    let text = error.to_string();
    match timeout {
        Some(timeout) if text.contains("did not answer in time") => Error::Message(format!(
            "no answer within {timeout:?}; the call was given up"
        )),
        _ => error.into(),
    }
}

pub(super) fn header(answer: &Response, name: &str) -> String {
    answer
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

fn is_text(answer: &Response) -> bool {
    let kind = header(answer, "content-type");
    kind.starts_with("text/") || kind.contains("json") || kind.is_empty()
}

pub(super) fn print_id(answer: &Response) -> Result<(), Error> {
    let location = header(answer, "location");
    let id = match location.strip_prefix("/invocations/") {
        Some(id) => id.to_owned(),
        None if !location.is_empty() => location.trim_start_matches("/runs/").to_owned(),
        None => header(answer, "x-invocation-id"),
    };
    writeln!(std::io::stdout().lock(), "{id}")?;
    if std::io::stderr().is_terminal() && !location.is_empty() {
        eprintln!("look at it with: kubectl get --raw {location}");
    }
    Ok(())
}

/// Prints an answer as it is; on a terminal the prompt gets a line of its own.
pub(super) fn print_body(body: &[u8], text: bool) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    out.write_all(body)?;
    if text && !body.ends_with(b"\n") && std::io::stdout().is_terminal() {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// Why a call failed, for people: the function's exception with its trace, or the platform's reason.
pub(super) fn failure(code: u16, body: &[u8], id: &str) -> Error {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let Some(kind) = text("errorType") else {
        return ClientError::from_answer(code, body).into();
    };
    let mut said = format!(
        "the function failed: {kind}: {}",
        text("errorMessage").unwrap_or_default()
    );
    match value.get("stackTrace") {
        Some(Value::String(trace)) => said.push_str(&format!("\n{}", trace.trim_end())),
        Some(Value::Array(lines)) => {
            for line in lines.iter().filter_map(Value::as_str) {
                said.push_str(&format!("\n{}", line.trim_end()));
            }
        }
        _ => {}
    }
    if !id.is_empty() {
        said.push_str(&format!("\ninvocation {id}"));
    }
    Error::Message(said)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_exception_comes_with_its_trace() {
        let body = json!({"errorType": "ZeroDivisionError", "errorMessage": "division by zero",
            "stackTrace": ["  File \"func.py\", line 2, in main\n    return 1 / 0\n"]});
        let text = failure(500, body.to_string().as_bytes(), "i-1").to_string();
        insta::assert_snapshot!(text, @r#"
        error: the function failed: ZeroDivisionError: division by zero
          File "func.py", line 2, in main
            return 1 / 0
        invocation i-1
        "#);
    }

    #[test]
    fn the_platforms_own_refusals_read_as_kubectls() {
        let body = r#"{"kind":"Status","reason":"NotFound","message":"function \"x\" not found","code":404}"#;
        assert_eq!(
            failure(404, body.as_bytes(), "").to_string(),
            "Error from server (NotFound): function \"x\" not found"
        );
    }

    #[test]
    fn a_held_call_says_what_it_waits_for() {
        let building = json!({"status": {"conditions": [{"type": "Built", "status": "False", "message": "installing numpy"}]}});
        assert_eq!(stand("f", &building), "building f: installing numpy");
        let starting = json!({"status": {"conditions": [{"type": "Built", "status": "True"}], "readyReplicas": 0}});
        assert_eq!(stand("f", &starting), "starting f");
        let running = json!({"status": {"readyReplicas": 2}});
        assert_eq!(stand("f", &running), "running f (2 pods)");
    }
}
