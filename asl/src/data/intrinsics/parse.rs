//! Reading a call.

use serde_json::Value;
use thiserror::Error;

use super::{Argument, Call, FUNCTIONS};
use crate::data::path::parse_prefix;
use crate::program::suggest::nearest;

/// How deep calls may be nested.
const DEPTH: u32 = 10;

/// The text is no call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{text}' is not an intrinsic function call: {message}")]
pub struct CallError {
    /// The text.
    pub text: String,
    /// What was found and what is wanted.
    pub message: String,
}

impl Call {
    /// Reads a call.
    pub fn parse(text: &str) -> Result<Call, CallError> {
        let wrong = |message: String| CallError {
            text: text.to_owned(),
            message,
        };
        let (call, rest) = call(text.trim(), 1).map_err(wrong)?;
        match rest.trim() {
            "" => Ok(call),
            rest => Err(wrong(format!("'{rest}' is left over"))),
        }
    }
}

fn call(text: &str, depth: u32) -> Result<(Call, &str), String> {
    if depth > DEPTH {
        return Err(format!("functions are nested more than {DEPTH} deep"));
    }
    let Some(rest) = text.strip_prefix("States.") else {
        return Err("a path begins with '$' and a function with 'States.'".to_owned());
    };
    let end = rest
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let Some((_, function, least, most)) = FUNCTIONS.iter().find(|(known, ..)| *known == name)
    else {
        let known = FUNCTIONS.iter().map(|(known, ..)| *known);
        return Err(format!(
            "there is no function States.{name}{}",
            nearest(name, known)
        ));
    };
    let Some(mut rest) = rest.trim_start().strip_prefix('(') else {
        return Err(format!("'(' is wanted after States.{name}"));
    };
    let mut arguments = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(')') {
            rest = after;
            break;
        }
        if !arguments.is_empty() {
            rest = rest
                .strip_prefix(',')
                .ok_or("',' or ')' is wanted after an argument")?
                .trim_start();
        }
        let (argument, after) = argument(rest, depth)?;
        arguments.push(argument);
        rest = after;
    }
    if arguments.len() < *least || arguments.len() > *most {
        let wanted = match (least, most) {
            (l, &usize::MAX) => format!("{l} or more"),
            (l, m) if l == m => l.to_string(),
            (l, m) => format!("{l} to {m}"),
        };
        return Err(format!(
            "States.{name} takes {wanted} arguments, not {}",
            arguments.len()
        ));
    }
    let length = text.len() - rest.len();
    let text = text.get(..length).unwrap_or_default().to_owned();
    Ok((
        Call {
            text,
            function: *function,
            arguments,
        },
        rest,
    ))
}

fn argument(text: &str, depth: u32) -> Result<(Argument, &str), String> {
    let after = |length: usize| text.get(length..).unwrap_or_default();
    match text.chars().next() {
        None => Err("')' is missing at the end".to_owned()),
        Some('$') => {
            let (path, length) = parse_prefix(text).map_err(|e| e.to_string())?;
            Ok((Argument::Path(path), after(length)))
        }
        Some('\'') => {
            let (value, length) = quoted(text)?;
            Ok((Argument::Literal(Value::String(value)), after(length)))
        }
        Some('S') => call(text, depth + 1).map(|(call, rest)| (Argument::Call(call), rest)),
        Some(_) => {
            let end = text
                .find(|c: char| c == ',' || c == ')' || c.is_whitespace())
                .unwrap_or(text.len());
            let (word, rest) = text.split_at(end);
            match serde_json::from_str(word) {
                Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => {
                    Ok((Argument::Literal(value), rest))
                }
                _ => Err(format!(
                    "'{word}' is no argument: want a path, a 'string', a number, true, false, null or a function"
                )),
            }
        }
    }
}

/// A string in single quotes. `\'` and `\\` stand for themselves; `\{` and `\}` are left for States.Format.
fn quoted(text: &str) -> Result<(String, usize), String> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            '\'' => return Ok((value, at + 1)),
            '\\' => match characters.next() {
                Some((_, '\'')) => value.push('\''),
                Some((_, '\\')) => value.push_str("\\\\"),
                Some((_, other)) => {
                    value.push('\\');
                    value.push(other);
                }
                None => break,
            },
            c => value.push(c),
        }
    }
    Err(format!("the string {text} is not closed"))
}
