//! The fields of a Workflow's `spec`.

use serde_json::{Number, Value};

use crate::program::fields::Fields;
use crate::program::problem::{Code, Place, Problem};
use crate::program::suggest::nearest;

/// A workflow as it was written, checked.
pub(super) struct Spec {
    pub(super) entry: Option<Value>,
    pub(super) entry_node: String,
    pub(super) nodes: Vec<Node>,
}

pub(super) struct Node {
    pub(super) name: String,
    pub(super) work: Work,
}

pub(super) enum Work {
    Function {
        namespace: Option<String>,
        name: String,
        next: Option<String>,
    },
    Choice {
        yes: String,
        no: String,
        check: Check,
        variable: String,
        value: Value,
    },
}

/// A `checkType`: the operator of a Choice that it becomes (negated or not), and what it compares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) numeric: bool,
    pub(super) operator: &'static str,
    pub(super) negated: bool,
}

const fn check(name: &'static str, numeric: bool, operator: &'static str, negated: bool) -> Check {
    Check {
        name,
        numeric,
        operator,
        negated,
    }
}

const CHECKS: [Check; 12] = [
    check("numEqual", true, "NumericEquals", false),
    check("numNotEqual", true, "NumericEquals", true),
    check("numGreaterThan", true, "NumericGreaterThan", false),
    check("numLessThan", true, "NumericLessThan", false),
    check(
        "numGreaterAndEqualThan",
        true,
        "NumericGreaterThanEquals",
        false,
    ),
    check("numLessAndEqualThan", true, "NumericLessThanEquals", false),
    check("strEqual", false, "StringEquals", false),
    check("strNotEqual", false, "StringEquals", true),
    check("strGreaterThan", false, "StringGreaterThan", false),
    check("strLessThan", false, "StringLessThan", false),
    check(
        "strGreaterAndEqualThan",
        false,
        "StringGreaterThanEquals",
        false,
    ),
    check("strLessAndEqualThan", false, "StringLessThanEquals", false),
];

/// Reads a spec.
pub(super) fn parse(spec: &Value, problems: &mut Vec<Problem>) -> Option<Spec> {
    let mut fields = Fields::of(
        "a workflow's spec",
        spec,
        Place::root().key("spec"),
        problems,
    )?;
    let entry = entry(&mut fields);
    // Who may call it is the gateway's matter.
    fields.get("access");
    let entry_node = fields.required_text("entryNodeName").map(str::to_owned);
    fields.required("workflowNodes");
    let list = fields.list("workflowNodes").cloned().unwrap_or_default();
    if list.is_empty() && fields.has("workflowNodes") {
        fields.wrong(
            "workflowNodes",
            "'workflowNodes' must have at least one node",
        );
    }
    let place = fields.place.key("workflowNodes");
    let mut nodes: Vec<Node> = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        nodes.extend(node(value, place.index(index), fields.problems));
    }
    fields.finish();
    transitions(entry_node.as_deref(), &list, problems);
    Some(Spec {
        entry,
        entry_node: entry_node?,
        nodes,
    })
}

fn entry(fields: &mut Fields<'_>) -> Option<Value> {
    match fields.get("entryParams")? {
        Value::Null => None,
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => match serde_json::from_str(text) {
            Ok(value) => Some(value),
            Err(error) => {
                fields.wrong("entryParams", format!("'entryParams' must be the text of a JSON document, such as '{{\"x\": 1}}': {error}"));
                None
            }
        },
        other => Some(other.clone()),
    }
}

fn node(value: &Value, place: Place, problems: &mut Vec<Problem>) -> Option<Node> {
    let name = value.get("name").and_then(Value::as_str);
    let what = name.map_or_else(|| "a node".to_owned(), |name| format!("the node '{name}'"));
    let mut fields = Fields::of(what, value, place, problems)?;
    let name = fields.required_text("name").map(str::to_owned);
    if let Some(name) = &name
        && !(1..=80).contains(&name.chars().count())
    {
        fields.wrong("name", "a node's name has 1 to 80 characters");
    }
    let kind = fields.required_text("type");
    let (function, choice) = (fields.get("funcData"), fields.get("choiceData"));
    let work = match kind {
        Some("func") => {
            if choice.is_some() {
                fields.wrong(
                    "choiceData",
                    "a node of type 'func' has 'funcData', not 'choiceData'",
                );
            }
            match fields.required("funcData") {
                Some(data) => function_data(data, fields.place.key("funcData"), fields.problems),
                None => None,
            }
        }
        Some("choice") => {
            if function.is_some() {
                fields.wrong(
                    "funcData",
                    "a node of type 'choice' has 'choiceData', not 'funcData'",
                );
            }
            match fields.required("choiceData") {
                Some(data) => choice_data(data, fields.place.key("choiceData"), fields.problems),
                None => None,
            }
        }
        Some(other) => {
            fields.wrong(
                "type",
                format!("a node's 'type' must be 'func' or 'choice' but is '{other}'"),
            );
            None
        }
        None => None,
    };
    fields.finish();
    Some(Node {
        name: name?,
        work: work?,
    })
}

