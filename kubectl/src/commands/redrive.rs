//! `redrive`: dead letters are begun again.

use std::io::Write as _;

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::error::{Error, message};
use super::get;
use crate::cli::Globals;
use crate::client::Request;

/// `kubectl redrive`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  # what was given up
  kubectl get invocations --failed

  # one of them, with all its attempts again
  kubectl redrive 0123456789abcdef0123456789abcdef

  # all of one function, once it is mended
  kubectl redrive --failed --function greet")]
pub struct RedriveArgs {
    /// ID of an asynchronous call that failed
    #[arg(
        value_name = "ID",
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
/// When an invocation is not there or has not failed; those before it are begun again.
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
    for id in &ids {
        let id = id.strip_prefix("invocation/").unwrap_or(id);
        let path = format!("/invocations/{id}/redrive");
        client.ok(Request::new(Method::POST, &path)).await?;
        writeln!(std::io::stdout().lock(), "invocation/{id} redriven")?;
    }
    Ok(())
}
