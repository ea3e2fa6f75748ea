//! Checks a document against the schema of its kind: unknown fields, wrong types, wrong words.

use common::resources::{
    Activity, ConfigMap, Event, Function, Kind, Namespace, Node, Pod, ReplicaSet, Secret, Service,
    StateMachine, Task, Workflow, WorkflowRun,
};
use schemars::schema_for;
use serde_json::Value;

use super::places::{Places, join};
use super::problem::Problem;
use super::suggestion::{did_you_mean, nearest};

/// The schema of a kind.
#[must_use]
pub(super) fn schema_of(kind: &Kind) -> Value {
    let schema = match kind.kind {
        "Function" => schema_for!(Function),
        "Workflow" => schema_for!(Workflow),
        "StateMachine" => schema_for!(StateMachine),
        "WorkflowRun" => schema_for!(WorkflowRun),
        "Activity" => schema_for!(Activity),
        "Task" => schema_for!(Task),
        "Pod" => schema_for!(Pod),
        "ReplicaSet" => schema_for!(ReplicaSet),
        "Service" => schema_for!(Service),
        "Node" => schema_for!(Node),
        "Namespace" => schema_for!(Namespace),
        "Secret" => schema_for!(Secret),
        "ConfigMap" => schema_for!(ConfigMap),
        "Event" => schema_for!(Event),
        _ => return Value::Bool(true),
    };
    schema.to_value()
}

/// Checks `value`, and takes out the fields that say nothing (`labels:` with no value), as
/// Kubernetes' own API does. Fields whose content is the user's own affair stay as they are.
pub(super) fn check(
    file: &str,
    places: &Places,
    schema: &Value,
    value: &mut Value,
) -> Vec<Problem> {
    let mut walk = Walk {
        file,
        places,
        root: schema,
        problems: Vec::new(),
    };
    walk.value(schema, value, "");
    walk.problems
}

