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
//! - [`states`]: the eight state types; [`retry`], [`failure`]: what happens when they fail
//! - [`data`]: paths, payload templates, intrinsic functions, the context object
//! - [`run`]: the engine
//! - [`history`]: the events
//! - [`jsonata`]: the other query language
//! - [`items`]: what readers read and writers write
//! - [`test_state`]: one state on its own
//! - [`graph`]: pictures of definitions and runs
//! - [`workflow`]: `kind: Workflow` compiled to the same program
//! - [`resource`], [`call`]: what a Task calls, and with what
//!
//! # Example
//!
//! ```
//! use asl::{Command, Effect, ExecutionContext, Moment, Outcome, Program, Run};
//! use serde_json::json;
//!
//! let program = Program::parse(&json!({
//!     "StartAt": "Greet",
//!     "States": { "Greet": { "Type": "Task", "Resource": "team/hello", "ResultPath": "$.greeting", "End": true } }
//! }))
//! .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
//!
//! let moment = Moment { now: "2026-01-01T00:00:00Z".parse()?, entropy: [42; 32] };
//! let context = ExecutionContext {
//!     id: "run-1".into(),
//!     name: "run-1".into(),
//!     role: None,
//!     start_time: moment.now,
//!     state_machine_id: "greeter".into(),
//!     state_machine_name: "greeter".into(),
//! };
//! let mut run = Run::new();
//! let mut journal = Vec::new();
//!
//! let decision = run.decide(&program, Command::Start { input: json!({"who": "you"}), context }, &moment)?;
//! journal.extend(decision.records); // durable first …
//! let Some(Effect::InvokeTask(task)) = decision.effects.first() else { panic!("a task") }; // … then the effects
//! assert_eq!(task.resource.to_string(), "team/hello");
//!
//! // The master dies and comes back: the journal is all it needs.
//! let mut run = Run::new();
//! for record in &journal {
//!     run.apply(record)?;
//! }
//! journal.extend(run.decide(&program, Command::Resume, &moment)?.records);
//! assert_eq!(run.pending(), [Effect::InvokeTask(task.clone())]);
//!
//! let answer = Command::TaskSucceeded { task: task.task, output: json!("hello") };
//! journal.extend(run.decide(&program, answer, &moment)?.records);
//! let output = json!({"who": "you", "greeting": "hello"}).into();
//! assert_eq!(run.outcome(), Some(&Outcome::Succeeded { output }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod call;
pub mod data;
pub mod entropy;
pub mod failure;
pub mod graph;
pub mod history;
pub mod items;
pub mod jsonata;
pub mod program;
pub mod resource;
pub mod retry;
pub mod run;
pub mod states;
pub mod test_state;
pub mod workflow;

pub use call::{Answer, FunctionCall};
pub use entropy::Seed;
pub use failure::Failure;
pub use history::{EventKind, HistoryEvent, Payload};
pub use program::{Problem, Program};
pub use resource::Resource;
pub use run::{
    Child, ChildResult, Command, Decision, Effect, EngineError, ExecutionContext, Invocation,
    Limits, MapRunId, Moment, Outcome, Reading, Record, Rest, Run, StepView, Steps, StrandId,
    TaskId, TimerId, Writing, map_runs, steps,
};
pub use test_state::{Inspection, Test, TestError, Tested, test_state};
