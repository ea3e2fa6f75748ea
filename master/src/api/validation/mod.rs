//! Whether an object makes sense: one file per kind. All problems are reported at once, each with the
//! path of the field, what was found and what is wanted.

mod env;
mod function;
mod meta;
mod node;
mod platform;
mod run;
pub(super) mod secret;
mod workflow;

use async_trait::async_trait;
use common::resources::{Kind, Resource, StateMachine, StatusCause, Workflow};
use serde_json::Value;

use super::error::cause;
use crate::objects::Objects;

/// Something that is wrong with a workflow or state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionProblem {
    /// Where, as `spec.workflowNodes[1].name`.
    pub path: String,
    /// What was found and what is wanted.
    pub message: String,
    /// Whether it can run all the same.
    pub warning: bool,
}

/// Judges and draws workflows and state machines. The engine implements it.
#[async_trait]
pub trait Definitions: Send + Sync + 'static {
    /// Everything that is wrong with a workflow.
    fn check_workflow(&self, workflow: &Workflow) -> Vec<DefinitionProblem>;

    /// Everything that is wrong with a state machine.
    fn check_state_machine(&self, machine: &StateMachine) -> Vec<DefinitionProblem>;

    /// A workflow, a state machine or a run as an SVG picture; says why not.
    async fn draw(&self, objects: &Objects, kind: &Kind, object: Value) -> Result<String, String> {
        let _ = (objects, object);
        Err(format!("there are no pictures of {} here", kind.plural))
    }

    /// So many steps of a run, from that one on: `{"items": […], "metadata": {"continue": …}}`; says why not.
    async fn steps(
        &self,
        objects: &Objects,
        run: Value,
        from: usize,
        count: usize,
    ) -> Result<Value, String> {
        let _ = (objects, run, from, count);
        Err("there are no steps of runs here".to_owned())
    }
}

/// Finds nothing wrong with any definition.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyDefinition;

#[async_trait]
impl Definitions for AnyDefinition {
    fn check_workflow(&self, _: &Workflow) -> Vec<DefinitionProblem> {
        Vec::new()
    }

    fn check_state_machine(&self, _: &StateMachine) -> Vec<DefinitionProblem> {
        Vec::new()
    }
}

/// What was found: what forbids the write, and what the writer should know.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) causes: Vec<StatusCause>,
    pub(super) warnings: Vec<String>,
}

impl Findings {
    fn invalid(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.causes.push(cause("FieldValueInvalid", field, message));
    }

    fn required(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.causes
            .push(cause("FieldValueRequired", field, message));
    }

    fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// A number within its range, if it is set.
    fn range(&mut self, field: &str, found: Option<u32>, from: u32, to: u32) {
        if let Some(found) = found
            && !(from..=to).contains(&found)
        {
            self.invalid(field, format!("found {found}, want {from} to {to}"));
        }
    }
}

/// Judges an object that is about to be written in the place of `old`.
pub(super) fn check(
    kind: &Kind,
    old: Option<&Value>,
    new: &Value,
    definitions: &dyn Definitions,
) -> Findings {
    let mut findings = Findings::default();
    meta::check(kind, new, &mut findings);
    if let Some(old) = old {
        platform::check(kind, old, new, &mut findings);
        secret::check_immutable(old, new, &mut findings);
        if kind.plural == "workflowruns" {
            run::check_change(old, new, &mut findings);
        }
    }
    match kind.plural {
        "functions" => typed(new, &mut findings, function::check),
        "nodes" => typed(new, &mut findings, node::check),
        "workflows" => typed(new, &mut findings, |w, f| {
            workflow::check(w, definitions, f)
        }),
        "statemachines" => {
            typed(new, &mut findings, |m, f| {
                workflow::check_machine(m, definitions, f)
            });
        }
        "workflowruns" => typed(new, &mut findings, run::check),
        "secrets" => typed(new, &mut findings, secret::check),
        "configmaps" => typed(new, &mut findings, secret::check_config_map),
        _ => {}
    }
    findings
}

fn typed<R: Resource>(
    object: &Value,
    findings: &mut Findings,
    check: impl FnOnce(&R, &mut Findings),
) {
    match serde_json::from_value::<R>(object.clone()) {
        Ok(object) => check(&object, findings),
        Err(error) => findings.invalid("", error.to_string()),
    }
}

