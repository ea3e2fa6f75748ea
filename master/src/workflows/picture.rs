//! Definitions and runs as SVG pictures.

use std::sync::Arc;

use asl::{Program, graph, steps};
use common::resources::{Kind, Resource, StateMachine, Workflow, WorkflowRun};
use serde_json::Value;

use super::definition;
use super::journal::Journal;
use crate::objects::Objects;

/// Draws an object of one of the three kinds that have a definition.
///
/// # Errors
/// For people.
pub(super) async fn draw(objects: &Objects, kind: &Kind, object: Value) -> Result<String, String> {
    match kind.plural {
        "workflows" => {
            let compiled = definition::of_workflow(&read::<Workflow>(object)?);
            let compiled = compiled.map_err(|error| error.to_string())?;
            Ok(graph::of_definition(&compiled.program))
        }
        "statemachines" => {
            let program = definition::of_state_machine(&read::<StateMachine>(object)?);
            Ok(graph::of_definition(
                &program.map_err(|error| error.to_string())?,
            ))
        }
        _ => of_run(objects, &read::<WorkflowRun>(object)?).await,
    }
}

fn read<R: Resource>(object: Value) -> Result<R, String> {
    serde_json::from_value(object).map_err(|error| error.to_string())
}

async fn of_run(objects: &Objects, run: &WorkflowRun) -> Result<String, String> {
    let definition = run.spec.definition.as_ref();
    let definition = definition.ok_or("the run has no definition yet")?;
    let program: Program =
        definition::check_state_machine(definition).map_err(|e| e.to_string())?;
    let store = Arc::clone(objects.store());
    let (_, records) = Journal::load(store, &run.metadata.uid)
        .await
        .map_err(|error| error.to_string())?;
    Ok(graph::of_run(&program, &steps(&records)))
}
