//! How states lead to each other. Works on the JSON itself, so that a broken state does not hide what is wrong elsewhere.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::problem::{Code, Place, Problem};
use super::suggest::nearest;

/// Checks all machines of a definition: targets exist, every state can be reached, every loop has a way out, names are unique.
pub(super) fn check(definition: &Value, problems: &mut Vec<Problem>) {
    let mut names = HashMap::new();
    machine(definition, &Place::root(), &mut names, problems);
    variables(definition, &Place::root(), &HashSet::new(), problems);
}

fn machine(
    value: &Value,
    place: &Place,
    names: &mut HashMap<String, Place>,
    problems: &mut Vec<Problem>,
) {
    let Some(states) = value.get("States").and_then(Value::as_object) else {
        return;
    };
    let at = place.key("States");
    let start = value.get("StartAt").and_then(Value::as_str);
    if let Some(start) = start {
        target(start, states, &place.key("StartAt"), problems);
    }
    for (name, state) in states {
        let here = at.key(name);
        if names.insert(name.clone(), here.clone()).is_some() {
            problems.push(here.problem(
                Code::DuplicateStateName,
                format!("there is another state '{name}': names are unique over the whole machine, branches included"),
            ));
        }
        for (next, place) in transitions(state, &here) {
            target(next, states, &place, problems);
        }
        for (inner, place) in machines(state, &here) {
            machine(inner, &place, names, problems);
        }
    }
    if let Some(start) = start.filter(|s| states.contains_key(*s)) {
        let reached = reach(states, [start]);
        for name in states
            .keys()
            .filter(|name| !reached.contains(name.as_str()))
        {
            let message = format!("State \"{name}\" is not reachable.");
            problems.push(at.key(name).problem(Code::MissingTransitionTarget, message));
        }
        loops(states, &reached, &at, problems);
    }
}

/// Branches and iterations read the variables around them, but set none of the same name: it would be lost when they end.
fn variables(value: &Value, place: &Place, outer: &HashSet<String>, problems: &mut Vec<Problem>) {
    let Some(states) = value.get("States").and_then(Value::as_object) else {
        return;
    };
    let at = place.key("States");
    let mut known = outer.clone();
    for (name, state) in states {
        for (variable, place) in assigned(state, &at.key(name)) {
            if outer.contains(variable) {
                let message = format!(
                    "the variable '{variable}' belongs to a state around this one: inside a branch or iteration it can be read, not set"
                );
                problems.push(place.problem(Code::SchemaValidationFailed, message));
            }
            known.insert(variable.to_owned());
        }
    }
    for (name, state) in states {
        let config = state
            .get("ItemProcessor")
            .and_then(|p| p.get("ProcessorConfig"));
        let apart =
            config.and_then(|c| c.get("Mode")).and_then(Value::as_str) == Some("DISTRIBUTED");
        // Children of a distributed Map see no variables of others.
        let around = if apart { HashSet::new() } else { known.clone() };
        for (inner, place) in machines(state, &at.key(name)) {
            variables(inner, &place, &around, problems);
        }
    }
}

/// The variables that a state sets, and where.
fn assigned<'a>(state: &'a Value, at: &Place) -> Vec<(&'a str, Place)> {
    let mut found = Vec::new();
    let mut add = |value: &'a Value, at: &Place| {
        let place = at.key("Assign");
        for name in value
            .get("Assign")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, _)| name)
        {
            found.push((name.strip_suffix(".$").unwrap_or(name), place.key(name)));
        }
    };
    add(state, at);
    for field in ["Choices", "Catch"] {
        for (index, item) in state
            .get(field)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate()
        {
            add(item, &at.key(field).index(index));
        }
    }
    found
}

fn target(name: &str, states: &Map<String, Value>, place: &Place, problems: &mut Vec<Problem>) {
    if !states.contains_key(name) {
        let hint = nearest(name, states.keys().map(String::as_str));
        let message = format!("Missing 'Next' target: {name}{hint}");
        problems.push(place.problem(Code::MissingTransitionTarget, message));
    }
}

