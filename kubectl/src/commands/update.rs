//! `update`: an apply that says what becomes of the pods that run.

use std::io::Write as _;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use super::apply::{
    CommonArgs, FileArgs, Verb, check_server, namespace_of, prepare, push, until_built,
};
use super::error::{Error, message};
use crate::cli::{Globals, duration};
use crate::client::{Client, MERGE_PATCH, Request, ResourceType};
use crate::manifest::Strictness;

/// What becomes of the pods of the old revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum How {
    /// They go on until the new revision is ready: no call fails.
    Soft,
    /// They are stopped first: old and new never run at once.
    Hard,
}

/// `kubectl update`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  # roll to the new code without a failed call
  kubectl update -f function.yaml

  # stop every pod of the old code first
  kubectl update hard -f function.yaml")]
pub struct UpdateArgs {
    /// soft rolls; hard stops all pods first
    #[arg(
        value_enum,
        value_name = "hard|soft",
        default_value = "soft",
        hide_possible_values = true
    )]
    how: How,
    /// The files
    #[arg(
        short,
        long = "filename",
        value_name = "FILE|DIR|URL|-",
        value_delimiter = ',',
        required = true
    )]
    filename: Vec<String>,
    /// Look in directories below a directory too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// How long to wait for builds and for pods to stop
    #[arg(long, value_parser = duration, default_value = "5m")]
    timeout: Duration,
}

/// Runs `update`.
///
/// # Errors
/// When a file is wrong, the server refuses, or the build fails.
pub async fn update(args: &UpdateArgs, globals: &Globals) -> Result<(), Error> {
    let files = FileArgs {
        files: Vec::new(),
        filename: args.filename.clone(),
        recursive: args.recursive,
    };
    let common = CommonArgs {
        dry_run: super::apply::DryRun::None,
        wait: Some(true),
        timeout: args.timeout,
        validate: "strict".to_owned(),
        field_manager: "kubectl-client-side-apply".to_owned(),
        output: None,
    };
    let (client, objects) = prepare(&files, Strictness::Strict, globals).await?;
    check_server(&client).await?;
    for object in &objects {
        let namespace = namespace_of(object, globals, &client)?;
        let resource = ResourceType::from(object.kind);
        let stops = args.how == How::Hard && resource.kind == "Function";
        let before = match stops {
            true => stop(&client, &resource, &namespace, object.name(), args.timeout).await?,
            false => None,
        };
        let pushed = push(&client, object, &namespace, Verb::Apply, &common).await;
        if let Some(pinned) = before {
            // Also after a failed push: the function must not stay off.
            let path = resource.object(&namespace, object.name());
            pin(&client, &path, &pinned).await?;
        }
        let (outcome, value) = pushed?;
        writeln!(
            std::io::stdout().lock(),
            "{}/{} {}",
            resource.label(),
            object.name(),
            outcome.word()
        )?;
        if resource.kind == "Function" {
            until_built(&client, &resource, &namespace, &value, args.timeout).await?;
        }
    }
    Ok(())
}

/// Turns a function off and waits until its pods are gone. Gives what it was pinned to before (null
/// for nothing); None when there is no such function.
async fn stop(
    client: &Client,
    resource: &ResourceType,
    namespace: &str,
    name: &str,
    timeout: Duration,
) -> Result<Option<Value>, Error> {
    let path = resource.object(namespace, name);
    let Some(function) = client.find(&path).await? else {
        return Ok(None);
    };
    let before = function
        .pointer("/spec/scaling/pinned")
        .cloned()
        .unwrap_or(Value::Null);
    pin(client, &path, &json!(0)).await?;
    let start = Instant::now();
    loop {
        let pods = client
            .find(&path)
            .await?
            .and_then(|function| function.pointer("/status/replicas")?.as_u64());
        if pods.unwrap_or(0) == 0 {
            return Ok(Some(before));
        }
        if start.elapsed() >= timeout {
            pin(client, &path, &before).await?;
            return message(format!(
                "timed out waiting for the pods of {name} to stop; nothing was updated"
            ));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn pin(client: &Client, path: &str, pinned: &Value) -> Result<(), Error> {
    let patch = json!({"spec": {"scaling": {"pinned": pinned}}});
    client
        .json(Request::new(Method::PATCH, path).body(MERGE_PATCH, patch.to_string()))
        .await?;
    Ok(())
}
