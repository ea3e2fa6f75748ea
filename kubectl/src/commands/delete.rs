//! `delete`.

use std::io::Write as _;
use std::time::{Duration, Instant};

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::apply::{FileArgs, namespace_of};
use super::error::{Error, message};
use super::target::{Target, targets};
use crate::cli::{Globals, duration};
use crate::client::{Client, JSON, Request, ResourceType};
use crate::manifest::{self, Purpose, Strictness};

/// `kubectl delete`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  # a function with its pods
  kubectl delete function func1

  # everything that a file names
  kubectl delete -f function.yaml

  # all functions with a label
  kubectl delete functions -l team=blue")]
pub struct DeleteArgs {
    /// KIND NAME…, or KIND/NAME…
    #[arg(value_name = "KIND NAME", add = super::completion::names())]
    words: Vec<String>,
    /// The objects that these files name
    #[arg(
        short,
        long = "filename",
        value_name = "FILE|DIR|URL|-",
        value_delimiter = ','
    )]
    filename: Vec<String>,
    /// Look in directories below a directory too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// All objects with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// All objects of the kind in the namespace
    #[arg(long)]
    all: bool,
    /// An object that is not there is no failure
    #[arg(long)]
    ignore_not_found: bool,
    /// Wait until the objects are gone
    #[arg(long, num_args = 0..=1, default_value = "true", default_missing_value = "true", require_equals = true, value_name = "true|false")]
    wait: String,
    /// How long to wait
    #[arg(long, value_parser = duration)]
    timeout: Option<Duration>,
    /// Seconds that pods get to end in order
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true)]
    grace_period: Option<i64>,
    /// Do not wait for pods to end in order
    #[arg(long)]
    force: bool,
    /// The same as --grace-period=1
    #[arg(long)]
    now: bool,
    /// What becomes of what the objects own: background, foreground or orphan
    #[arg(long, default_value = "background", value_name = "POLICY")]
    cascade: String,
    /// Print only kind/name
    #[arg(short, long, value_name = "name")]
    output: Option<String>,
}

/// Runs `delete`.
///
/// # Errors
/// When something is not there or the server refuses.
pub async fn delete(args: &DeleteArgs, globals: &Globals) -> Result<(), Error> {
    let client = globals.connect()?;
    let from_files = !args.filename.is_empty();
    let found = if from_files {
        if !args.words.is_empty() {
            return message("when files are given, name no objects beside them");
        }
        of_files(args, globals, &client).await?
    } else {
        of_words(args, &client).await?
    };
    let mut gone = Vec::new();
    let mut failed = false;
    for target in found {
        match delete_one(args, &client, &target).await {
            Ok(uid) => gone.push((target, uid)),
            Err(Error::Client(error)) if error.is_not_found() && args.ignore_not_found => {}
            Err(error) => {
                eprintln!("{error}");
                failed = true;
            }
        }
    }
    if gone.is_empty() && !failed {
        eprintln!("No resources found");
    }
    if args.wait != "false" {
        for (target, uid) in &gone {
            until_gone(&client, target, uid.as_deref(), args.timeout).await?;
        }
    }
    if failed { Err(Error::Said) } else { Ok(()) }
}

async fn of_files(
    args: &DeleteArgs,
    globals: &Globals,
    client: &Client,
) -> Result<Vec<Target>, Error> {
    let files = FileArgs {
        files: Vec::new(),
        filename: args.filename.clone(),
        recursive: args.recursive,
    };
    let inputs = manifest::gather(&files.names()?, files.recursive).await?;
    let objects = manifest::read_all(&inputs, Strictness::Lax, Purpose::Name)?;
    let target = |object: &manifest::Object| {
        Ok(Target {
            resource: ResourceType::from(object.kind),
            namespace: namespace_of(object, globals, client)?,
            name: Some(object.name().to_owned()),
        })
    };
    objects.iter().map(target).collect()
}

async fn of_words(args: &DeleteArgs, client: &Client) -> Result<Vec<Target>, Error> {
    let mut found = Vec::new();
    for target in targets(client, &args.words).await? {
        if target.name.is_some() {
            if args.all || args.selector.is_some() {
                return message("name cannot be provided when a selector or --all is specified");
            }
            found.push(target);
            continue;
        }
        if !args.all && args.selector.is_none() {
            return message("resource(s) were provided, but no name was specified");
        }
        let path = target.path(false);
        let mut request = Request::get(&path);
        if let Some(selector) = &args.selector {
            request = request.query("labelSelector", selector);
        }
        let list = client.json(request).await?;
        let items = list
            .get("items")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        found.extend(items.iter().filter_map(|item| {
            let name = item.pointer("/metadata/name")?.as_str()?.to_owned();
            Some(Target {
                name: Some(name),
                ..target.clone()
            })
        }));
    }
    Ok(found)
}

async fn delete_one(
    args: &DeleteArgs,
    client: &Client,
    target: &Target,
) -> Result<Option<String>, Error> {
    let policy = match args.cascade.as_str() {
        "background" | "true" => "Background",
        "foreground" => "Foreground",
        "orphan" | "false" => "Orphan",
        other => {
            return message(format!(
                "--cascade: found \"{other}\", want background, foreground or orphan"
            ));
        }
    };
    let mut options =
        json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy});
    let grace = match (args.force, args.now, args.grace_period) {
        (true, ..) => Some(0),
        (_, true, _) => Some(1),
        (.., given) => given.filter(|seconds| *seconds >= 0),
    };
    if let Some(seconds) = grace {
        options["gracePeriodSeconds"] = seconds.into();
    }
    let path = target.path(false);
    let request = Request::new(Method::DELETE, &path).body(JSON, options.to_string());
    let answer = client.json(request).await?;
    let name = target.name.as_deref().unwrap_or_default();
    let mut out = std::io::stdout().lock();
    match args.output.as_deref() {
        Some("name") => writeln!(out, "{}/{name}", target.resource.label())?,
        _ if args.force => writeln!(out, "{} \"{name}\" force deleted", target.resource.label())?,
        _ => writeln!(out, "{} \"{name}\" deleted", target.resource.label())?,
    }
    let uid = answer
        .pointer("/details/uid")
        .or_else(|| answer.pointer("/metadata/uid"));
    Ok(uid.and_then(Value::as_str).map(str::to_owned))
}

/// Waits until the object is gone, or another one of the same name is there.
async fn until_gone(
    client: &Client,
    target: &Target,
    uid: Option<&str>,
    timeout: Option<Duration>,
) -> Result<(), Error> {
    let start = Instant::now();
    let path = target.path(false);
    let mut pause = Duration::from_millis(20);
    loop {
        let Some(object) = client.find(&path).await? else {
            return Ok(());
        };
        let there = object.pointer("/metadata/uid").and_then(Value::as_str);
        if uid.is_some() && there != uid {
            return Ok(());
        }
        if timeout.is_some_and(|timeout| !timeout.is_zero() && start.elapsed() >= timeout) {
            let name = target.name.as_deref().unwrap_or_default();
            return message(format!(
                "timed out waiting for the deletion of {}/{name}",
                target.resource.label()
            ));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}
