use asl::Problem;
use common::resources::{StateMachine, Workflow};

use super::definition::{self, DefinitionError};
use crate::api::{DefinitionProblem, Definitions};

/// Judges definitions when they are applied, with the engine that will run them.
#[derive(Clone, Copy, Debug, Default)]
pub struct AslDefinitions;

impl Definitions for AslDefinitions {
    fn check_workflow(&self, workflow: &Workflow) -> Vec<DefinitionProblem> {
        problems(definition::of_workflow(workflow), "")
    }

    fn check_state_machine(&self, machine: &StateMachine) -> Vec<DefinitionProblem> {
        problems(definition::of_state_machine(machine), "spec.definition.")
    }
}

fn problems<T>(result: Result<T, DefinitionError>, prefix: &str) -> Vec<DefinitionProblem> {
    let problem = |problem: Problem| DefinitionProblem {
        path: format!("{prefix}{}", problem.path)
            .trim_end_matches('.')
            .to_owned(),
        message: problem.message,
    };
    match result {
        Ok(_) => Vec::new(),
        Err(DefinitionError(problems)) => problems.into_iter().map(problem).collect(),
    }
}
