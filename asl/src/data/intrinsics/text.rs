//! Strings: Format, StringToJson, StringSplit.

use serde_json::Value;

/// Puts the arguments where the template has `{}`; `\{`, `\}` and `\\` stand for themselves.
pub(super) fn format(arguments: &[Value]) -> Result<Value, String> {
    let Some((Value::String(template), values)) = arguments.split_first() else {
        return Err("the first argument must be a string".to_owned());
    };
    let mut values = values.iter();
    let (mut used, mut out) = (0, String::with_capacity(template.len()));
    let mut characters = template.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next() {
                Some(escaped @ ('{' | '}' | '\\')) => out.push(escaped),
                Some(other) => {
                    out.push('\\');
                    out.push(other);
                }
                None => out.push('\\'),
            },
            '{' if characters.peek() == Some(&'}') => {
                characters.next();
                used += 1;
                if let Some(value) = values.next() {
                    show(value, &mut out);
                }
            }
            c => out.push(c),
        }
    }
    if used != arguments.len() - 1 {
        return Err(format!(
            "the template '{template}' has {used} times {{}}, but there are {} values for it",
            arguments.len() - 1
        ));
    }
    Ok(Value::String(out))
}

/// Documents look as Java prints maps and lists: that is what Step Functions does.
fn show(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => out.push_str(text),
        Value::Array(list) => {
            out.push('[');
            for (i, item) in list.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                show(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (i, (key, item)) in map.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                out.push_str(key);
                out.push('=');
                show(item, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

pub(super) fn string_to_json(value: &Value) -> Result<Value, String> {
    match value {
        Value::Null => Ok(Value::Null),
        Value::String(text) if text.trim().is_empty() => Ok(Value::Null),
        Value::String(text) => {
            serde_json::from_str(text).map_err(|e| format!("'{text}' is not JSON: {e}"))
        }
        other => Err(format!("argument 1 must be a string, but was {other}")),
    }
}

/// Splits at each of the characters; nothing between two of them is left out.
pub(super) fn split(text: &str, characters: &str) -> Result<Value, String> {
    let characters: Vec<char> = characters.chars().collect();
    Ok(text
        .split(characters.as_slice())
        .filter(|part| !part.is_empty())
        .map(Value::from)
        .collect())
}
