//! Runs of workflows and state machines.
//!
//! A run is a journal: each step is appended to the store before its effect is visible, and folding
//! the journal rebuilds the run, so that a master that dies goes on where it was. [`Workflows`] watches
//! the objects, starts the run of a workflow that was applied, and keeps a [`WorkflowRunActor`] for
//! every run that has not ended. The actor is a shell around the pure engine of the `asl` crate.

mod adopt;
mod batch;
mod begin;
mod check;
mod definition;
mod execution;
mod journal;
mod maps;
mod metrics;
mod object;
mod parked;
mod picture;
mod programs;
mod registry;
mod retention;
mod run;
mod show;
mod start;
mod sweep;
mod tale;
mod task_queue;
mod tasks;
mod tools;
mod wait;

pub use check::AslDefinitions;
pub use definition::{DefinitionError, check_state_machine, check_workflow};
use execution::stop_run;
pub use execution::{
    Execution, ExecutionError, execution_arn, execution_name, execution_status, find_execution,
    start_execution,
};
pub use journal::{Journal, JournalError};
pub use maps::Buckets;
pub use metrics::RunCounts;
pub use registry::Workflows;
pub use retention::Retention;
pub use run::WorkflowRunActor;
pub use start::{NewRun, StartError, Target, run_name, start};
pub use task_queue::TaskQueue;
pub use tasks::{Allowed, AnswerError, Traced, Trial, answer, heartbeat, name_of_token, try_task};
pub use tools::WorkflowsTools;
pub use wait::RunWaiters;
