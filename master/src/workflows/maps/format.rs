//! The items in a file. Pure.

use serde_json::{Map, Value};

/// Reads a file's items as `ReaderConfig` says.
///
/// # Errors
/// For people.
pub(super) fn items(content: &[u8], config: &Value) -> Result<Vec<Value>, String> {
    match config["InputType"].as_str().unwrap_or("JSON") {
        "JSON" => json(content, config["ItemsPointer"].as_str()),
        "JSONL" => lines(content),
        "CSV" => csv(content, config),
        other => Err(format!(
            "InputType {other:?} is not offered here; want JSON, JSONL or CSV"
        )),
    }
}

fn json(content: &[u8], pointer: Option<&str>) -> Result<Vec<Value>, String> {
    let mut whole: Value = serde_json::from_slice(content)
        .map_err(|error| format!("the file is not JSON: {error}"))?;
    let found = match pointer {
        Some(pointer) => whole
            .pointer_mut(pointer)
            .map(Value::take)
            .ok_or_else(|| format!("ItemsPointer {pointer:?} finds nothing in the file"))?,
        None => whole,
    };
    match found {
        Value::Array(items) => Ok(items),
        other => Err(format!(
            "the items are {}, want a list",
            match other {
                Value::Object(_) => "an object",
                Value::String(_) => "a string",
                Value::Number(_) => "a number",
                Value::Bool(_) => "a boolean",
                _ => "null",
            }
        )),
    }
}

fn lines(content: &[u8]) -> Result<Vec<Value>, String> {
    let lines = content.split(|byte| *byte == b'\n').enumerate();
    let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_slice(line)
                .map_err(|error| format!("line {} is not JSON: {error}", number + 1))
        })
        .collect()
}

fn csv(content: &[u8], config: &Value) -> Result<Vec<Value>, String> {
    let delimiter = match config["CSVDelimiter"].as_str().unwrap_or("COMMA") {
        "COMMA" => b',',
        "PIPE" => b'|',
        "SEMICOLON" => b';',
        "SPACE" => b' ',
        "TAB" => b'\t',
        other => {
            return Err(format!(
                "CSVDelimiter: found {other:?}, want COMMA, PIPE, SEMICOLON, SPACE or TAB"
            ));
        }
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(content);
    let mut rows = reader.records();
    let failed = |error: csv::Error| format!("the file is not CSV: {error}");
    let headers: Vec<String> = match config["CSVHeaderLocation"].as_str() {
        Some("FIRST_ROW") | None => match rows.next() {
            Some(row) => row.map_err(failed)?.iter().map(str::to_owned).collect(),
            None => return Ok(Vec::new()),
        },
        Some("GIVEN") => {
            let given = config["CSVHeaders"].as_array().into_iter().flatten();
            given.filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(other) => {
            return Err(format!(
                "CSVHeaderLocation: found {other:?}, want FIRST_ROW or GIVEN"
            ));
        }
    };
    rows.map(|row| {
        let row = row.map_err(failed)?;
        // A row that is too short has empty fields; what is too much is left out.
        let fields = headers.iter().enumerate().map(|(place, name)| {
            let field = row.get(place).unwrap_or_default();
            (name.clone(), Value::from(field))
        });
        Ok(Value::Object(fields.collect::<Map<_, _>>()))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_format_gives_its_items() {
        let read = |text: &str, config: Value| items(text.as_bytes(), &config);
        assert_eq!(
            read("[1, {\"a\": 2}]", json!({})).unwrap(),
            [json!(1), json!({"a": 2})]
        );
        let deep = json!({ "InputType": "JSON", "ItemsPointer": "/x/0" });
        assert_eq!(read("{\"x\": [[1]]}", deep).unwrap(), [json!(1)]);
        let jsonl = json!({ "InputType": "JSONL" });
        assert_eq!(
            read("1\n\n{\"a\":2}\n", jsonl.clone()).unwrap(),
            [json!(1), json!({"a": 2})]
        );
        let csv = json!({ "InputType": "CSV" });
        assert_eq!(
            read("a,b\n1,\"x,y\"\n2\n", csv).unwrap(),
            [json!({"a": "1", "b": "x,y"}), json!({"a": "2", "b": ""})]
        );
        let given = json!({ "InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["k"], "CSVDelimiter": "PIPE" });
        assert_eq!(read("1|9\n", given).unwrap(), [json!({"k": "1"})]);
        for (text, config) in [
            ("{}", json!({})),
            ("[", json!({})),
            ("[1]", json!({ "ItemsPointer": "/a" })),
            ("1\nx\n", jsonl),
            ("", json!({ "InputType": "PARQUET" })),
        ] {
            assert!(read(text, config).is_err(), "{text}");
        }
    }
}
