//! The input of a call: read, and checked to be JSON, with help for what shells do to quotes.

use std::io::Read as _;

use serde_json::Value;

use crate::commands::error::{Error, message};

/// The input as it is sent: the text itself, so that numbers keep every digit.
pub(in crate::commands) fn read(words: &[String]) -> Result<String, Error> {
    let (text, origin) = match words {
        [] => return Ok("{}".to_owned()),
        [one] if one == "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Error::Message(format!("read standard input: {error}")))?;
            (text, Some("standard input".to_owned()))
        }
        [one] if one.starts_with('@') => {
            let path = one.trim_start_matches('@');
            let text = std::fs::read_to_string(path)
                .map_err(|error| Error::Message(format!("read {path}: {error}")))?;
            (text, Some(path.to_owned()))
        }
        words => (words.join(" "), None),
    };
    if text.trim().is_empty() {
        return Ok("{}".to_owned());
    }
    match (serde_json::from_str::<Value>(&text), origin) {
        (Ok(_), _) => Ok(text),
        (Err(error), Some(origin)) => message(format!("{origin} is not JSON: {error}")),
        (Err(error), None) => message(explain(&text, &error)),
    }
}

fn explain(text: &str, error: &serde_json::Error) -> String {
    let short: String = text.chars().take(200).collect();
    match guess(text) {
        Some(guess) => format!(
            "ARGS is not JSON: found {short}\nDid you mean '{guess}'? The quotes around keep the shell from eating those within."
        ),
        None => format!(
            "ARGS is not JSON ({error}): found {short}\nWant JSON in quotes, as '{{\"x\": 1}}', or @FILE, or - for standard input."
        ),
    }
}

/// The JSON that was probably meant: `{x:1}` is what a shell leaves of `{"x":1}`.
fn guess(text: &str) -> Option<String> {
    let mut guess = String::new();
    let mut rest = text.replace('\'', "\"");
    while !rest.is_empty() {
        if rest.starts_with('"') {
            let end = rest.get(1..)?.find('"')? + 2;
            guess.push_str(rest.get(..end)?);
            rest = rest.get(end..)?.to_owned();
            continue;
        }
        let special = |c: char| "{}[]:,\"".contains(c);
        let end = rest.find(special).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        let bare = word.trim();
        if bare.is_empty() || serde_json::from_str::<Value>(bare).is_ok() && !tail.starts_with(':')
        {
            guess.push_str(bare);
        } else {
            guess.push_str(&Value::String(bare.to_owned()).to_string());
        }
        let mut chars = tail.chars();
        match chars.clone().next() {
            Some('"') | None => {}
            Some(c) => {
                guess.push(c);
                if c == ':' || c == ',' {
                    guess.push(' ');
                }
                chars.next();
            }
        }
        rest = chars.as_str().to_owned();
    }
    let usable = serde_json::from_str::<Value>(&guess)
        .is_ok_and(|value| value.is_object() || value.is_array());
    usable.then_some(guess)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        read(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn json_goes_through_to_the_digit() {
        assert_eq!(of(&[]).unwrap(), "{}");
        assert_eq!(of(&["{\"x\": 1.50}"]).unwrap(), "{\"x\": 1.50}");
        assert_eq!(of(&["{\"x\":", "1}"]).unwrap(), "{\"x\": 1}");
        assert_eq!(of(&["5"]).unwrap(), "5");
    }

    #[test]
    fn what_a_shell_left_of_json_is_guessed() {
        for (found, meant) in [
            ("{x:1}", r#"{"x": 1}"#),
            ("{x: 1, y: 2}", r#"{"x": 1, "y": 2}"#),
            ("{name: ann, ok: true}", r#"{"name": "ann", "ok": true}"#),
            ("{'x': 'a b'}", r#"{"x": "a b"}"#),
            ("{a:[1,{b:2}]}", r#"{"a": [1, {"b": 2}]}"#),
        ] {
            assert_eq!(guess(found).as_deref(), Some(meant), "{found}");
        }
        assert!(
            of(&["{x:1}"])
                .unwrap_err()
                .contains(r#"Did you mean '{"x": 1}'?"#)
        );
        assert!(of(&["x=1"]).unwrap_err().contains("Want JSON in quotes"));
    }

    #[test]
    fn files_are_read_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in.json");
        std::fs::write(&path, "{\"x\": 1}\n").unwrap();
        let at = format!("@{}", path.display());
        assert_eq!(of(&[&at]).unwrap(), "{\"x\": 1}\n");
        std::fs::write(&path, "{x").unwrap();
        assert!(of(&[&at]).unwrap_err().contains("in.json is not JSON"));
        assert!(of(&["@/nowhere"]).unwrap_err().contains("/nowhere"));
    }
}
