//! `logs`: what functions print, and what their builds say.

use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use common::resources::{Function, Kind, Pod, Resource as _};
use futures_util::StreamExt as _;
use serde_json::Value;

use super::error::{Error, message};
use crate::cli::{Globals, duration};
use crate::client::{Client, Request, ResourceType, lines};

/// `kubectl logs`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  # a pod
  kubectl logs func1-7f00aa-x1y2z

  # all pods of a function, as they print
  kubectl logs -f function/func1

  # the build of a function
  kubectl logs function/func1 --build")]
pub struct LogsArgs {
    /// POD, or function/NAME
    #[arg(value_name = "POD | function/NAME", required_unless_present = "selector", add = super::completion::pods())]
    target: Option<String>,
    /// The container; pods here have one
    #[arg(hide = true)]
    container: Option<String>,
    /// Go on as more is printed
    #[arg(short, long)]
    follow: bool,
    /// Only the last N lines; -1 for all
    #[arg(
        long,
        value_name = "N",
        default_value = "-1",
        allow_hyphen_values = true,
        hide_default_value = true
    )]
    tail: i64,
    /// Only what is newer than this, as 10m
    #[arg(long, value_parser = duration)]
    since: Option<Duration>,
    /// What the build of the function said
    #[arg(long)]
    build: bool,
    /// All pods with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Each line with its time
    #[arg(long)]
    timestamps: bool,
    /// The container; pods here have one
    #[arg(short = 'c', long = "container", hide = true)]
    container_flag: Option<String>,
}

/// Runs `logs`.
///
/// # Errors
/// When there is no such pod or function.
pub async fn logs(args: &LogsArgs, globals: &Globals) -> Result<(), Error> {
    let client = globals.connect()?;
    if let Some(selector) = &args.selector {
        return of_selector(args, &client, selector).await;
    }
    let target = args.target.as_deref().unwrap_or_default();
    let (kind, name) = match target.split_once('/') {
        None if args.build => (Function::KIND, target),
        None => (Pod::KIND, target),
        Some((word, name)) => match Kind::by_word(word) {
            Some(kind) if kind == Pod::KIND || kind == Function::KIND => (kind, name),
            _ => {
                return message(format!(
                    "logs are of a pod or a function: found \"{target}\", want POD or function/NAME"
                ));
            }
        },
    };
    let (namespace, name) = name
        .split_once('/')
        .unwrap_or_else(|| (client.namespace(), name));
    if args.build && kind != Function::KIND {
        return message("--build goes with function/NAME: pods are not built");
    }
    let shown = show(args, &client, kind, namespace, name).await;
    match shown {
        Err(Error::Client(error)) if error.is_not_found() && kind == Pod::KIND => {
            let path = ResourceType::from(Function::KIND).object(namespace, name);
            let hint = match client.find(&path).await {
                Ok(Some(_)) => {
                    format!("; there is a function of that name: kubectl logs function/{name}")
                }
                _ => String::new(),
            };
            Err(Error::Message(format!(
                "{}{hint}",
                error.to_string().trim_start_matches("error: ")
            )))
        }
        shown => shown,
    }
}

async fn of_selector(args: &LogsArgs, client: &Client, selector: &str) -> Result<(), Error> {
    let path = ResourceType::from(Pod::KIND).collection(Some(client.namespace()));
    let list = client
        .json(Request::get(&path).query("labelSelector", selector))
        .await?;
    let items = list
        .get("items")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let names: Vec<&str> = items
        .iter()
        .filter_map(|item| item.pointer("/metadata/name")?.as_str())
        .collect();
    if names.is_empty() {
        eprintln!("No resources found in {} namespace.", client.namespace());
    }
    let shown = names
        .iter()
        .map(|name| show(args, client, Pod::KIND, client.namespace(), name));
    futures_util::future::try_join_all(shown).await.map(|_| ())
}

async fn show(
    args: &LogsArgs,
    client: &Client,
    kind: &'static Kind,
    namespace: &str,
    name: &str,
) -> Result<(), Error> {
    let path = format!("{}/log", ResourceType::from(kind).object(namespace, name));
    let mut request = Request::get(&path).accept("text/plain,application/json;q=0.5,*/*;q=0.1");
    if args.follow {
        request = request.query("follow", "true");
    }
    if args.tail >= 0 {
        request = request.query("tailLines", args.tail.to_string());
    }
    if let Some(since) = args.since {
        request = request.query("sinceSeconds", since.as_secs().max(1).to_string());
    }
    if args.timestamps {
        request = request.query("timestamps", "true");
    }
    if args.build {
        request = request.query("build", "true");
    }
    let mut lines = lines(client.ok(request).await?);
    while let Some(line) = lines.next().await {
        let line = line.map_err(|error| Error::Message(format!("the log broke off: {error}")))?;
        let mut out = std::io::stdout().lock();
        out.write_all(&line)?;
        out.flush()?;
    }
    Ok(())
}
