//! Objects that the platform makes. People read them, delete them, label them; what they are is
//! decided by what they belong to.

use common::resources::Kind;
use serde_json::Value;

use super::Findings;

/// What to apply instead.
pub(super) fn instead(kind: &Kind) -> Option<&'static str> {
    match kind.plural {
        "pods" | "replicasets" => {
            Some("pods and replica sets are made by the platform; apply a Function instead")
        }
        "services" => {
            Some("a service is made by the platform for every function; apply a Function instead")
        }
        "nodes" => Some(
            "a node appears when its agent joins: run `master token create`, then node-agent with that token",
        ),
        "tasks" => Some("tasks are made by runs; answer one with: kubectl task approve|fail ID"),
        "events" => Some("events are written by the platform"),
        _ => None,
    }
}

pub(super) fn check(kind: &Kind, old: &Value, new: &Value, findings: &mut Findings) {
    if matches!(kind.plural, "pods" | "replicasets" | "services" | "tasks")
        && old["spec"] != new["spec"]
    {
        let why = instead(kind).unwrap_or_default();
        findings.invalid("spec", format!("may not be changed: {why}"));
    }
    let answer = |task: &Value| task.pointer("/status/answer").cloned();
    if kind.plural == "tasks" && answer(old).is_some() && answer(old) != answer(new) {
        findings.invalid("status.answer", "the task has been answered");
    }
}
