//! `stop`: ends a run.

use std::io::Write as _;

use clap::Args;
use common::resources::{Resource as _, WorkflowRun};
use reqwest::Method;
use serde_json::{Value, json};

use super::error::{Error, message};
use super::target::targets;
use crate::cli::Globals;
use crate::client::{MERGE_PATCH, Request};

/// `kubectl stop`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  kubectl get runs
  kubectl stop run/workflow-example-1-3f2a9 --cause 'wrong input'")]
pub struct StopArgs {
    /// run/NAME…, or run NAME…
    #[arg(value_name = "run/NAME", required = true)]
    words: Vec<String>,
    /// The error's name that the run shows
    #[arg(long)]
    error: Option<String>,
    /// Why, for people
    #[arg(long)]
    cause: Option<String>,
}

/// Runs `stop`.
///
/// # Errors
/// When there is no such run, or the server refuses.
pub async fn stop(args: &StopArgs, globals: &Globals) -> Result<(), Error> {
    let spec = json!({ "stop": true, "stopError": args.error, "stopCause": args.cause });
    change(&args.words, globals, "stopped", |_| spec.clone()).await
}

/// Changes the specs of runs.
pub(super) async fn change(
    words: &[String],
    globals: &Globals,
    done: &str,
    spec: impl Fn(&Value) -> Value,
) -> Result<(), Error> {
    let client = globals.connect()?;
    for target in targets(&client, words).await? {
        let Some(name) = &target.name else {
            return message("resource(s) were provided, but no name was specified");
        };
        if target.resource.plural != WorkflowRun::KIND.plural {
            return message(format!(
                "found {}/{name}, want a run; see: kubectl get runs",
                target.resource.label()
            ));
        }
        let path = target.path(false);
        let run = client.json(Request::get(&path)).await?;
        let patch = json!({ "spec": spec(&run) }).to_string();
        client
            .json(Request::new(Method::PATCH, &path).body(MERGE_PATCH, patch))
            .await?;
        writeln!(
            std::io::stdout().lock(),
            "{}/{name} {done}",
            target.resource.label()
        )?;
    }
    Ok(())
}
