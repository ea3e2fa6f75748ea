//! A new run.

use common::resources::{
    ObjectMeta, OwnerReference, Resource as _, RunPhase, StateMachine, StateMachineType, Workflow,
    WorkflowRun, WorkflowRunSpec,
};
use serde_json::Value;

use super::definition::{self, DefinitionError};
use super::programs::program_of;
use crate::key::ObjectKey;
use crate::objects::{ObjectError, Objects};
use crate::store::Durability::{self, Durable, Eventual};

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

/// A run to be made.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Name of its object.
    pub name: String,
    /// Its name as an execution, where that is another.
    pub execution_name: Option<String>,
    /// What it begins with.
    pub input: Value,
    /// The run and task that start it, if it is not a person.
    pub started_by: Option<String>,
    /// `Eventual` when nobody hears of the run before its journal begins: what is on disk then has the
    /// run's object too.
    pub durability: Durability,
}

impl NewRun {
    /// A run by the name of its object.
    #[must_use]
    pub fn named(name: String, input: Value) -> Self {
        Self {
            name,
            execution_name: None,
            input,
            started_by: None,
            durability: Durable,
        }
    }
}

/// Writes the object of a new run of a workflow or state machine; its actor begins it. The run keeps the
/// definition as it stands now.
///
/// # Errors
/// When there is nothing to run, or it cannot be written.
pub async fn start(
    objects: &Objects,
    target: Target,
    key: &ObjectKey,
    new: NewRun,
) -> Result<WorkflowRun, StartError> {
    let base = look_up(objects, target, key).await?;
    let mut run = WorkflowRun::with_metadata(ObjectMeta {
        owner_references: vec![base.owner],
        ..ObjectMeta::named(&*key.namespace, new.name)
    });
    let named = Some(key.name.to_string());
    let (workflow, state_machine) = match target {
        Target::Workflow => (named, None),
        Target::StateMachine => (None, named),
    };
    run.spec = WorkflowRunSpec {
        workflow,
        state_machine,
        input: Some(new.input),
        definition: Some(base.definition),
        execution_name: new.execution_name.filter(|name| *name != run.metadata.name),
        started_by: new.started_by,
        role_arn: base.role_arn,
        r#type: base.r#type,
        ..WorkflowRunSpec::default()
    };
    run.status.phase = Some(RunPhase::Pending);
    // An EXPRESS run that a crash takes away was never promised.
    let durability = match base.r#type {
        Some(StateMachineType::Express) => Eventual,
        _ => new.durability,
    };
    Ok(objects.create(run, durability).await?)
}

/// What a run takes of its workflow or state machine.
pub(super) struct Base {
    pub(super) owner: OwnerReference,
    pub(super) definition: Value,
    pub(super) role_arn: Option<String>,
    pub(super) r#type: Option<StateMachineType>,
}

/// What a new run takes of a workflow or state machine as it stands now.
pub(super) async fn look_up(
    objects: &Objects,
    target: Target,
    key: &ObjectKey,
) -> Result<Base, StartError> {
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
            Base {
                owner: owner(&workflow),
                definition: program.definition().clone(),
                role_arn: None,
                r#type: None,
            }
        }
        Target::StateMachine => {
            let machine = objects
                .get::<StateMachine>(&key.namespace, &key.name)
                .await?;
            let machine = machine.ok_or_else(not_found)?;
            let program = program_of(&machine.spec.definition).map_err(invalid)?;
            Base {
                owner: owner(&machine),
                definition: program.definition().clone(),
                role_arn: machine.spec.role_arn.clone(),
                r#type: machine.spec.r#type,
            }
        }
    })
}

/// What an object says that belongs to this one.
pub(super) fn owner<R: common::resources::Resource>(object: &R) -> OwnerReference {
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
