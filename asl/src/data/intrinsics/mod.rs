//! Intrinsic functions: `States.Format('{}', $.x)`.
//!
//! - `parse`: calls, nested up to ten deep
//! - `text`, `array`, `math`, `encoding`: the eighteen functions

mod array;
mod encoding;
mod math;
mod parse;
mod text;

use serde_json::Value;

pub use parse::CallError;

use super::context::Scope;
use super::path::Path;

/// A call that has been read.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    text: String,
    function: Function,
    arguments: Vec<Argument>,
}

#[derive(Debug, Clone, PartialEq)]
enum Argument {
    Literal(Value),
    Path(Path),
    Call(Call),
}

/// The functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Format,
    StringToJson,
    JsonToString,
    Array,
    ArrayPartition,
    ArrayContains,
    ArrayRange,
    ArrayGetItem,
    ArrayLength,
    ArrayUnique,
    Base64Encode,
    Base64Decode,
    Hash,
    JsonMerge,
    MathRandom,
    MathAdd,
    StringSplit,
    Uuid,
}

/// Name, function, least and most arguments.
const FUNCTIONS: [(&str, Function, usize, usize); 18] = [
    ("Format", Function::Format, 1, usize::MAX),
    ("StringToJson", Function::StringToJson, 1, 1),
    ("JsonToString", Function::JsonToString, 1, 1),
    ("Array", Function::Array, 0, usize::MAX),
    ("ArrayPartition", Function::ArrayPartition, 2, 2),
    ("ArrayContains", Function::ArrayContains, 2, 2),
    ("ArrayRange", Function::ArrayRange, 3, 3),
    ("ArrayGetItem", Function::ArrayGetItem, 2, 2),
    ("ArrayLength", Function::ArrayLength, 1, 1),
    ("ArrayUnique", Function::ArrayUnique, 1, 1),
    ("Base64Encode", Function::Base64Encode, 1, 1),
    ("Base64Decode", Function::Base64Decode, 1, 1),
    ("Hash", Function::Hash, 2, 2),
    ("JsonMerge", Function::JsonMerge, 3, 3),
    ("MathRandom", Function::MathRandom, 2, 3),
    ("MathAdd", Function::MathAdd, 2, 2),
    ("StringSplit", Function::StringSplit, 2, 2),
    ("UUID", Function::Uuid, 0, 0),
];

impl Call {
    /// The call as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Computes it. The error is the cause for a person.
    pub fn evaluate(&self, input: &Value, scope: &Scope<'_>) -> Result<Value, String> {
        let arguments = self
            .arguments
            .iter()
            .map(|argument| match argument {
                Argument::Literal(value) => Ok(value.clone()),
                Argument::Path(path) => match scope.find(path, input) {
                    Ok(value) => Ok(value.into_owned()),
                    Err(_) => Err(self.wrong(&format!(
                        "The JsonPath argument for the field '{path}' could not be found in the input '{}'",
                        scope.shown(path, input)
                    ))),
                },
                Argument::Call(call) => call.evaluate(input, scope),
            })
            .collect::<Result<Vec<Value>, String>>()?;
        self.function
            .compute(arguments, scope)
            .map_err(|message| self.wrong(&message))
    }

    fn wrong(&self, message: &str) -> String {
        format!(
            "The function '{}' had the following error: {message}",
            self.text
        )
    }
}

impl Function {
    fn compute(self, arguments: Vec<Value>, scope: &Scope<'_>) -> Result<Value, String> {
        let a = Arguments(&arguments);
        match self {
            Function::Format => text::format(&arguments),
            Function::StringToJson => text::string_to_json(a.get(0)),
            Function::JsonToString => Ok(Value::String(a.get(0).to_string())),
            Function::StringSplit => text::split(a.text(0)?, a.text(1)?),
            Function::Uuid => Ok(Value::String(scope.entropy().uuid())),
            Function::Array => Ok(Value::Array(arguments)),
            Function::ArrayPartition => array::partition(a.list(0)?, a.integer(1)?),
            Function::ArrayContains => Ok(Value::Bool(a.list(0)?.contains(a.get(1)))),
            Function::ArrayRange => array::range(a.integer(0)?, a.integer(1)?, a.integer(2)?),
            Function::ArrayGetItem => array::item(a.list(0)?, a.integer(1)?),
            Function::ArrayLength => Ok(Value::from(a.list(0)?.len())),
            Function::ArrayUnique => Ok(array::unique(a.list(0)?)),
            Function::Base64Encode => encoding::encode(a.text(0)?),
            Function::Base64Decode => encoding::decode(a.text(0)?),
            Function::Hash => encoding::hash(a.get(0), a.text(1)?),
            Function::JsonMerge => encoding::merge(a.get(0), a.get(1), a.get(2)),
            Function::MathRandom => {
                let seed = if arguments.len() == 3 {
                    Some(a.integer(2)?)
                } else {
                    None
                };
                math::random(a.integer(0)?, a.integer(1)?, seed, scope.entropy())
            }
            Function::MathAdd => math::add(a.integer(0)?, a.integer(1)?),
        }
    }
}

/// The arguments of a call, asked for by type.
struct Arguments<'a>(&'a [Value]);

impl<'a> Arguments<'a> {
    fn get(&self, index: usize) -> &'a Value {
        self.0.get(index).unwrap_or(&Value::Null)
    }

    fn text(&self, index: usize) -> Result<&'a str, String> {
        let value = self.get(index);
        value
            .as_str()
            .ok_or_else(|| wanted(index, "a string", value))
    }

    fn list(&self, index: usize) -> Result<&'a [Value], String> {
        let value = self.get(index);
        value
            .as_array()
            .map(Vec::as_slice)
            .ok_or_else(|| wanted(index, "an array", value))
    }

    /// An integer; a number with a fraction is rounded, as in Step Functions.
    fn integer(&self, index: usize) -> Result<i64, String> {
        let value = self.get(index);
        value
            .as_number()
            .and_then(math::rounded)
            .ok_or_else(|| wanted(index, "an integer", value))
    }
}

fn wanted(index: usize, what: &str, found: &Value) -> String {
    format!("argument {} must be {what}, but was {found}", index + 1)
}

#[cfg(test)]
mod tests;
