//! `task`: answers by hand what a run waits for.

use std::io::Write as _;

use clap::{Args, Subcommand};
use common::resources::{Resource as _, Task};
use reqwest::Method;
use serde_json::{Value, json};

use super::error::{Error, message};
use super::execute::arguments;
use crate::cli::Globals;
use crate::client::{Client, MERGE_PATCH, Request, ResourceType};

/// `kubectl task`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  # what waits for somebody
  kubectl get tasks

  # let the run go on, with an output for the next state
  kubectl task approve 3f2a91c0 '{\"approved\": true}'

  # end the task with an error that the state's Retry and Catch see
  kubectl task fail 3f2a91c0 --error Rejected --cause 'too expensive'")]
pub struct TaskArgs {
    #[command(subcommand)]
    answer: Answer,
}

#[derive(Subcommand, Clone, Debug)]
enum Answer {
    /// The task succeeds
    Approve {
        /// The task's name, the beginning of it, or the run that waits
        #[arg(value_name = "ID")]
        id: String,
        /// Its output: JSON, @FILE, or - for standard input; {} if not said
        #[arg(value_name = "OUTPUT")]
        output: Vec<String>,
    },
    /// The task fails
    Fail {
        /// The task's name, the beginning of it, or the run that waits
        #[arg(value_name = "ID")]
        id: String,
        /// The error's name
        #[arg(long, default_value = "TaskRejected")]
        error: String,
        /// Why, for people
        #[arg(long, default_value = "")]
        cause: String,
    },
}

/// Runs `task`.
///
/// # Errors
/// When there is no such task, more than one, or the server refuses.
pub async fn task(args: &TaskArgs, globals: &Globals) -> Result<(), Error> {
    let client = globals.connect()?;
    let (id, answer, word) = match &args.answer {
        Answer::Approve { id, output } => {
            let text = arguments::read(output)?;
            let output: Value = serde_json::from_str(&text)
                .map_err(|error| Error::Message(format!("the output is not JSON: {error}")))?;
            (id, json!({ "output": output }), "approved")
        }
        Answer::Fail { id, error, cause } => {
            let answer = json!({ "failed": true, "error": error, "cause": cause });
            (id, answer, "failed")
        }
    };
    let resource = ResourceType::from(Task::KIND);
    let namespace = client.namespace().to_owned();
    let name = find(&client, &resource, &namespace, id).await?;
    let path = format!("{}/status", resource.object(&namespace, &name));
    let patch = json!({ "status": { "answer": answer } }).to_string();
    client
        .json(Request::new(Method::PATCH, &path).body(MERGE_PATCH, patch))
        .await?;
    writeln!(std::io::stdout().lock(), "task/{name} {word}")?;
    Ok(())
}

/// The one task that is meant.
async fn find(
    client: &Client,
    resource: &ResourceType,
    namespace: &str,
    id: &str,
) -> Result<String, Error> {
    let collection = resource.collection(Some(namespace));
    let list = client.json(Request::get(&collection)).await?;
    let tasks = list["items"].as_array().cloned().unwrap_or_default();
    let found: Vec<(&str, &str)> = tasks
        .iter()
        .filter(|task| task.pointer("/status/answer").is_none())
        .filter_map(|task| {
            let name = task.pointer("/metadata/name")?.as_str()?;
            let run = task.pointer("/spec/run")?.as_str()?;
            Some((name, run))
        })
        .filter(|(name, run)| name.starts_with(id) || *run == id)
        .collect();
    match found.as_slice() {
        [(name, _)] => Ok((*name).to_owned()),
        [] => message(format!(
            "no task {id:?} waits in namespace {namespace}; see: kubectl get tasks -A"
        )),
        several => {
            let names: Vec<_> = several
                .iter()
                .map(|(name, run)| format!("{name} (run {run})"))
                .collect();
            message(format!("{id:?} may be any of {}", names.join(", ")))
        }
    }
}
