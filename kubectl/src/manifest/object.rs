//! From documents to checked objects.

use common::resources::{KINDS, Kind};
use serde_json::{Map, Value};

use super::code::{self, Upload};
use super::input::Input;
use super::places::{Places, join};
use super::problem::{Problem, Problems};
use super::suggestion::{did_you_mean, nearest};
use super::{language, schema, seeds, yaml};

/// One object to send, checked as far as it can be without the server.
#[derive(Debug)]
pub struct Object {
    /// The file it stands in.
    pub file: String,
    /// Where its fields stand there.
    pub places: Places,
    /// Its kind.
    pub kind: &'static Kind,
    /// What is sent.
    pub value: Value,
    /// Code to upload before the object is sent.
    pub upload: Option<Upload>,
}

impl Object {
    /// Its name; empty when the server is to make one up.
    #[must_use]
    pub fn name(&self) -> &str {
        self.value
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The namespace written in the file.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.value
            .pointer("/metadata/namespace")
            .and_then(Value::as_str)
    }
}

/// How strictly files are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Every check.
    Strict,
    /// Only what is needed to send the object.
    Lax,
}

/// What is done with the objects, since that decides what they need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// They are written: code is packed.
    Write,
    /// They are only named, as by `delete -f`.
    Name,
}

/// Reads and checks all documents of all inputs.
///
/// # Errors
/// Everything that is wrong with any of them.
pub fn read_all(
    inputs: &[Input],
    strictness: Strictness,
    purpose: Purpose,
) -> Result<Vec<Object>, Problems> {
    let (mut objects, mut problems) = (Vec::new(), Vec::new());
    for input in inputs {
        let documents = match yaml::read(&input.label, &input.text) {
            Ok(documents) => documents,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        for document in documents.into_iter().flat_map(open_list) {
            match read(input, document, strictness, purpose) {
                Ok(object) => objects.push(object),
                Err(more) => problems.extend(more),
            }
        }
    }
    match (problems.is_empty(), objects.is_empty(), inputs.first()) {
        (true, true, Some(input)) => Err(Problem::of_file(&input.label, "no objects in it").into()),
        (true, ..) => Ok(objects),
        (false, ..) => Err(Problems(problems)),
    }
}

/// `kind: List` stands for its items.
fn open_list(document: yaml::Document) -> Vec<yaml::Document> {
    let is_list = document
        .value
        .get("kind")
        .and_then(Value::as_str)
        .is_some_and(|k| k.ends_with("List"));
    match document.value.get("items") {
        Some(Value::Array(items)) if is_list => items
            .iter()
            .enumerate()
            .map(|(index, item)| yaml::Document {
                value: item.clone(),
                places: document.places.under(&join("/items", &index.to_string())),
            })
            .collect(),
        _ => vec![document],
    }
}

fn read(
    input: &Input,
    document: yaml::Document,
    strictness: Strictness,
    purpose: Purpose,
) -> Result<Object, Vec<Problem>> {
    let yaml::Document { value, places } = document;
    let file = input.label.as_str();
    let mut seed = None;
    let bare = seeds::is_state_machine(&value);
    let mut value = if seeds::is_function(&value) {
        let read = seeds::function(file, &places, &value)?;
        let object = read.object.clone();
        seed = Some(read);
        object
    } else if bare {
        seeds::state_machine(file, &places, &value).map_err(|problem| vec![problem])?
    } else {
        value
    };
    let kind = kind_of(file, &places, &value).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    if strictness == Strictness::Strict && purpose == Purpose::Write {
        problems = schema::check(file, &places, &schema::schema_of(kind), &mut value);
    }
    problems.extend(check_name(file, &places, kind, &value, purpose));
    let mut upload = None;
    if problems.is_empty() && purpose == Purpose::Write {
        if strictness == Strictness::Strict {
            problems.extend(language::check(file, &places, kind, &value, bare));
        }
        if kind.kind == "Function" {
            match code::find(input, &places, &mut value, seed.as_ref(), strictness) {
                Ok(found) => upload = found,
                Err(more) => problems.extend(more),
            }
        }
    }
    if problems.is_empty() {
        Ok(Object {
            file: file.to_owned(),
            places,
            kind,
            value,
            upload,
        })
    } else {
        Err(problems)
    }
}

/// The kind of a document, by `apiVersion` and `kind`.
fn kind_of(file: &str, places: &Places, value: &Value) -> Result<&'static Kind, Problem> {
    let fail = |pointer: &str, message: String| Err(Problem::at(file, places, pointer, message));
    if !value.is_object() {
        return fail(
            "",
            "want an object with apiVersion, kind and metadata".to_owned(),
        );
    }
    let word = match value.get("kind") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(other) => return fail("/kind", format!("found {other}, want a kind, as Function")),
        None => {
            return fail(
                "",
                "lacks the field \"kind\", as Function or Workflow".to_owned(),
            );
        }
    };
    let Some(kind) = KINDS.iter().find(|kind| kind.kind == word) else {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.kind).collect();
        let hint = nearest(word, &names).map(did_you_mean);
        let hint = hint.unwrap_or_else(|| format!("; the kinds are {}", names.join(", ")));
        return fail("/kind", format!("unknown kind \"{word}\"{hint}"));
    };
    let wanted = kind.api_version();
    match value.get("apiVersion").and_then(Value::as_str) {
        Some(version) if version == wanted => Ok(kind),
        Some(version) => fail(
            "/apiVersion",
            format!("found \"{version}\", want \"{wanted}\" for kind {word}"),
        ),
        None => fail(
            "",
            format!("lacks the field \"apiVersion\": want \"{wanted}\" for kind {word}"),
        ),
    }
}

fn check_name(
    file: &str,
    places: &Places,
    kind: &Kind,
    value: &Value,
    purpose: Purpose,
) -> Option<Problem> {
    let at = |pointer: &str, message: String| Some(Problem::at(file, places, pointer, message));
    let empty = Map::new();
    let metadata = value
        .get("metadata")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    if let Some(namespace) = metadata.get("namespace").and_then(Value::as_str)
        && let Err(error) = common::resources::check_dns_label(namespace)
    {
        return at("/metadata/namespace", error.to_string());
    }
    match metadata.get("name") {
        Some(Value::String(name)) => {
            let error = kind.name_rule.check(name).err()?;
            at("/metadata/name", error.to_string())
        }
        Some(Value::Null) | None => {
            let generated = metadata.get("generateName").is_some() && purpose == Purpose::Write;
            if generated {
                None
            } else {
                at("/metadata", "lacks the field \"name\"".to_owned())
            }
        }
        Some(other) => at("/metadata/name", format!("found {other}, want text")),
    }
}
