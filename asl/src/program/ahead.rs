//! Which functions a run is likely to call next.

use std::collections::HashSet;

use super::{Machine, Program};
use crate::Resource;
use crate::resource::FunctionRef;
use crate::states::{Body, State};

/// Most functions that are told.
const MOST: usize = 4;

impl Program {
    /// The functions that may be called right after the state of this name, at any depth: the next tasks
    /// on every way that does not wait. At most four, and none for a state that is not there.
    pub fn functions_after(&self, state: &str) -> Vec<&FunctionRef> {
        let mut found = Vec::new();
        if let Some((machine, state)) = owner(&self.machine, state) {
            let mut look = Look {
                seen: HashSet::new(),
                found: &mut found,
            };
            for next in leads_to(state) {
                look.visit(machine, next);
            }
        }
        found
    }
}

/// The machine that a state is in, and the state.
fn owner<'p>(machine: &'p Machine, name: &str) -> Option<(&'p Machine, &'p State)> {
    if let Some(state) = machine.states.get(name) {
        return Some((machine, state));
    }
    machine.states.values().find_map(|state| match &state.body {
        Body::Parallel(parallel) => parallel
            .branches
            .iter()
            .find_map(|inner| owner(inner, name)),
        Body::Map(map) => owner(&map.processor, name),
        _ => None,
    })
}

/// The states that follow when all goes well.
fn leads_to(state: &State) -> Vec<&str> {
    match &state.body {
        Body::Task(task) => task.transition.next().into_iter().collect(),
        Body::Pass(pass) => pass.transition.next().into_iter().collect(),
        Body::Parallel(parallel) => parallel.transition.next().into_iter().collect(),
        Body::Map(map) => map.transition.next().into_iter().collect(),
        Body::Choice(choice) => {
            let rules = choice.rules.iter().map(|rule| rule.next.as_str());
            rules.chain(choice.default.as_deref()).collect()
        }
        // What comes after it comes later.
        Body::Wait(_) | Body::Succeed(_) | Body::Fail(_) => Vec::new(),
    }
}

struct Look<'p, 'f> {
    seen: HashSet<&'p str>,
    found: &'f mut Vec<&'p FunctionRef>,
}

impl<'p> Look<'p, '_> {
    fn visit(&mut self, machine: &'p Machine, name: &'p str) {
        let Some(state) = machine.states.get(name) else {
            return;
        };
        if self.found.len() == MOST || !self.seen.insert(name) {
            return;
        }
        match &state.body {
            Body::Task(task) => {
                if let Resource::Function { function, .. } = &task.resource
                    && !self.found.contains(&function)
                {
                    self.found.push(function);
                }
            }
            Body::Parallel(parallel) => {
                for branch in &parallel.branches {
                    self.visit(branch, &branch.start_at);
                }
            }
            Body::Map(map) => self.visit(&map.processor, &map.processor.start_at),
            _ => {
                for next in leads_to(state) {
                    self.visit(machine, next);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn after(program: &Program, state: &str) -> Vec<String> {
        let found = program.functions_after(state);
        found.iter().map(|function| function.name.clone()).collect()
    }

    #[test]
    fn the_next_tasks_are_found_through_choices_and_into_branches() {
        let task = |name: &str, next: &str| json!({"Type": "Task", "Resource": name, "Next": next});
        let end = |name: &str| json!({"Type": "Task", "Resource": name, "End": true});
        let rule = |next: &str| json!({"Variable": "$.x", "NumericEquals": 1, "Next": next});
        let program = Program::parse(&json!({"StartAt": "A", "States": {
            "A": task("a", "Shape"),
            "Shape": {"Type": "Pass", "Next": "Which"},
            "Which": {"Type": "Choice", "Choices": [rule("B"), rule("Both")], "Default": "A"},
            "B": task("b", "Later"),
            "Later": {"Type": "Wait", "Seconds": 5, "Next": "C"},
            "C": end("c"),
            "Both": {"Type": "Parallel", "Next": "C", "Branches": [
                {"StartAt": "D", "States": {"D": task("d", "E"), "E": end("e")}},
                {"StartAt": "F", "States": {"F": end("b")}}]}}}))
        .unwrap();
        assert_eq!(after(&program, "A"), ["b", "d", "a"]);
        assert_eq!(
            after(&program, "B"),
            [""; 0],
            "after the wait it is time enough"
        );
        assert_eq!(after(&program, "D"), ["e"]);
        assert_eq!(after(&program, "Both"), ["c"]);
        assert_eq!(after(&program, "nowhere"), [""; 0]);
    }
}