struct Walk<'a> {
    file: &'a str,
    places: &'a Places,
    root: &'a Value,
    problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    fn problem(&mut self, pointer: &str, message: String) {
        self.problems
            .push(Problem::at(self.file, self.places, pointer, message));
    }

    /// Follows references and steps over `null` alternatives.
    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        for _ in 0..16 {
            if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
                let target = self.root.pointer(target.trim_start_matches('#'));
                schema = target.unwrap_or(&Value::Bool(true));
            } else if let Some(some) = schema.get("anyOf").and_then(Value::as_array) {
                let real = some
                    .iter()
                    .find(|one| one.get("type") != Some(&"null".into()));
                schema = real.unwrap_or(&Value::Bool(true));
            } else {
                break;
            }
        }
        schema
    }

    fn value(&mut self, schema: &'a Value, value: &mut Value, pointer: &str) {
        let amount = is_amount(schema);
        let schema = self.resolve(schema);
        let Some(wanted) = wanted_type(schema) else {
            return self.word(schema, value, pointer);
        };
        if amount && (value.is_number() || value.is_string()) {
            return;
        }
        match (wanted, &mut *value) {
            ("object", Value::Object(_)) => self.object(schema, value, pointer),
            ("array", Value::Array(items)) => {
                if let Some(schema) = schema.get("items") {
                    for (index, item) in items.iter_mut().enumerate() {
                        self.value(schema, item, &join(pointer, &index.to_string()));
                    }
                }
            }
            ("string", Value::String(_))
            | ("boolean", Value::Bool(_))
            | ("number", Value::Number(_)) => {}
            ("integer", Value::Number(number)) => {
                let (number, text) = (number.as_i64(), number.to_string());
                self.range(schema, number, &text, pointer);
            }
            _ => {
                let message = wrong_type(wanted, value);
                self.problem(pointer, message);
            }
        }
    }

    fn object(&mut self, schema: &'a Value, value: &mut Value, pointer: &str) {
        let Some(object) = value.as_object_mut() else {
            return;
        };
        let fields = schema.get("properties").and_then(Value::as_object);
        let others = schema
            .get("additionalProperties")
            .filter(|schema| schema.is_object());
        // Only where the fields are known: a null elsewhere may be meant.
        if fields.is_some() {
            object.retain(|name, value| {
                let known = fields.and_then(|fields| fields.get(name));
                !value.is_null() || known.is_none() || known.is_some_and(is_open)
            });
        }
        for (name, value) in object.iter_mut() {
            let pointer = join(pointer, name);
            match (fields.and_then(|fields| fields.get(name)), others) {
                (Some(schema), _) | (None, Some(schema)) => self.value(schema, value, &pointer),
                (None, None) => {
                    if let Some(fields) = fields {
                        let known: Vec<&str> = fields.keys().map(String::as_str).collect();
                        self.problem(&pointer, unknown_field(name, &known));
                    }
                }
            }
        }
        for name in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let name = name.as_str().unwrap_or_default();
            if value.get(name).is_none() {
                self.problem(pointer, format!("lacks the field \"{name}\""));
            }
        }
    }

    fn range(&mut self, schema: &Value, number: Option<i64>, text: &str, pointer: &str) {
        let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
        let (least, most) = (bound("minimum"), bound("maximum"));
        let fits = number.is_some_and(|n| {
            least.is_none_or(|least| n >= least) && most.is_none_or(|most| n <= most)
        });
        if !fits {
            let range = match (least, most) {
                (Some(least), Some(most)) => format!(" from {least} to {most}"),
                (Some(least), None) => format!(" of at least {least}"),
                _ => String::new(),
            };
            self.problem(pointer, format!("found {text}, want a whole number{range}"));
        }
    }

    /// A field that takes one of some words.
    fn word(&mut self, schema: &Value, value: &Value, pointer: &str) {
        let consts = schema.get("oneOf").and_then(Value::as_array).map(|one_of| {
            one_of
                .iter()
                .filter_map(|one| one.get("const")?.as_str())
                .collect::<Vec<_>>()
        });
        let listed = schema.get("enum").and_then(Value::as_array);
        let listed = listed.map(|words| words.iter().filter_map(Value::as_str).collect());
        let Some(words) = consts
            .or(listed)
            .filter(|words: &Vec<&str>| !words.is_empty())
        else {
            return;
        };
        if value.as_str().is_some_and(|word| words.contains(&word)) {
            return;
        }
        let hint = value
            .as_str()
            .and_then(|word| nearest(word, &words))
            .map(did_you_mean);
        let list = match words.split_last() {
            Some((last, [])) => format!("\"{last}\""),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            None => String::new(),
        };
        self.problem(
            pointer,
            format!(
                "found {}, want {list}{}",
                describe(value),
                hint.unwrap_or_default()
            ),
        );
    }
}

/// Whether the schema says nothing of the content.
fn is_open(schema: &Value) -> bool {
    schema.as_bool() == Some(true)
        || schema.as_object().is_some_and(|object| {
            !["type", "$ref", "anyOf", "oneOf", "enum"]
                .iter()
                .any(|key| object.contains_key(*key))
        })
}

/// Amounts may be written as number or text.
fn is_amount(schema: &Value) -> bool {
    let named = |schema: &Value| {
        schema
            .get("$ref")
            .and_then(Value::as_str)
            .is_some_and(|target| target.ends_with("/Quantity"))
    };
    named(schema)
        || schema
            .get("anyOf")
            .and_then(Value::as_array)
            .is_some_and(|some| some.iter().any(named))
}

fn wanted_type(schema: &Value) -> Option<&str> {
    if schema.get("enum").is_some() {
        return None;
    }
    match schema.get("type")? {
        Value::String(one) => Some(one),
        Value::Array(several) => several
            .iter()
            .filter_map(Value::as_str)
            .find(|one| *one != "null"),
        _ => None,
    }
}

fn unknown_field(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("unknown field \"{name}\"{}", did_you_mean(near)),
        None => {
            let known: Vec<_> = known
                .iter()
                .filter(|name| **name != "status")
                .copied()
                .collect();
            format!(
                "unknown field \"{name}\"; the fields here are {}",
                known.join(", ")
            )
        }
    }
}

