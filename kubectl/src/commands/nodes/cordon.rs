//! `cordon` and `uncordon`: whether nodes take new pods.

use std::io::Write as _;

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::chosen::{chosen, path};
use crate::cli::Globals;
use crate::client::{Client, MERGE_PATCH, Request};
use crate::commands::completion::nodes;
use crate::commands::error::Error;

/// `kubectl cordon`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Pods that are there stay; to move them away, see: kubectl drain --help

Examples:
  # no new pods on node-1
  kubectl cordon node-1

  # nor on any node of a rack
  kubectl cordon -l rack=2"
)]
pub struct CordonArgs {
    /// The nodes
    #[arg(value_name = "NODE", add = nodes())]
    words: Vec<String>,
    /// The nodes with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
}

/// `kubectl uncordon`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:
  kubectl uncordon node-1")]
pub struct UncordonArgs {
    /// The nodes
    #[arg(value_name = "NODE", add = nodes())]
    words: Vec<String>,
    /// The nodes with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
}

/// Runs `cordon`.
///
/// # Errors
/// When a node is not there or the server refuses.
pub async fn cordon(args: &CordonArgs, globals: &Globals) -> Result<(), Error> {
    let client = globals.connect()?;
    for node in chosen(&client, &args.words, args.selector.as_deref()).await? {
        close(&client, &node, true).await?;
    }
    Ok(())
}

/// Runs `uncordon`.
///
/// # Errors
/// When a node is not there or the server refuses.
pub async fn uncordon(args: &UncordonArgs, globals: &Globals) -> Result<(), Error> {
    let client = globals.connect()?;
    for node in chosen(&client, &args.words, args.selector.as_deref()).await? {
        close(&client, &node, false).await?;
    }
    Ok(())
}

/// Closes a node to new pods, or opens it, and says so.
pub(super) async fn close(client: &Client, name: &str, closed: bool) -> Result<(), Error> {
    let path = path(name);
    let node = client.json(Request::get(&path)).await?;
    let before = node.pointer("/spec/unschedulable").and_then(Value::as_bool);
    let already = if before.unwrap_or(false) == closed {
        "already "
    } else {
        let patch = json!({ "spec": { "unschedulable": closed.then_some(true) } }).to_string();
        let request = Request::new(Method::PATCH, &path).body(MERGE_PATCH, patch);
        client.json(request).await?;
        ""
    };
    let done = if closed { "cordoned" } else { "uncordoned" };
    writeln!(std::io::stdout().lock(), "node/{name} {already}{done}")?;
    Ok(())
}
