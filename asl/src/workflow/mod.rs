//! `kind: Workflow`: chains of functions and two-way choices, compiled to the same [`Program`] as a state machine.
//!
//! - `spec`: the fields of the `spec`, read and checked
//! - `compile`: nodes become states
//!
//! A node of type `func` becomes a Task whose resource is `NAMESPACE/NAME`; one without `nextNodeName` ends the run. A node of
//! type `choice` becomes a Choice that first requires the variable to be there and of the right type: `num…` compares numbers,
//! `str…` compares texts, and anything else fails the run with a cause that names node, variable and what was found.

mod compile;
mod spec;

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
///
/// `entryParams` is the text of one JSON document (as in the seed: `'{"x": 1, "y": 2}'`); a value that is no text is taken as it
/// is. Missing, null or blank means that there is none.
///
/// # Errors
///
/// All problems at once; their paths begin with `spec`.
pub fn compile(spec: &Value, namespace: &str) -> Result<Workflow, Vec<Problem>> {
    let mut problems = Vec::new();
    let parsed = spec::parse(spec, &mut problems);
    match parsed {
        Some(parsed) if problems.is_empty() => {
            let program = compile::program(&parsed, namespace)?;
            Ok(Workflow {
                program,
                entry: parsed.entry,
            })
        }
        _ => Err(problems),
    }
}

#[cfg(test)]
mod tests;