/// States from which no end can be reached. Reported once for each group, at its first state.
fn loops(
    states: &Map<String, Value>,
    reached: &HashSet<&str>,
    at: &Place,
    problems: &mut Vec<Problem>,
) {
    let mut ways_back: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut ends = Vec::new();
    for (name, state) in states {
        let next: Vec<&str> = transitions(state, at)
            .into_iter()
            .map(|(next, _)| next)
            .collect();
        // A state without a way on is an end; if it should have one, that is another problem.
        if next.is_empty() || is_end(state) || next.iter().any(|n| !states.contains_key(*n)) {
            ends.push(name.as_str());
        }
        for next in next {
            ways_back.entry(next).or_default().push(name);
        }
    }
    let mut can_end: HashSet<&str> = HashSet::new();
    let mut open = ends;
    while let Some(name) = open.pop() {
        if can_end.insert(name) {
            open.extend(ways_back.get(name).into_iter().flatten());
        }
    }
    let mut told: HashSet<&str> = HashSet::new();
    for name in states.keys().map(String::as_str) {
        if can_end.contains(name) || !reached.contains(name) || told.contains(name) {
            continue;
        }
        let group = reach(states, [name]);
        let listed: Vec<&str> = states
            .keys()
            .map(String::as_str)
            .filter(|n| group.contains(n))
            .collect();
        told.extend(listed.iter().copied());
        let message = format!(
            "from here the run could never end: {} lead only to each other; give one of them \"End\": true or a way to a Succeed or Fail state",
            listed.join(", ")
        );
        problems.push(at.key(name).problem(Code::LoopWithoutExit, message));
    }
}

fn is_end(state: &Value) -> bool {
    state.get("End") == Some(&Value::Bool(true))
        || matches!(
            state.get("Type").and_then(Value::as_str),
            Some("Succeed" | "Fail")
        )
}

fn reach<'a>(
    states: &'a Map<String, Value>,
    from: impl IntoIterator<Item = &'a str>,
) -> HashSet<&'a str> {
    let mut open: Vec<&str> = from.into_iter().collect();
    let mut reached = HashSet::new();
    while let Some(name) = open.pop() {
        let Some((name, state)) = states.get_key_value(name) else {
            continue;
        };
        if reached.insert(name.as_str()) {
            open.extend(
                transitions(state, &Place::root())
                    .into_iter()
                    .map(|(next, _)| next),
            );
        }
    }
    reached
}

/// Where a state may lead.
pub(crate) fn leads_to(state: &Value) -> Vec<&str> {
    transitions(state, &Place::root())
        .into_iter()
        .map(|(next, _)| next)
        .collect()
}

/// Where a state may lead, and where it says so.
fn transitions<'a>(state: &'a Value, at: &Place) -> Vec<(&'a str, Place)> {
    let mut found = Vec::new();
    for field in ["Next", "Default"] {
        if let Some(next) = state.get(field).and_then(Value::as_str) {
            found.push((next, at.key(field)));
        }
    }
    for field in ["Choices", "Catch"] {
        let list = state.get(field).and_then(Value::as_array);
        for (index, item) in list.into_iter().flatten().enumerate() {
            if let Some(next) = item.get("Next").and_then(Value::as_str) {
                found.push((next, at.key(field).index(index).key("Next")));
            }
        }
    }
    found
}

/// The machines inside a state.
fn machines<'a>(state: &'a Value, at: &Place) -> Vec<(&'a Value, Place)> {
    let branches = state
        .get("Branches")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate();
    let mut found: Vec<_> = branches
        .map(|(i, b)| (b, at.key("Branches").index(i)))
        .collect();
    for field in ["ItemProcessor", "Iterator"] {
        if let Some(inner) = state.get(field) {
            found.push((inner, at.key(field)));
        }
    }
    found
}
