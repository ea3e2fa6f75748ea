//! `update`: an apply that says what becomes of the pods that run.

use std::io::Write as _;
use std::time::Duration;

use clap::{Args, ValueEnum};
use common::resources::UPDATE_ANNOTATION;

use super::apply::{
    CommonArgs, FileArgs, Verb, check_server, namespace_of, prepare, push, until_built,
};
use super::error::Error;
use crate::cli::{Globals, duration};
use crate::client::ResourceType;
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
    /// How long to wait for builds
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
    let (client, mut objects) = prepare(&files, Strictness::Strict, globals).await?;
    check_server(&client).await?;
    for object in &mut objects {
        let namespace = namespace_of(object, globals, &client)?;
        let resource = ResourceType::from(object.kind);
        if args.how == How::Hard && resource.kind == "Function" {
            // Part of what is applied, so that the next soft update takes it away again.
            object.value["metadata"]["annotations"][UPDATE_ANNOTATION] = "hard".into();
        }
        let (outcome, value) = push(&client, object, &namespace, Verb::Apply, &common).await?;
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
