//! `redrive`: runs go on from where they failed; dead letters are begun again.

use std::io::Write as _;

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::error::{Error, message};
use super::get;
use super::stop::change;
use crate::cli::Globals;
use crate::client::Request;

/// `kubectl redrive`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  # a run goes on from the state that failed; what succeeded is not repeated
  kubectl redrive run/workflow-example-1-3f2a9

  # asynchronous calls that were given up
  kubectl get invocations --failed

  # one of them, with all its attempts again
  kubectl redrive 0123456789abcdef0123456789abcdef

  # all of one function, once it is mended
  kubectl redrive --failed --function greet")]
pub struct RedriveArgs {
    /// run/NAME, or the ID of an asynchronous call that failed
    #[arg(
        value_name = "run/NAME|ID",
        required_unless_present = "failed",
        conflicts_with = "failed"
    )]
    ids: Vec<String>,
    /// All that failed in the namespace
    #[arg(long)]
    failed: bool,
    /// Only calls of this function
    #[arg(long, value_name = "NAME", requires = "failed")]
    function: Option<String>,
}

/// Runs `redrive`.
///
/// # Errors
/// When a run or an invocation is not there or has not failed; those before it go on.
pub async fn redrive(args: &RedriveArgs, globals: &Globals) -> Result<(), Error> {
    let client = globals.connect()?;
    let mut ids = args.ids.clone();
    if args.failed {
        let own = format!("{}/", client.namespace());
        let wanted = |call: &Value| {
            let function = call["function"].as_str().unwrap_or_default();
            let name = function.strip_prefix(&own);
            name.is_some_and(|name| args.function.as_deref().is_none_or(|only| only == name))
        };
        let all = get::invocations(&client, true).await?;
        let found = all.iter().filter(|call| wanted(call));
        ids.extend(found.filter_map(|call| call["id"].as_str().map(str::to_owned)));
        if ids.is_empty() {
            return message(
                "no asynchronous call has failed there; see: kubectl get invocations -A",
            );
        }
    }
    let (runs, ids): (Vec<String>, Vec<String>) = ids
        .into_iter()
        .partition(|id| id.contains("run/") || id.contains("runs/"));
    if !runs.is_empty() {
        change(&runs, globals, "redriven", |run| {
            let redrives = run.pointer("/status/redrives").and_then(Value::as_u64);
            let redrives = redrives.unwrap_or(0) + 1;
            json!({ "redrives": redrives, "stop": null, "stopError": null, "stopCause": null })
        })
        .await?;
    }
    for id in &ids {
        let id = id.strip_prefix("invocation/").unwrap_or(id);
        let path = format!("/invocations/{id}/redrive");
        client.ok(Request::new(Method::POST, &path)).await?;
        writeln!(std::io::stdout().lock(), "invocation/{id} redriven")?;
    }
    Ok(())
}
