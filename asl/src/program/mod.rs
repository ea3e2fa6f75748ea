//! Definitions: parsed, checked, and given back.
//!
//! - `ahead`: which functions a run calls next
//! - [`problem`]: what is wrong with one, and where
//! - `parse`: from JSON to [`Machine`]s (each state type reads its own fields, in [`crate::states`])
//! - `check`: transitions: targets, reachability, loops, names
//! - [`language`]: JSONPath or JSONata
//! - `position`: lines and columns of a text
//! - `fields`, `suggest`: helpers of the above

mod ahead;
pub(crate) mod check;
pub(crate) mod fields;
pub mod language;
pub(crate) mod parse;
mod position;
pub mod problem;
pub(crate) mod suggest;

use indexmap::IndexMap;
pub use problem::{Code, Problem};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::states::State;

/// A state machine that can run.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    definition: Value,
    machine: Machine,
    timeout: Option<u64>,
    warnings: Vec<Problem>,
}

/// States and where they start: the whole machine, a branch of a Parallel, the processor of a Map.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// The first state.
    pub start_at: String,
    /// All states, in the order of the definition.
    pub states: IndexMap<String, State>,
}

impl Program {
    /// Reads a definition. Returns all problems at once.
    pub fn parse(definition: &Value) -> Result<Program, Vec<Problem>> {
        let mut problems = Vec::new();
        let parsed = parse::program(definition, &mut problems);
        check::check(definition, &mut problems);
        if !problems.iter().all(|problem| problem.code.is_warning()) {
            return Err(problems);
        }
        match parsed {
            Some((machine, timeout)) => Ok(Program {
                definition: definition.clone(),
                machine,
                timeout,
                warnings: problems,
            }),
            None => Err(problems),
        }
    }

    /// Reads a definition's text; its problems carry line and column.
    pub fn parse_str(text: &str) -> Result<Program, Vec<Problem>> {
        let definition: Value = serde_json::from_str(text).map_err(|error| {
            vec![Problem {
                code: Code::InvalidJsonDescription,
                path: String::new(),
                pointer: String::new(),
                position: Some((error.line(), error.column())),
                message: format!("this is not JSON: {error}"),
            }]
        })?;
        let index = position::Index::of(text);
        let mut problems = Program::parse(&definition).err().unwrap_or_default();
        problems.extend(index.repeated_keys());
        if problems.is_empty() {
            let mut program = Program::parse(&definition)?;
            for warning in &mut program.warnings {
                warning.position = index.find(&warning.pointer);
            }
            return Ok(program);
        }
        for problem in &mut problems {
            problem.position = index.find(&problem.pointer);
        }
        problems.sort_by_key(|p| p.position);
        Err(problems)
    }

    /// The definition, as it was given (or compiled): parsing it again gives an equal program.
    pub fn definition(&self) -> &Value {
        &self.definition
    }

    /// What is likely not meant, though it can run.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The states of the machine itself.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// `TimeoutSeconds` of the whole run.
    pub fn timeout_seconds(&self) -> Option<u64> {
        self.timeout
    }

    /// The program of a distributed Map's children: that of the Map state with this name, at any depth.
    pub fn processor(&self, state: &str) -> Option<Program> {
        let (machine, definition) = find_processor(&self.machine, &self.definition, state)?;
        let mut own = serde_json::Map::new();
        for name in ["StartAt", "States"] {
            own.insert(name.to_owned(), definition.get(name)?.clone());
        }
        if let Some(language) = self.definition.get("QueryLanguage") {
            own.insert("QueryLanguage".to_owned(), language.clone());
        }
        Some(Program {
            definition: Value::Object(own),
            machine: machine.clone(),
            timeout: None,
            warnings: Vec::new(),
        })
    }

    /// Every Task's resource, in Parallel and Map too, with its state's name: what must exist for a run to succeed.
    pub fn resources(&self) -> Vec<(&str, &crate::Resource)> {
        let mut found = Vec::new();
        self.machine.resources(&mut found);
        found
    }
}

/// The processor of a Map state, with its part of the definition.
fn find_processor<'p>(
    machine: &'p Machine,
    definition: &'p Value,
    name: &str,
) -> Option<(&'p Machine, &'p Value)> {
    for (own, state) in &machine.states {
        let part = definition.get("States")?.get(own)?;
        let inner = |field: &str| part.get(field);
        match &state.body {
            crate::states::Body::Map(map) => {
                let processor = inner("ItemProcessor").or_else(|| inner("Iterator"))?;
                if own == name {
                    return Some((&map.processor, processor));
                }
                if let Some(found) = find_processor(&map.processor, processor, name) {
                    return Some(found);
                }
            }
            crate::states::Body::Parallel(parallel) => {
                for (index, branch) in parallel.branches.iter().enumerate() {
                    let part = inner("Branches")?.get(index)?;
                    if let Some(found) = find_processor(branch, part, name) {
                        return Some(found);
                    }
                }
            }
            _ => {}
        }
    }
    None
}

impl Machine {
    /// A state by its name, in Parallel and Map too.
    pub fn find(&self, name: &str) -> Option<&crate::states::State> {
        self.states.get(name).or_else(|| {
            let inner = self
                .states
                .values()
                .flat_map(crate::states::State::machines);
            inner.into_iter().find_map(|machine| machine.find(name))
        })
    }

    fn resources<'a>(&'a self, found: &mut Vec<(&'a str, &'a crate::Resource)>) {
        for (name, state) in &self.states {
            if let crate::states::Body::Task(task) = &state.body {
                found.push((name, &task.resource));
            }
            for machine in state.machines() {
                machine.resources(found);
            }
        }
    }
}

impl Serialize for Program {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.definition.serialize(serializer)
    }
}

#[cfg(test)]
mod tests;
