use std::ffi::OsString;

use clap::{Parser, Subcommand};

use super::Globals;
use crate::commands::apply::{ApplyArgs, CreateArgs};
use crate::commands::completion::CompletionArgs;
use crate::commands::delete::DeleteArgs;
use crate::commands::describe::DescribeArgs;
use crate::commands::execute::ExecuteArgs;
use crate::commands::get::GetArgs;
use crate::commands::logs::LogsArgs;
use crate::commands::nodes::cordon::{CordonArgs, UncordonArgs};
use crate::commands::nodes::drain::DrainArgs;
use crate::commands::nodes::taint::TaintArgs;
use crate::commands::redrive::RedriveArgs;
use crate::commands::scale::ScaleArgs;
use crate::commands::stop::StopArgs;
use crate::commands::task::TaskArgs;
use crate::commands::update::UpdateArgs;
use crate::commands::version::VersionArgs;

/// Troupe's command line: functions and workflows, applied and called.
#[derive(Parser, Debug)]
#[command(
    name = "kubectl",
    bin_name = "kubectl",
    disable_version_flag = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 110,
    after_help = "Examples:
  kubectl apply function.yaml                  upload a function's directory and build it
  kubectl execute func1 '{\"x\": 1, \"y\": 2}'     call it
  kubectl get workflow default/my-workflow     phase and result
  kubectl describe function func1              why does it not run?

A command that is not listed here is left to the next kubectl on PATH."
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Create or change what files describe; uploads the code of functions
    Apply(ApplyArgs),
    /// Create what files describe
    Create(CreateArgs),
    /// Show objects
    Get(GetArgs),
    /// Show one object at length, with its events
    Describe(DescribeArgs),
    /// Delete objects
    Delete(DeleteArgs),
    /// Show what a pod, a function or a build printed
    Logs(LogsArgs),
    /// Fix the number of a function's pods, or leave it to its rule
    Scale(ScaleArgs),
    /// Let nodes take no new pods
    Cordon(CordonArgs),
    /// Let nodes take new pods again
    Uncordon(UncordonArgs),
    /// Move all pods away from nodes
    Drain(DrainArgs),
    /// Mark nodes, so that pods keep away
    Taint(TaintArgs),
    /// Call a function, or run a workflow or state machine
    Execute(ExecuteArgs),
    /// Begin asynchronous calls that failed again
    Redrive(RedriveArgs),
    /// Apply, with a say in what becomes of running pods
    Update(UpdateArgs),
    /// Answer a task that a run waits for
    Task(TaskArgs),
    /// End a run
    Stop(StopArgs),
    /// Show the versions of this program and the server
    Version(VersionArgs),
    /// Print a shell's completion script
    Completion(CompletionArgs),
    /// Anything else.
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// `kubectl execute` as a plugin of the real kubectl: its own options after the name.
#[derive(Parser, Debug)]
#[command(
    name = "kubectl-execute",
    bin_name = "kubectl execute",
    disable_version_flag = true,
    max_term_width = 110
)]
pub struct Plugin {
    /// Options of every command.
    #[command(flatten)]
    pub globals: Globals,
    /// What to execute.
    #[command(flatten)]
    pub execute: ExecuteArgs,
}
