//! What a Function object asks for, as the plan needs it.

use common::resources::{ConditionStatus, Function, Resource as _, UPDATE_ANNOTATION};

use super::{Revision, Rule, build_id};
use crate::router::Refusal;

/// What a Function object asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Whether and what it can run.
    pub build: Build,
    /// Why no pod can be placed, when it chooses nodes that are not there.
    pub unschedulable: Option<Refusal>,
    /// How many pods.
    pub rule: Rule,
    /// Stop the pods of older revisions before the new ones start.
    pub hard_update: bool,
}

/// Whether and what a function can run.
#[derive(Clone, Debug, PartialEq)]
pub enum Build {
    /// This.
    Done(Revision),
    /// The build is under way; calls wait.
    Pending,
    /// Nothing: calls are refused with this.
    Failed(Refusal),
}

impl Wanted {
    /// Reads an object.
    #[must_use]
    pub fn of(function: &Function) -> Self {
        let (metadata, spec, status) = (function.metadata(), &function.spec, &function.status);
        let concurrency = spec.concurrency(status.style);
        Self {
            build: Build::of(function),
            unschedulable: unschedulable(function),
            rule: Rule::new(spec.scaling.as_ref(), concurrency),
            hard_update: metadata
                .annotations
                .get(UPDATE_ANNOTATION)
                .is_some_and(|v| v == "hard"),
        }
    }
}

fn unschedulable(function: &Function) -> Option<Refusal> {
    let mut conditions = function.status.conditions.iter();
    let shown = conditions.find(|c| c.r#type == "Schedulable")?;
    (shown.status == ConditionStatus::False).then(|| Refusal::Unavailable {
        reason: shown.reason.clone(),
        message: shown.message.clone(),
    })
}

impl Build {
    fn of(function: &Function) -> Self {
        let (metadata, spec, status) = (function.metadata(), &function.spec, &function.status);
        if spec.image.is_some() {
            return match Revision::of(spec, status) {
                Some(revision) => Self::Done(revision),
                None => Self::Pending,
            };
        }
        let Some(id) = build_id(&metadata.namespace, metadata.generation, spec) else {
            return Self::Failed(Refusal::Unavailable {
                reason: "SourceMissing".to_owned(),
                message: "the function has no code yet: apply it with Troupe's kubectl, which uploads \
                          spec.userUploadFilePath, or set spec.source.inline, spec.source.configMap \
                          or spec.image"
                    .to_owned(),
            });
        };
        let built = status.conditions.iter().find(|c| c.r#type == "Built");
        match built {
            Some(built) if status.build.as_ref() == Some(&id) => match built.status {
                ConditionStatus::True => {
                    Revision::of(spec, status).map_or(Self::Pending, Self::Done)
                }
                ConditionStatus::False => Self::Failed(Refusal::Unavailable {
                    reason: built.reason.clone(),
                    message: built.message.clone(),
                }),
                ConditionStatus::Unknown => Self::Pending,
            },
            _ => Self::Pending,
        }
    }
}