fn wrong_type(wanted: &str, found: &Value) -> String {
    let want = match wanted {
        "object" => "fields and their values",
        "array" => "a list",
        "string" => "text",
        "boolean" => "true or false",
        "integer" => "a whole number",
        other => other,
    };
    let hint = match (wanted, found) {
        ("string", Value::Number(_) | Value::Bool(_)) => format!(": write \"{found}\" in quotes"),
        ("string", Value::Object(_) | Value::Array(_)) => {
            format!(": JSON goes in quotes, as '{found}'")
        }
        ("integer" | "boolean", Value::String(text))
            if text.parse::<i64>().is_ok() || matches!(text.as_str(), "true" | "false") =>
        {
            format!(": write {text} without quotes")
        }
        _ => String::new(),
    };
    format!("found {}, want {want}{hint}", describe(found))
}

/// What was found, in a few words.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("{value}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => {
            let short: String = text.chars().take(60).collect();
            let dots = if short.len() < text.len() { "…" } else { "" };
            format!("\"{short}{dots}\"")
        }
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "fields and their values".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use common::resources::{KINDS, Kind};

    use super::super::yaml;
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let mut document = yaml::read("a.yaml", text).unwrap().remove(0);
        let kind = Kind::by_word(document.value["kind"].as_str().unwrap()).unwrap();
        check(
            "a.yaml",
            &document.places,
            &schema_of(kind),
            &mut document.value,
        )
        .iter()
        .map(ToString::to_string)
        .collect()
    }

    #[test]
    fn a_typo_is_found_with_its_line_and_the_right_word() {
        insta::assert_snapshot!(
            problems("kind: Function\nmetadata: {name: a}\nspec:\n  userUploadFilepath: ./a\n").join("\n"),
            @r#"a.yaml line 4: spec.userUploadFilepath: unknown field "userUploadFilepath"; did you mean "userUploadFilePath"?"#
        );
    }

    #[test]
    fn wrong_types_say_what_was_found_and_what_is_wanted() {
        let text = "kind: Function\nmetadata: {name: 5, labels: {a: true}}\nspec:\n  timeoutSeconds: \"30\"\n  \
                    concurrency: -1\n  port: 70000\n  style: lamda\n  base: huge\n  env: {A: b}\n  \
                    resources: {cpu: 2, memory: 256Mi}\n  access: closed\n  zzz: 1\n  version: 1.5\n";
        insta::assert_snapshot!(problems(text).join("\n"), @r#"
        a.yaml line 2: metadata.name: found the number 5, want text: write "5" in quotes
        a.yaml line 2: metadata.labels.a: found true, want text: write "true" in quotes
        a.yaml line 4: spec.timeoutSeconds: found "30", want a whole number: write 30 without quotes
        a.yaml line 5: spec.concurrency: found -1, want a whole number of at least 0
        a.yaml line 6: spec.port: found 70000, want a whole number from 0 to 65535
        a.yaml line 7: spec.style: found "lamda", want params, env or lambda; did you mean "lambda"?
        a.yaml line 8: spec.base: found "huge", want slim or full
        a.yaml line 9: spec.env: found fields and their values, want a list
        a.yaml line 11: spec.access: found "closed", want "open"
        a.yaml line 12: spec.zzz: unknown field "zzz"; the fields here are userUploadFilePath, source, image, handler, style, base, version, env, resources, timeoutSeconds, concurrency, scaling, retry, network, port, access, nodeSelector, tolerations
        a.yaml line 13: spec.version: found 1.5, want a whole number
        "#);
    }

    #[test]
    fn fields_that_say_nothing_are_left_out() {
        let text = "kind: WorkflowRun\nmetadata: {name: a, labels: }\nspec: {workflow: w, input: {a: null}}\n";
        let mut document = yaml::read("a", text).unwrap().remove(0);
        let schema = schema_of(Kind::by_word("run").unwrap());
        assert!(check("a", &document.places, &schema, &mut document.value).is_empty());
        assert!(document.value["metadata"].get("labels").is_none());
        assert!(document.value["spec"]["input"]["a"].is_null());
        assert!(document.value["spec"]["input"].get("a").is_some());
    }

    #[test]
    fn every_kind_has_a_schema() {
        for kind in KINDS {
            assert!(schema_of(kind).is_object(), "{}", kind.kind);
        }
    }
}
