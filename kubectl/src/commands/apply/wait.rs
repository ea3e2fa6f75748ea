use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::{Client, ResourceType};
use crate::commands::error::{Error, message};
use crate::print::progress::Progress;

/// How often the server is asked.
const PAUSE: Duration = Duration::from_millis(250);

/// Where something that takes its time stands.
#[derive(Debug, PartialEq, Eq)]
enum Stand {
    /// On its way; says where.
    Going(String),
    /// There.
    Done,
    /// It will not come; says why.
    Failed(String),
}

/// Waits until a function is built or, with `runs_too`, the run of a workflow has ended.
pub(super) async fn until_done(
    client: &Client,
    resource: &ResourceType,
    namespace: &str,
    written: &Value,
    runs_too: bool,
    timeout: Duration,
) -> Result<(), Error> {
    match resource.kind.as_str() {
        "Function" => until_built(client, resource, namespace, written, timeout).await,
        "Workflow"
            if runs_too
                && written
                    .pointer("/spec/entryParams")
                    .is_some_and(Value::is_string) =>
        {
            wait(client, resource, namespace, written, timeout, run_stand).await
        }
        _ => Ok(()),
    }
}

/// Waits until a function is built.
pub(in crate::commands) async fn until_built(
    client: &Client,
    resource: &ResourceType,
    namespace: &str,
    written: &Value,
    timeout: Duration,
) -> Result<(), Error> {
    wait(client, resource, namespace, written, timeout, build_stand).await
}

async fn wait(
    client: &Client,
    resource: &ResourceType,
    namespace: &str,
    written: &Value,
    timeout: Duration,
    stand_of: fn(&Value, i64) -> Stand,
) -> Result<(), Error> {
    let name = written
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let generation = written
        .pointer("/metadata/generation")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    let what = format!("{}/{name}", resource.label());
    let path = resource.object(namespace, name);
    let progress = Progress::on_terminal();
    let start = Instant::now();
    loop {
        let Some(object) = client.find(&path).await? else {
            return message(format!("{what} was deleted while it was waited for"));
        };
        let at = match stand_of(&object, generation) {
            Stand::Done => return Ok(()),
            Stand::Failed(why) => return message(format!("{what}: {why}")),
            Stand::Going(at) => at,
        };
        progress.say(format!("{what}: {at}"));
        if start.elapsed() >= timeout {
            return message(format!("timed out waiting for {what}: {at}"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The condition of a type.
fn condition<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions
        .iter()
        .find(|condition| condition.get("type").and_then(Value::as_str) == Some(name))
}

fn is_current(object: &Value, condition: &Value, generation: i64) -> bool {
    let own = condition
        .get("observedGeneration")
        .or_else(|| object.pointer("/status/observedGeneration"));
    own.and_then(Value::as_i64)
        .is_none_or(|seen| seen >= generation)
}

fn said(condition: &Value) -> String {
    match (text(condition, "/reason"), text(condition, "/message")) {
        ("", message) => message.to_owned(),
        (reason, "") => reason.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

fn build_stand(function: &Value, generation: i64) -> Stand {
    if let Some(missing) =
        condition(function, "SourceMissing").filter(|c| text(c, "/status") == "True")
        && is_current(function, missing, generation)
    {
        return Stand::Failed(said(missing));
    }
    let Some(built) = condition(function, "Built") else {
        return Stand::Going("waiting for the builder".to_owned());
    };
    if !is_current(function, built, generation) {
        return Stand::Going("waiting for the builder".to_owned());
    }
    match text(built, "/status") {
        "True" => Stand::Done,
        "False" if !is_under_way(text(built, "/reason")) => Stand::Failed(said(built)),
        _ => Stand::Going(said(built)),
    }
}

/// A condition may be false only because it is not true yet.
fn is_under_way(reason: &str) -> bool {
    matches!(
        reason,
        "Building" | "Pending" | "Queued" | "Waiting" | "Unpacking" | "Installing" | "NoNode"
    )
}

fn run_stand(workflow: &Value, generation: i64) -> Stand {
    let seen = workflow
        .pointer("/status/observedGeneration")
        .and_then(Value::as_i64);
    if seen.is_some_and(|seen| seen < generation) {
        return Stand::Going("waiting for the run to begin".to_owned());
    }
    match text(workflow, "/status/phase") {
        "Succeeded" => Stand::Done,
        "" | "Pending" => Stand::Going("waiting for the run to begin".to_owned()),
        "Running" => Stand::Going(format!("running ({})", text(workflow, "/status/lastRun"))),
        phase => {
            let why = condition(workflow, "Failed").map(said).unwrap_or_default();
            Stand::Failed(format!(
                "run {} ended as {phase}: {why}",
                text(workflow, "/status/lastRun")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn function(status: &str, reason: &str, seen: i64) -> Value {
        json!({"status": {"observedGeneration": seen, "conditions": [
            {"type": "Built", "status": status, "reason": reason, "message": "m"}]}})
    }

    #[test]
    fn a_build_is_waited_for_until_its_verdict_on_this_generation() {
        assert_eq!(build_stand(&function("True", "Built", 2), 2), Stand::Done);
        assert!(matches!(
            build_stand(&function("True", "Built", 1), 2),
            Stand::Going(_)
        ));
        assert_eq!(
            build_stand(&function("Unknown", "Building", 2), 2),
            Stand::Going("Building: m".to_owned())
        );
        assert!(matches!(
            build_stand(&function("False", "Building", 2), 2),
            Stand::Going(_)
        ));
        assert_eq!(
            build_stand(&function("False", "SyntaxError", 2), 2),
            Stand::Failed("SyntaxError: m".to_owned())
        );
        assert!(matches!(build_stand(&json!({}), 1), Stand::Going(_)));
    }

    #[test]
    fn a_run_is_waited_for_until_it_ends() {
        let workflow = |phase: &str| json!({"status": {"phase": phase, "lastRun": "r"}});
        assert_eq!(run_stand(&workflow("Succeeded"), 1), Stand::Done);
        assert!(matches!(
            run_stand(&workflow("Running"), 1),
            Stand::Going(_)
        ));
        assert!(matches!(
            run_stand(&workflow("Failed"), 1),
            Stand::Failed(_)
        ));
    }
}
