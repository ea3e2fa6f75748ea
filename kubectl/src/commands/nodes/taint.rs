//! `taint`: marks that keep pods away from nodes.

use std::io::Write as _;

use clap::Args;
use common::resources::Taint;
use reqwest::Method;
use serde_json::{Value, json};

use super::chosen::{chosen, path};
use super::mark::{Mark, is_mark};
use crate::cli::Globals;
use crate::client::{Client, MERGE_PATCH, Request};
use crate::commands::completion::names;
use crate::commands::error::{Error, message};

/// How often a node is read again that somebody else changed meanwhile.
const ATTEMPTS: usize = 10;

/// `kubectl taint`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Effects:
  NoSchedule         new pods go elsewhere
  PreferNoSchedule   new pods go elsewhere while there is room elsewhere
  NoExecute          new pods go elsewhere, and those that are there move away

A function whose pods may go there all the same says so:
  spec:
    tolerations: [ { key: gpu, operator: Exists } ]

Examples:
  # only functions that tolerate it
  kubectl taint nodes node-1 gpu=a100:NoSchedule

  # everything leaves
  kubectl taint nodes node-1 maintenance:NoExecute

  # as before
  kubectl taint nodes node-1 gpu- maintenance:NoExecute-")]
pub struct TaintArgs {
    /// nodes NODE…, and KEY=VALUE:EFFECT to add, KEY- or KEY:EFFECT- to take away
    #[arg(value_name = "nodes NODE… TAINT…", required = true, add = names())]
    words: Vec<String>,
    /// The nodes with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Change taints that are there already
    #[arg(long)]
    overwrite: bool,
}

/// Runs `taint`.
///
/// # Errors
/// When a node is not there, a taint makes no sense, or the server refuses.
pub async fn taint(args: &TaintArgs, globals: &Globals) -> Result<(), Error> {
    let words = args.words.as_slice();
    let words = match words.first().map(String::as_str) {
        Some("node" | "nodes" | "no") => words.get(1..).unwrap_or_default(),
        Some(word) if word.starts_with("node/") || word.starts_with("nodes/") => words,
        _ => return message("only nodes have taints: kubectl taint nodes NODE KEY=VALUE:EFFECT"),
    };
    let at = words
        .iter()
        .position(|word| is_mark(word))
        .unwrap_or(words.len());
    let (nodes, marks) = words.split_at(at);
    let marks = marks
        .iter()
        .map(|word| Mark::parse(word))
        .collect::<Result<Vec<_>, _>>();
    let marks = marks.map_err(Error::Message)?;
    if marks.is_empty() {
        return message("say which taint: KEY=VALUE:EFFECT to add one, KEY- to take one away");
    }
    let client = globals.connect()?;
    let removes = |mark: &Mark| matches!(mark, Mark::Remove { .. });
    let done = match (marks.iter().all(removes), marks.iter().any(removes)) {
        (true, _) => "untainted",
        (_, true) => "modified",
        _ => "tainted",
    };
    for node in chosen(&client, nodes, args.selector.as_deref()).await? {
        change(&client, &node, &marks, args.overwrite).await?;
        writeln!(std::io::stdout().lock(), "node/{node} {done}")?;
    }
    Ok(())
}

async fn change(client: &Client, name: &str, marks: &[Mark], overwrite: bool) -> Result<(), Error> {
    let path = path(name);
    for _ in 0..ATTEMPTS {
        let node = client.json(Request::get(&path)).await?;
        let taints = node.pointer("/spec/taints").cloned().unwrap_or(json!([]));
        let mut taints: Vec<Taint> = serde_json::from_value(taints)
            .map_err(|error| Error::Message(format!("read the taints of node {name}: {error}")))?;
        for mark in marks {
            mark.apply(&mut taints, overwrite)
                .map_err(|why| Error::Message(format!("node {name} {why}")))?;
        }
        let version = node
            .pointer("/metadata/resourceVersion")
            .and_then(Value::as_str);
        let patch =
            json!({ "metadata": { "resourceVersion": version }, "spec": { "taints": taints } });
        let request = Request::new(Method::PATCH, &path).body(MERGE_PATCH, patch.to_string());
        match client.json(request).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
    }
    message(format!(
        "node {name} was changed by others all the time; try again"
    ))
}
