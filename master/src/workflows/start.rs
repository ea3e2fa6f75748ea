//! A new run.

use common::resources::{
    ObjectMeta, OwnerReference, Resource as _, RunPhase, StateMachine, Workflow, WorkflowRun,
    WorkflowRunSpec,
};
use serde_json::Value;

use super::definition::{self, DefinitionError};
use crate::key::ObjectKey;
use crate::objects::{ObjectError, Objects};
use crate::store::Durability::Durable;

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A Workflow.
    Workflow,
    /// A StateMachine.
    StateMachine,
}

impl Target {
    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workflow => "workflow",
            Self::StateMachine => "state machine",
        }
    }
}

/// A run cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is nothing of the name.
    #[error("{} {key} does not exist", .target.as_str())]
    NotFound {
        /// What was looked for.
        target: Target,
        /// Its name.
        key: ObjectKey,
    },
    /// Its definition cannot run.
    #[error("{} {key} cannot run: {problems}", .target.as_str())]
    Definition {
        /// What was looked for.
        target: Target,
        /// Its name.
        key: ObjectKey,
        /// Why.
        problems: DefinitionError,
    },
    /// The store failed.
    #[error("write the run")]
    Objects(#[from] ObjectError),
}

/// Writes the object of a new run of a workflow or state machine, by this name; its actor begins it.
/// The run keeps the definition as it stands now.
///
/// # Errors
/// When there is nothing to run, or it cannot be written.
pub async fn start(
    objects: &Objects,
    target: Target,
    key: &ObjectKey,
    name: String,
    input: Value,
) -> Result<WorkflowRun, StartError> {
    let (owner, definition) = look_up(objects, target, key).await?;
    let mut run = WorkflowRun::with_metadata(ObjectMeta {
        owner_references: vec![owner],
        ..ObjectMeta::named(&*key.namespace, name)
    });
    let named = Some(key.name.to_string());
    run.spec = WorkflowRunSpec {
        workflow: (target == Target::Workflow)
            .then(|| named.clone())
            .flatten(),
        state_machine: (target == Target::StateMachine).then_some(named).flatten(),
        input: Some(input),
        definition: Some(definition),
        stop: false,
    };
    run.status.phase = Some(RunPhase::Pending);
    Ok(objects.create(run, Durable).await?)
}

/// What a new run needs of a workflow or state machine: who owns the run, and the definition.
pub(super) async fn look_up(
    objects: &Objects,
    target: Target,
    key: &ObjectKey,
) -> Result<(OwnerReference, Value), StartError> {
    let not_found = || StartError::NotFound {
        target,
        key: key.clone(),
    };
    let invalid = |problems| StartError::Definition {
        target,
        key: key.clone(),
        problems,
    };
    Ok(match target {
        Target::Workflow => {
            let workflow = objects.get::<Workflow>(&key.namespace, &key.name).await?;
            let workflow = workflow.ok_or_else(not_found)?;
            let program = definition::of_workflow(&workflow).map_err(invalid)?.program;
            (owner(&workflow), program.definition().clone())
        }
        Target::StateMachine => {
            let machine = objects
                .get::<StateMachine>(&key.namespace, &key.name)
                .await?;
            let machine = machine.ok_or_else(not_found)?;
            let program = definition::of_state_machine(&machine).map_err(invalid)?;
            (owner(&machine), program.definition().clone())
        }
    })
}

fn owner<R: common::resources::Resource>(object: &R) -> OwnerReference {
    OwnerReference {
        api_version: R::KIND.api_version(),
        kind: R::KIND.kind.to_owned(),
        name: object.metadata().name.clone(),
        uid: object.metadata().uid.clone(),
        controller: true,
        block_owner_deletion: false,
    }
}

/// The name of a run: the workflow's, cut so that the whole stays within 80 characters, and a suffix.
#[must_use]
pub fn run_name(name: &str, suffix: &str) -> String {
    let room = 80_usize.saturating_sub(suffix.len() + 1);
    let cut: String = name.chars().take(room).collect();
    format!("{cut}-{suffix}")
}

/// What a run is of.
pub(super) fn target_of(run: &WorkflowRun) -> Option<(Target, &str)> {
    match (&run.spec.workflow, &run.spec.state_machine) {
        (Some(name), _) => Some((Target::Workflow, name)),
        (None, Some(name)) => Some((Target::StateMachine, name)),
        (None, None) => None,
    }
}
