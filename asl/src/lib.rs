//! The Amazon States Language: parse, check and step state machines. Pure: no I/O, no clock, no
//! randomness of its own.
//!
//! # How it fits together
//!
//! A definition (Step Functions' JSON, or a `kind: Workflow` spec through [`workflow`]) becomes a
//! [`Program`], or a list of [`Problem`]s. A [`Run`] of it is driven by [`Command`]s: each
//! [`Run::decide`] answers with a [`Decision`], which is [`Record`]s to append to the run's journal and
//! [`Effect`]s to carry out after that. The journal *is* the history of Step Functions: folding it with
//! [`Run::apply`] rebuilds the run exactly, and [`Run::pending`] then tells what is still owed to it.
//!
//! - [`program`]: definitions, problems, checks
//! - [`states`]: the eight state types
//! - `data`: paths, payload templates, intrinsic functions, the context object
//! - [`run`]: the engine
//! - [`history`]: the events
//! - [`workflow`]: `kind: Workflow` compiled to the same program
//! - [`resource`]: what a Task calls

pub mod data;
pub mod failure;
pub mod history;
pub mod program;
pub mod resource;
pub mod retry;
pub mod run;
pub mod states;
pub mod workflow;

pub use failure::Failure;
pub use history::{EventKind, HistoryEvent, Payload};
pub use program::{Problem, Program};
pub use resource::Resource;
pub use run::{
    Command, Decision, Effect, EngineError, ExecutionContext, Invocation, Limits, Moment, Outcome,
    Record, Run, StepView, StrandId, TaskId, TimerId, steps,
};
