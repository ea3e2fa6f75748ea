//! Objects as YAML and JSON, with their fields in the order kubectl prints them: by name.

use serde_json::Value;

/// The value as YAML, with a newline at the end.
#[must_use]
pub fn yaml(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

/// The value as JSON, indented by four blanks, with a newline at the end.
#[must_use]
pub fn json(value: &Value) -> String {
    let mut text = String::new();
    json_value(value, 0, &mut text);
    text.push('\n');
    text
}

fn json_value(value: &Value, depth: usize, text: &mut String) {
    let indent = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("    ", depth));
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                indent(text, depth + 1);
                json_value(item, depth + 1, text);
            }
            indent(text, depth);
            text.push(']');
        }
        Value::Object(fields) if !fields.is_empty() => {
            text.push('{');
            for (index, (key, item)) in sorted(fields).enumerate() {
                if index > 0 {
                    text.push(',');
                }
                indent(text, depth + 1);
                text.push_str(&Value::String(key.clone()).to_string());
                text.push_str(": ");
                json_value(item, depth + 1, text);
            }
            indent(text, depth);
            text.push('}');
        }
        other => text.push_str(&other.to_string()),
    }
}

fn sorted(fields: &serde_json::Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|(key, _)| *key);
    fields.into_iter()
}

fn pad(depth: usize, text: &mut String) {
    text.extend(std::iter::repeat_n("  ", depth));
}

/// A value on lines of its own, each with its newline.
fn block(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, item) in sorted(fields) {
                pad(depth, text);
                entry(key, item, depth, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                pad(depth, text);
                list_item(item, depth, text);
            }
        }
        other => {
            pad(depth, text);
            text.push_str(&scalar(other, depth));
            text.push('\n');
        }
    }
}

/// `key: value`, where the line's indentation is already there.
fn entry(key: &str, item: &Value, depth: usize, text: &mut String) {
    text.push_str(&quoted_if_needed(key));
    text.push(':');
    match item {
        Value::Object(fields) if !fields.is_empty() => {
            text.push('\n');
            block(item, depth + 1, text);
        }
        // kubectl does not indent lists below their key.
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            block(item, depth, text);
        }
        other => {
            text.push(' ');
            text.push_str(&scalar(other, depth + 1));
            text.push('\n');
        }
    }
}

/// `- value`, where the line's indentation is already there.
fn list_item(item: &Value, depth: usize, text: &mut String) {
    text.push_str("- ");
    match item {
        Value::Object(fields) if !fields.is_empty() => {
            for (index, (key, inner)) in sorted(fields).enumerate() {
                if index > 0 {
                    pad(depth + 1, text);
                }
                entry(key, inner, depth + 1, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, inner) in items.iter().enumerate() {
                if index > 0 {
                    pad(depth + 1, text);
                }
                list_item(inner, depth + 1, text);
            }
        }
        other => {
            text.push_str(&scalar(other, depth + 1));
            text.push('\n');
        }
    }
}

fn scalar(value: &Value, depth: usize) -> String {
    match value {
        Value::String(text) if fits_literal(text) => literal(text, depth),
        Value::String(text) => quoted_if_needed(text),
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        other => other.to_string(),
    }
}

/// Texts of several lines read best as they are, where a block can carry them.
fn fits_literal(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && text.lines().all(|line| !line.ends_with([' ', '\t']))
        && text
            .chars()
            .all(|c| c == '\n' || c == '\t' || !(c.is_control() || is_odd(c)))
}

fn literal(text: &str, depth: usize) -> String {
    let chomp = match (text.ends_with('\n'), text.ends_with("\n\n")) {
        (false, _) => "-",
        (true, false) => "",
        (true, true) => "+",
    };
    let mut out = format!("|{chomp}");
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            pad(depth, &mut out);
            out.push_str(line);
        }
    }
    out
}

/// Characters that YAML reads as ends of lines or not at all.
fn is_odd(c: char) -> bool {
    matches!(
        c,
        '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
    )
}

fn quoted_if_needed(text: &str) -> String {
    if text.chars().any(|c| c.is_control() || is_odd(c)) {
        return Value::String(text.to_owned())
            .to_string()
            .replace('\u{85}', "\\u0085")
            .replace('\u{feff}', "\\uFEFF")
            .replace('\u{2028}', "\\u2028")
            .replace('\u{2029}', "\\u2029")
            .replace('\u{7f}', "\\u007F");
    }
    if reads_as_something_else(text) {
        return format!("\"{text}\"");
    }
    if !is_plain(text) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        text.to_owned()
    }
}

/// Whether the plain text would be read as number, truth or nothing.
fn reads_as_something_else(text: &str) -> bool {
    const WORDS: [&str; 12] = [
        "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".nan", ".inf", "-.inf",
    ];
    let lower = text.to_ascii_lowercase();
    let digits = text.trim_start_matches(['-', '+', '.']);
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| {
            c.is_ascii_hexdigit()
                || matches!(c, '.' | '_' | 'x' | 'o' | '+' | '-' | ':' | 'T' | 'Z')
        });
    (text.is_empty() || text == "~" || numeric || WORDS.contains(&lower.as_str()))
        && !text.contains(['"', '\\'])
}

fn is_plain(text: &str) -> bool {
    const FIRST: &str = "-?:,[]{}#&*!|>'\"%@` \t=<";
    let first_is_fine = match text.chars().next() {
        Some('-' | '?' | ':') => text.chars().nth(1).is_some_and(|c| c != ' '),
        Some(c) => !FIRST.contains(c),
        None => false,
    };
    first_is_fine
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with([':', ' '])
        && text != "---"
        && text != "..."
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_as_kubectl_prints_it() {
        let value = json!({
            "kind": "Function", "apiVersion": "v1",
            "metadata": {"name": "f", "labels": {}, "annotations": {"a/b": "{\"x\": 1}\n"}},
            "spec": {"env": [{"name": "A", "value": "5"}, {"name": "B", "value": "true"}], "list": [[1, 2], []],
                     "text": "two\nlines", "odd": "a: b", "empty": "", "n": 1.50, "date": "2026-01-01T00:00:00Z",
                     "dash": "- x", "url": "http://x:1/y#z", "quote": "it's"},
        });
        insta::assert_snapshot!(yaml(&value), @r#"
        apiVersion: v1
        kind: Function
        metadata:
          annotations:
            a/b: |
              {"x": 1}
          labels: {}
          name: f
        spec:
          dash: '- x'
          date: "2026-01-01T00:00:00Z"
          empty: ""
          env:
          - name: A
            value: "5"
          - name: B
            value: "true"
          list:
          - - 1
            - 2
          - []
          "n": 1.5
          odd: 'a: b'
          quote: it's
          text: |-
            two
            lines
          url: http://x:1/y#z
        "#);
        insta::assert_snapshot!(json(&json!({"b": [1, {"c": null}], "a": {}, "d": []})), @r#"
        {
            "a": {},
            "b": [
                1,
                {
                    "c": null
                }
            ],
            "d": []
        }
        "#);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~\n\t]{0,12}".prop_map(Value::from),
            "[0-9a-fxeE.+:_-]{1,6}".prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{1,8}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(value in values()) {
            let text = yaml(&value);
            let read: Result<Value, _> = serde_saphyr::from_str(&text);
            prop_assert_eq!(read.map_err(|e| e.to_string()), Ok(value.clone()), "{}", text);
            let read: Value = serde_json::from_str(&json(&value)).unwrap();
            prop_assert_eq!(read, value);
        }
    }
}