/// Why people do not make objects of a kind, and what they do instead; `None` when they do.
pub(super) fn made_by_platform(kind: &Kind) -> Option<&'static str> {
    platform::instead(kind)
}

#[cfg(test)]
mod tests {
    use common::resources::{Function, Pod, Secret, WorkflowRun};
    use serde_json::json;

    use super::*;

    fn told(kind: &Kind, object: &Value) -> Vec<String> {
        let decoded = crate::api::kinds::decode(kind, object.clone())
            .ok()
            .unwrap();
        let findings = check(kind, None, &decoded.object, &AnyDefinition);
        findings
            .causes
            .iter()
            .map(|c| format!("{}: {}", c.field, c.message))
            .collect()
    }

    #[test]
    fn a_good_function_passes() {
        let function = json!({
            "metadata": { "name": "test_func.1", "namespace": "default" },
            "spec": { "source": { "inline": { "func.py": "def main(p): return p" } },
                "handler": "func.main", "env": [{ "name": "A", "value": "1" }],
                "scaling": { "minReplicas": 1, "maxReplicas": 3 } },
        });
        assert_eq!(told(Function::KIND, &function), Vec::<String>::new());
    }

    #[test]
    fn all_that_is_wrong_with_a_function_is_told() {
        let function = json!({
            "metadata": { "name": "a b", "namespace": "default", "labels": { "": "x" } },
            "spec": { "handler": "main", "image": "x", "source": { "inline": {}, "configMap": "c" },
                "timeoutSeconds": 0, "concurrency": 2000,
                "env": [{ "name": "TROUPE_X", "value": "1" }, { "name": "A" }, { "name": "A", "value": "" }],
                "scaling": { "minReplicas": 5, "maxReplicas": 2 } },
        });
        insta::assert_snapshot!(told(Function::KIND, &function).join("\n"));
    }

    #[test]
    fn a_function_without_code_is_told_where_code_comes_from() {
        let function = json!({ "metadata": { "name": "f" }, "spec": {} });
        let told = told(Function::KIND, &function);
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("source.inline"), "{told:?}");
    }

    #[test]
    fn a_path_from_a_client_that_cannot_upload_is_a_warning() {
        let function = json!({
            "metadata": { "name": "f" }, "spec": { "userUploadFilePath": "./code" } });
        let decoded = crate::api::kinds::decode(Function::KIND, function)
            .ok()
            .unwrap();
        let findings = check(Function::KIND, None, &decoded.object, &AnyDefinition);
        assert!(findings.causes.is_empty(), "{:?}", findings.causes);
        assert!(
            findings.warnings[0].contains("source.inline"),
            "{:?}",
            findings.warnings
        );
    }

    #[test]
    fn secrets_hold_base64_and_runs_name_one_definition() {
        let secret =
            json!({ "metadata": { "name": "s" }, "data": { "a": "not base64!", "b/c": "" } });
        assert_eq!(told(Secret::KIND, &secret).len(), 2);
        let run = json!({ "metadata": { "name": "r" }, "spec": {} });
        assert_eq!(told(WorkflowRun::KIND, &run).len(), 1);
    }

    #[test]
    fn of_a_run_only_stop_can_be_set() {
        let old = json!({ "metadata": { "name": "r" }, "spec": { "workflow": "w", "input": 1 } });
        let mut new = old.clone();
        new["spec"]["stop"] = true.into();
        let told = |old: &Value, new: &Value| {
            check(WorkflowRun::KIND, Some(old), new, &AnyDefinition)
                .causes
                .len()
        };
        assert_eq!(told(&old, &new), 0);
        assert_eq!(told(&new, &old), 1, "it does not go on again");
        new["spec"]["input"] = 2.into();
        new["spec"]["workflow"] = "v".into();
        assert_eq!(told(&old, &new), 2);
    }

    #[test]
    fn the_spec_of_a_pod_is_the_platforms() {
        let old = json!({ "metadata": { "name": "p" }, "spec": { "containers": [] } });
        let mut new = old.clone();
        new["metadata"]["labels"] = json!({ "a": "b" });
        assert!(
            check(Pod::KIND, Some(&old), &new, &AnyDefinition)
                .causes
                .is_empty()
        );
        new["spec"]["nodeName"] = "n".into();
        assert_eq!(
            check(Pod::KIND, Some(&old), &new, &AnyDefinition)
                .causes
                .len(),
            1
        );
    }
}
