//! Nodes become states.

use serde_json::{Map, Value, json};

use super::spec::{Spec, Work};
use crate::program::{Code, Problem, Program};

/// The state machine of a workflow, in Step Functions' notation.
pub(super) fn program(spec: &Spec, namespace: &str) -> Result<Program, Vec<Problem>> {
    let states: Map<String, Value> = spec
        .nodes
        .iter()
        .map(|node| (node.name.clone(), state(&node.work, namespace)))
        .collect();
    let definition = json!({"StartAt": spec.entry_node, "States": states});
    let problems = match Program::parse(&definition) {
        Ok(program) if program.warnings().is_empty() => return Ok(program),
        // Nodes that lead only to each other are a mistake in the nodes.
        Ok(program) => program.warnings().to_vec(),
        Err(problems) => problems,
    };
    let problems = problems.into_iter().map(|p| translate(p, spec));
    Err(problems.collect())
}

fn state(work: &Work, namespace: &str) -> Value {
    match work {
        Work::Function {
            namespace: own,
            name,
            next,
        } => {
            let resource = format!("{}/{name}", own.as_deref().unwrap_or(namespace));
            match next {
                Some(next) => json!({"Type": "Task", "Resource": resource, "Next": next}),
                None => json!({"Type": "Task", "Resource": resource, "End": true}),
            }
        }
        Work::Choice {
            yes,
            no,
            check,
            variable,
            value,
        } => {
            let path = format!(
                "$['{}']",
                variable.replace('\\', "\\\\").replace('\'', "\\'")
            );
            let kind = if check.numeric { "number" } else { "string" };
            let (matched, otherwise) = if check.negated { (no, yes) } else { (yes, no) };
            json!({
                "Type": "Choice",
                "Require": [{"Variable": path, "Type": kind}],
                "Choices": [{"Variable": path, (check.operator): value, "Next": matched}],
                "Default": otherwise,
            })
        }
    }
}

/// A problem of the state machine, said in the words of the workflow.
fn translate(problem: Problem, spec: &Spec) -> Problem {
    let name = problem
        .pointer
        .strip_prefix("/States/")
        .map(|rest| rest.split('/').next().unwrap_or(rest));
    let name = name.map(|n| n.replace("~1", "/").replace("~0", "~"));
    let index = name
        .as_ref()
        .and_then(|name| spec.nodes.iter().position(|node| &node.name == name));
    let (Some(name), Some(index)) = (name, index) else {
        return problem;
    };
    let message = match problem.code {
        Code::MissingTransitionTarget => {
            format!("no node leads to '{name}', and it is not the entry node: it would never run")
        }
        Code::LoopWithoutExit => problem.message.replace(
            "give one of them \"End\": true or a way to a Succeed or Fail state",
            "leave out 'nextNodeName' in one of them or let a choice lead out",
        ),
        _ => problem.message,
    };
    Problem {
        path: format!("spec.workflowNodes[{index}]"),
        pointer: format!("/spec/workflowNodes/{index}"),
        message,
        ..problem
    }
}
