use std::fmt;

use common::resources::Resource;
use serde_ignored::Path;
use serde_json::Value;

use super::nulls;

/// An object as its type has it.
pub(crate) struct Decoded {
    pub(crate) object: Value,
    /// Paths of fields that the type does not have.
    pub(crate) unknown: Vec<String>,
}

/// A field is not what its type wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DecodeError {
    pub(crate) path: String,
    pub(crate) message: String,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() || self.path == "." {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

pub(super) fn decode<R: Resource>(mut value: Value) -> Result<Decoded, DecodeError> {
    nulls::strip(&mut value);
    let mut unknown = Vec::new();
    let mut note = |path: Path<'_>| unknown.push(spell(&path));
    let ignoring = serde_ignored::Deserializer::new(value, &mut note);
    let mut object: R =
        serde_path_to_error::deserialize(ignoring).map_err(|error| DecodeError {
            path: error.path().to_string(),
            message: in_words(&error.inner().to_string()),
        })?;
    let managed = std::mem::take(&mut object.metadata_mut().managed_fields);
    object.metadata_mut().managed_fields = managed.into_iter().filter(Value::is_object).collect();
    let object = serde_json::to_value(&object).map_err(|error| DecodeError {
        path: String::new(),
        message: error.to_string(),
    })?;
    Ok(Decoded { object, unknown })
}

/// `spec.env[1].valeu`.
fn spell(path: &Path<'_>) -> String {
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", spell(parent)),
        Path::Map { parent, key } => match spell(parent).as_str() {
            "" => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => spell(parent),
    }
}

/// serde's words, said to somebody who writes YAML.
fn in_words(error: &str) -> String {
    let found = [
        "invalid type: ",
        "invalid value: ",
        "unknown variant ",
        "invalid length ",
    ]
    .iter()
    .find_map(|prefix| error.strip_prefix(prefix))
    .and_then(|rest| rest.split_once(", expected "));
    let Some((found, wanted)) = found else {
        return error.to_owned();
    };
    let wanted = match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "a string" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        other if other.starts_with("struct ") => "a map of fields",
        other => other,
    };
    let found = match found {
        "number" => "a number",
        "map" => "a map",
        "sequence" => "a list",
        "null" => "nothing",
        other => other,
    };
    format!("found {found}, want {wanted}")
}
