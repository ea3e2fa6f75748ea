//! `describe`: one object, told at length.

mod function;
mod generic;
mod run;
mod sheet;

use std::io::Write as _;

use clap::Args;
use serde_json::Value;

use self::sheet::Sheet;
use super::error::{Error, message};
use super::target::{Target, targets};
use crate::cli::Globals;
use crate::client::{Client, Request};
use crate::print::{age, table};

/// `kubectl describe`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  # why does it not run?
  kubectl describe function func1

  # a workflow with the steps of its last run
  kubectl describe workflow default/workflow-example")]
pub struct DescribeArgs {
    /// KIND NAME…, or KIND/NAME…
    #[arg(value_name = "KIND NAME", required = true, add = super::completion::names())]
    words: Vec<String>,
    /// In all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// All objects with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Leave the events out
    #[arg(long, num_args = 0..=1, default_value = "true", default_missing_value = "true", require_equals = true, value_name = "true|false")]
    show_events: String,
}

/// Runs `describe`.
///
/// # Errors
/// When something is not there.
pub async fn describe(args: &DescribeArgs, globals: &Globals) -> Result<(), Error> {
    let client = globals.connect()?;
    let mut texts = Vec::new();
    let mut failed = false;
    for target in targets(&client, &args.words).await? {
        match objects(args, &client, &target).await {
            Ok(objects) => {
                for object in objects {
                    texts.push(text(args, &client, &target, &object).await?);
                }
            }
            Err(Error::Client(error)) => {
                eprintln!("{error}");
                failed = true;
            }
            Err(error) => return Err(error),
        }
    }
    if texts.is_empty() && !failed {
        eprintln!("No resources found in {} namespace.", client.namespace());
    }
    std::io::stdout()
        .lock()
        .write_all(texts.join("\n\n").as_bytes())?;
    if failed { Err(Error::Said) } else { Ok(()) }
}

async fn objects(
    args: &DescribeArgs,
    client: &Client,
    target: &Target,
) -> Result<Vec<Value>, Error> {
    let path = target.path(args.all_namespaces);
    if target.name.is_some() {
        if args.selector.is_some() {
            return message("name cannot be provided when a selector is specified");
        }
        return Ok(vec![client.json(Request::get(&path)).await?]);
    }
    let mut request = Request::get(&path);
    if let Some(selector) = &args.selector {
        request = request.query("labelSelector", selector);
    }
    let list = client.json(request).await?;
    Ok(list
        .get("items")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default())
}

async fn text(
    args: &DescribeArgs,
    client: &Client,
    target: &Target,
    object: &Value,
) -> Result<String, Error> {
    let mut sheet = Sheet::default();
    match target.resource.kind.as_str() {
        "Function" => function::write(client, object, &mut sheet).await,
        "Workflow" | "StateMachine" => {
            run::write_definition(client, target, object, &mut sheet).await?
        }
        "WorkflowRun" => run::write_run(client, object, &mut sheet).await,
        _ => generic::write(object, &mut sheet),
    }
    let mut text = sheet.finish();
    if args.show_events != "false" {
        text.push_str(&events(client, target, object).await);
    }
    Ok(text)
}

/// What happened to the object, at the end as kubectl has it.
async fn events(client: &Client, target: &Target, object: &Value) -> String {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let namespace = match text("/metadata/namespace") {
        "" => "default",
        namespace => namespace,
    };
    let selector = [
        ("name", text("/metadata/name")),
        (
            "namespace",
            if target.resource.namespaced {
                namespace
            } else {
                ""
            },
        ),
        ("kind", target.resource.kind.as_str()),
        ("uid", text("/metadata/uid")),
    ];
    let selector = selector.iter().filter(|(_, value)| !value.is_empty());
    let selector: Vec<_> = selector
        .map(|(key, value)| format!("involvedObject.{key}={value}"))
        .collect();
    let path = format!(
        "/api/v1/namespaces/{}/events",
        crate::client::segment(namespace)
    );
    let list = client
        .json(Request::get(&path).query("fieldSelector", selector.join(",")))
        .await;
    let Ok(list) = list else { return String::new() };
    let mut events = list
        .get("items")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if events.is_empty() {
        return "Events:  <none>\n".to_owned();
    }
    events.sort_by_key(|event| event_time(event).unwrap_or_default().to_owned());
    event_table(&events, jiff::Timestamp::now())
}

fn event_time(event: &Value) -> Option<&str> {
    let at = |key: &str| event.get(key).and_then(Value::as_str);
    at("lastTimestamp")
        .or_else(|| at("eventTime"))
        .or_else(|| at("firstTimestamp"))
}

fn event_table(events: &[Value], now: jiff::Timestamp) -> String {
    let head = |words: [&str; 5]| words.map(str::to_owned).to_vec();
    let mut lines = vec![
        head(["  Type", "Reason", "Age", "From", "Message"]),
        head(["  ----", "------", "----", "----", "-------"]),
    ];
    for event in events {
        let text = |key: &str| {
            event
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let mut since = age::since(event_time(event), now);
        if let Some(count) = event
            .get("count")
            .and_then(Value::as_u64)
            .filter(|count| *count > 1)
        {
            let first = event.get("firstTimestamp").and_then(Value::as_str);
            since = format!("{since} (x{count} over {})", age::since(first, now));
        }
        let source = event
            .pointer("/source/component")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let source = if source.is_empty() {
            text("reportingComponent")
        } else {
            source.to_owned()
        };
        let message = text("message").trim().replace('\n', " ");
        lines.push(vec![
            format!("  {}", text("type")),
            text("reason"),
            since,
            source,
            message,
        ]);
    }
    format!("Events:\n{}", table::plain(&lines))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_as_kubectl_lists_them() {
        let events = [
            json!({"type": "Normal", "reason": "Built", "lastTimestamp": "2026-01-01T00:00:00Z", "source": {"component": "images"}, "message": "layer sha256:1"}),
            json!({"type": "Warning", "reason": "CrashLoop", "lastTimestamp": "2026-01-01T00:00:50Z", "firstTimestamp": "2026-01-01T00:00:10Z",
                   "count": 4, "reportingComponent": "functions", "message": "exit 1\n"}),
        ];
        insta::assert_snapshot!(event_table(&events, "2026-01-01T00:01:00Z".parse().unwrap()), @r#"
        Events:
          Type      Reason      Age                 From        Message
          ----      ------      ----                ----        -------
          Normal    Built       60s                 images      layer sha256:1
          Warning   CrashLoop   10s (x4 over 50s)   functions   exit 1
        "#);
    }
}
