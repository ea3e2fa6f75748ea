//! The two forms of seed 2 that are not Kubernetes-shaped: a function's `def.yaml` and a state
//! machine's JSON.

use serde_json::{Map, Value, json};

use super::places::Places;
use super::problem::Problem;
use super::suggestion::{did_you_mean, nearest};

/// A function in seed 2's form, made into a Function, with the files to upload.
#[derive(Debug)]
pub(super) struct SeedFunction {
    /// The Function.
    pub object: Value,
    /// Path of the Python file, as written.
    pub function: String,
    /// Path of `requirements.txt`, as written.
    pub requirements: Option<String>,
}

/// Whether the document has seed 2's form of a function: `kind: activity` with a name at the top.
#[must_use]
pub(super) fn is_function(value: &Value) -> bool {
    let lower_case = value.get("kind").and_then(Value::as_str) == Some("activity");
    lower_case && value.get("metadata").is_none() && value.get("apiVersion").is_none()
}

/// Whether the document is a bare state machine.
#[must_use]
pub(super) fn is_state_machine(value: &Value) -> bool {
    value.get("kind").is_none() && value.get("StartAt").is_some() && value.get("States").is_some()
}

const FIELDS: [&str; 6] = [
    "kind",
    "name",
    "function",
    "requirements",
    "version",
    "namespace",
];

/// Reads seed 2's form of a function.
///
/// # Errors
/// When fields are missing, unknown or of the wrong type.
pub(super) fn function(
    file: &str,
    places: &Places,
    value: &Value,
) -> Result<SeedFunction, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut fail = |pointer: &str, message: String| {
        problems.push(Problem::at(file, places, pointer, message));
    };
    for name in value.as_object().into_iter().flat_map(Map::keys) {
        if !FIELDS.contains(&name.as_str()) {
            let hint = nearest(name, &FIELDS).map(did_you_mean).unwrap_or_else(|| {
                "; kind: activity has name, function, requirements and version".to_owned()
            });
            fail(
                &format!("/{name}"),
                format!("unknown field \"{name}\"{hint}"),
            );
        }
    }
    let mut text = |name: &str, needed: bool, what: &str| match value.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(Value::Null) | None if !needed => None,
        Some(Value::Null) | None => {
            fail("", format!("lacks the field \"{name}\": {what}"));
            None
        }
        Some(other) => {
            fail(&format!("/{name}"), format!("found {other}, want {what}"));
            None
        }
    };
    let name = text("name", true, "the function's name");
    let code = text(
        "function",
        true,
        "the path of the Python file with def handler(env)",
    );
    let requirements = text("requirements", false, "the path of requirements.txt");
    let namespace = text("namespace", false, "a namespace");
    let version = value.get("version").filter(|version| !version.is_null());
    if let Some(version) = version.filter(|version| version.as_i64().is_none()) {
        fail("/version", format!("found {version}, want a whole number"));
    }
    let (Some(name), Some(code), true) = (name, code, problems.is_empty()) else {
        return Err(problems);
    };
    let mut metadata = json!({ "name": name });
    if let Some(namespace) = namespace {
        metadata["namespace"] = namespace.into();
    }
    let mut spec = json!({ "base": "full" });
    if let Some(version) = version {
        spec["version"] = version.clone();
    }
    let object =
        json!({ "apiVersion": "v1", "kind": "Function", "metadata": metadata, "spec": spec });
    Ok(SeedFunction {
        object,
        function: code,
        requirements,
    })
}

/// Makes a bare state machine into a StateMachine named after its `Name`.
///
/// # Errors
/// When it has no usable name.
pub(super) fn state_machine(file: &str, places: &Places, value: &Value) -> Result<Value, Problem> {
    let mut definition = value.clone();
    let name = definition
        .as_object_mut()
        .and_then(|object| object.shift_remove("Name"));
    let fail =
        |pointer: &str, message: &str| Err(Problem::at(file, places, pointer, message.to_owned()));
    match name {
        Some(Value::String(name)) => Ok(json!({
            "apiVersion": "v1",
            "kind": "StateMachine",
            "metadata": { "name": name },
            "spec": { "definition": definition },
        })),
        Some(_) => fail("/Name", "want text: the state machine's name"),
        None => fail("", "lacks the field \"Name\": the state machine's name"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml;
    use super::*;

    const DEF: &str = "kind: activity\nname: get_price\nfunction: ./get_price.py\nrequirements: ./requirements.txt\nversion: 3\n";

    #[test]
    fn the_seeds_function_becomes_a_function() {
        let document = yaml::read("def.yaml", DEF).unwrap().remove(0);
        assert!(is_function(&document.value));
        let read = function("def.yaml", &document.places, &document.value).unwrap();
        assert_eq!(
            read.object,
            json!({"apiVersion": "v1", "kind": "Function", "metadata": {"name": "get_price"},
                   "spec": {"base": "full", "version": 3}})
        );
        assert_eq!(read.function, "./get_price.py");
        assert_eq!(read.requirements.as_deref(), Some("./requirements.txt"));
    }

    #[test]
    fn an_activity_of_step_functions_is_another_thing() {
        for text in [
            "apiVersion: v1\nkind: Activity\nmetadata: {name: a}\n",
            "kind: activity\nmetadata: {name: a}\n",
        ] {
            assert!(!is_function(&yaml::read("a", text).unwrap()[0].value));
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let document = yaml::read("def.yaml", "kind: activity\nfunctoin: a.py\nversion: one\n")
            .unwrap()
            .remove(0);
        let problems = function("def.yaml", &document.places, &document.value).unwrap_err();
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(problems.join("\n"), @r#"
        def.yaml line 2: functoin: unknown field "functoin"; did you mean "function"?
        def.yaml line 1: lacks the field "name": the function's name
        def.yaml line 1: lacks the field "function": the path of the Python file with def handler(env)
        def.yaml line 3: version: found "one", want a whole number
        "#);
    }

    #[test]
    fn a_bare_state_machine_is_named_after_its_name() {
        let text =
            r#"{"Name": "m_1", "StartAt": "A", "States": {"B": {}, "A": {"Type": "Succeed"}}}"#;
        let document = yaml::read("m.json", text).unwrap().remove(0);
        assert!(is_state_machine(&document.value));
        let object = state_machine("m.json", &document.places, &document.value).unwrap();
        assert_eq!(object["metadata"]["name"], "m_1");
        assert_eq!(
            serde_json::to_string(&object["spec"]["definition"]).unwrap(),
            r#"{"StartAt":"A","States":{"B":{},"A":{"Type":"Succeed"}}}"#
        );
    }
}
