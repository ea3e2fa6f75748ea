use asl::{Problem, Program};
use async_trait::async_trait;
use common::resources::{Kind, StateMachine, Workflow};
use serde_json::Value;

use super::definition::{self, DefinitionError};
use super::{picture, tale};
use crate::api::{DefinitionProblem, Definitions};
use crate::objects::Objects;

/// Judges definitions when they are applied, with the engine that will run them.
#[derive(Clone, Copy, Debug, Default)]
pub struct AslDefinitions;

#[async_trait]
impl Definitions for AslDefinitions {
    fn check_workflow(&self, workflow: &Workflow) -> Vec<DefinitionProblem> {
        let program = definition::of_workflow(workflow).map(|workflow| workflow.program);
        problems(program, "")
    }

    fn check_state_machine(&self, machine: &StateMachine) -> Vec<DefinitionProblem> {
        problems(definition::of_state_machine(machine), "spec.definition.")
    }

    async fn draw(&self, objects: &Objects, kind: &Kind, object: Value) -> Result<String, String> {
        picture::draw(objects, kind, object).await
    }

    async fn steps(
        &self,
        objects: &Objects,
        run: Value,
        from: usize,
        count: usize,
    ) -> Result<Value, String> {
        tale::steps_of(objects, run, from, count).await
    }
}

fn problems(result: Result<Program, DefinitionError>, prefix: &str) -> Vec<DefinitionProblem> {
    let problem = |problem: Problem| DefinitionProblem {
        path: format!("{prefix}{}", problem.path)
            .trim_end_matches('.')
            .to_owned(),
        warning: problem.code.is_warning(),
        message: problem.message,
    };
    let problems = match result {
        Ok(program) => program.warnings().to_vec(),
        Err(DefinitionError(problems)) => problems,
    };
    problems.into_iter().map(problem).collect()
}