fn function_data(data: &Value, place: Place, problems: &mut Vec<Problem>) -> Option<Work> {
    let mut fields = Fields::of("funcData", data, place, problems)?;
    let name = fields.required_text("funcName").map(str::to_owned);
    let namespace = fields
        .text("funcNamespace")
        .filter(|n| !n.is_empty())
        .map(str::to_owned);
    let next = optional_text(&mut fields, "nextNodeName");
    for (field, text) in [("funcName", &name), ("funcNamespace", &namespace)] {
        if let Some(text) = text
            && (text.contains('/') || text.parse::<crate::resource::FunctionRef>().is_err())
        {
            fields.wrong(
                field,
                format!("'{text}' is no name: 1 to 80 of the characters A-Z a-z 0-9 _ . -"),
            );
        }
    }
    fields.finish();
    Some(Work::Function {
        namespace,
        name: name?,
        next,
    })
}

fn optional_text(fields: &mut Fields<'_>, name: &'static str) -> Option<String> {
    match fields.get(name) {
        None | Some(Value::Null) => None,
        Some(_) => fields
            .text(name)
            .filter(|text| !text.is_empty())
            .map(str::to_owned),
    }
}

fn choice_data(data: &Value, place: Place, problems: &mut Vec<Problem>) -> Option<Work> {
    let mut fields = Fields::of("choiceData", data, place, problems)?;
    let yes = fields.required_text("trueNextNodeName").map(str::to_owned);
    let no = fields.required_text("falseNextNodeName").map(str::to_owned);
    let variable = fields.required_text("checkVarName").map(str::to_owned);
    if variable.as_deref() == Some("") {
        fields.wrong("checkVarName", "'checkVarName' must name a variable");
    }
    let text = fields.required_text("checkType");
    let check = text.and_then(|text| CHECKS.into_iter().find(|check| check.name == text));
    if let (Some(text), None) = (text, check) {
        let hint = nearest(text, CHECKS.iter().map(|check| check.name));
        let known: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
        fields.wrong(
            "checkType",
            format!(
                "there is no checkType '{text}'{hint}; there are {}",
                known.join(", ")
            ),
        );
    }
    let found = fields.required("compareValue");
    let value = check.zip(found).and_then(|(check, found)| {
        let coerced = coerce(check, found);
        if coerced.is_none() {
            let wanted = if check.numeric {
                "a number (2 or \"2\")"
            } else {
                "a text or a number"
            };
            let message = format!(
                "'{}' compares with {wanted}, but 'compareValue' is {found}",
                check.name
            );
            fields.wrong("compareValue", message);
        }
        coerced
    });
    fields.finish();
    Some(Work::Choice {
        yes: yes?,
        no: no?,
        check: check?,
        variable: variable?,
        value: value?,
    })
}

/// `compareValue` may be a number or a text; which is meant is the checkType's matter.
fn coerce(check: Check, value: &Value) -> Option<Value> {
    match (check.numeric, value) {
        (true, Value::Number(_)) | (false, Value::String(_)) => Some(value.clone()),
        (true, Value::String(text)) => serde_json::from_str::<Number>(text.trim())
            .ok()
            .map(Value::Number),
        (false, Value::Number(number)) => Some(Value::String(number.to_string())),
        _ => None,
    }
}

/// Names that nodes give each other. Works on the YAML's values, so that a broken node does not hide a dangling name.
fn transitions(entry: Option<&str>, list: &[Value], problems: &mut Vec<Problem>) {
    let root = Place::root().key("spec");
    let nodes = root.key("workflowNodes");
    let name = |value: &Value| value.get("name").and_then(Value::as_str).map(str::to_owned);
    let names: Vec<String> = list.iter().filter_map(name).collect();
    let mut leads = |target: &str, place: Place| {
        if !names.iter().any(|n| n == target) {
            let hint = nearest(target, names.iter().map(String::as_str));
            problems.push(place.problem(
                Code::MissingTransitionTarget,
                format!("there is no node '{target}'{hint}"),
            ));
        }
    };
    if let Some(entry) = entry {
        leads(entry, root.key("entryNodeName"));
    }
    for (index, value) in list.iter().enumerate() {
        for (data, field) in [
            ("funcData", "nextNodeName"),
            ("choiceData", "trueNextNodeName"),
            ("choiceData", "falseNextNodeName"),
        ] {
            let target = value
                .get(data)
                .and_then(|d| d.get(field))
                .and_then(Value::as_str);
            if let Some(target) = target.filter(|t| !t.is_empty()) {
                leads(target, nodes.index(index).key(data).key(field));
            }
        }
    }
    for (index, value) in list.iter().enumerate() {
        if let Some(name) = name(value)
            && list
                .iter()
                .take(index)
                .any(|other| other.get("name").and_then(Value::as_str) == Some(name.as_str()))
        {
            let message = format!("there is another node '{name}' before this one");
            problems.push(
                nodes
                    .index(index)
                    .key("name")
                    .problem(Code::DuplicateStateName, message),
            );
        }
    }
}
