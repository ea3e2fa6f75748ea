use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde_json::Value;

use crate::client::{Client, Request, ResourceType, lines};
use crate::commands::error::{Error, message};
use crate::print::progress::Progress;

/// How often the server is asked.
const PAUSE: Duration = Duration::from_millis(250);
/// How long the last lines of a build that has ended may take.
const LAST_LINES: Duration = Duration::from_secs(5);

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
            let what = Waited::new(resource, namespace, written);
            what.wait(client, timeout, run_stand, None).await
        }
        _ => Ok(()),
    }
}

/// Waits until a function is built, and shows what its build says meanwhile.
pub(in crate::commands) async fn until_built(
    client: &Client,
    resource: &ResourceType,
    namespace: &str,
    written: &Value,
    timeout: Duration,
) -> Result<(), Error> {
    let what = Waited::new(resource, namespace, written);
    let log = format!("{}/log", what.path);
    what.wait(client, timeout, build_stand, Some(&log)).await
}

/// An object that is waited for.
struct Waited {
    label: String,
    path: String,
    generation: i64,
}

impl Waited {
    fn new(resource: &ResourceType, namespace: &str, written: &Value) -> Self {
        let name = text(written, "/metadata/name");
        let generation = written
            .pointer("/metadata/generation")
            .and_then(Value::as_i64);
        Self {
            label: format!("{}/{name}", resource.label()),
            path: resource.object(namespace, name),
            generation: generation.unwrap_or(0),
        }
    }

    /// Waits, and shows the log at the path `log` from when there is something to wait for.
    async fn wait(
        &self,
        client: &Client,
        timeout: Duration,
        stand_of: fn(&Value, i64) -> Stand,
        log: Option<&str>,
    ) -> Result<(), Error> {
        let what = &self.label;
        let progress = Progress::on_terminal();
        let start = Instant::now();
        let mut log = log.map(|path| Box::pin(show_log(client, path, &progress)));
        let mut looks = 0;
        loop {
            let Some(object) = client.find(&self.path).await? else {
                return message(format!("{what} was deleted while it was waited for"));
            };
            let stand = stand_of(&object, self.generation);
            if let Stand::Going(at) = stand {
                progress.say(format!("{what}: {at}"));
                if start.elapsed() >= timeout {
                    return message(format!("timed out waiting for {what}: {at}"));
                }
                looks += 1;
                match &mut log {
                    Some(showing) => {
                        if tokio::time::timeout(PAUSE, showing).await.is_ok() {
                            log = None;
                        }
                    }
                    None => tokio::time::sleep(PAUSE).await,
                }
                continue;
            }
            if let Some(showing) = log.filter(|_| looks > 0) {
                let _ = tokio::time::timeout(LAST_LINES, showing).await;
            }
            return match stand {
                Stand::Failed(why) => message(format!("{what}: {why}")),
                Stand::Done | Stand::Going(_) => Ok(()),
            };
        }
    }
}

/// Shows what a build says until it ends. A server that does not tell it is waited for all the same.
async fn show_log(client: &Client, path: &str, progress: &Progress) {
    let request = Request::get(path)
        .accept("text/plain,application/json;q=0.5,*/*;q=0.1")
        .query("build", "true")
        .query("follow", "true");
    let Ok(answer) = client.ok(request).await else {
        return;
    };
    let mut lines = lines(answer);
    while let Some(Ok(line)) = lines.next().await {
        progress.line(String::from_utf8_lossy(&line).trim_end());
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
