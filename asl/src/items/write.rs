//! The ends of children as files.

use serde_json::{Value, json};

use crate::run::{ChildResult, Outcome};

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultFile {
    /// Its name, beneath the Map Run's own directory.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// The files of a Map Run: `SUCCEEDED_0` and `FAILED_0` where there is something to write, and `manifest.json`.
///
/// `config` is the `WriterConfig`: `Transformation` NONE describes each child, COMPACT lists outputs, FLATTEN joins lists of outputs;
/// `OutputType` is JSON or JSONL. `directory` is what stands before the names in the manifest.
pub fn files(
    config: &Value,
    map_arn: &str,
    bucket: &str,
    directory: &str,
    results: &[ChildResult],
) -> Vec<ResultFile> {
    let text = |name: &str| config.get(name).and_then(Value::as_str);
    let (transformation, lines) = (
        text("Transformation").unwrap_or("NONE"),
        text("OutputType") == Some("JSONL"),
    );
    let mut sorted: Vec<&ChildResult> = results.iter().collect();
    sorted.sort_by_key(|result| result.index);
    let (good, bad): (Vec<&ChildResult>, Vec<&ChildResult>) = sorted
        .into_iter()
        .partition(|result| matches!(result.outcome, Outcome::Succeeded { .. }));
    let mut files = Vec::new();
    let mut listed = serde_json::Map::new();
    for (status, results) in [("FAILED", bad), ("SUCCEEDED", good)] {
        let mut entries = Vec::new();
        if !results.is_empty() {
            // A child that failed has no output: it is described, whatever the transformation.
            let plain = transformation == "NONE" || status == "FAILED";
            let items: Vec<Value> = results
                .iter()
                .flat_map(|result| {
                    if plain {
                        vec![described(result)]
                    } else {
                        output(result, transformation == "FLATTEN")
                    }
                })
                .collect();
            let text = if lines {
                items.iter().map(|item| format!("{item}\n")).collect()
            } else {
                Value::Array(items).to_string()
            };
            let name = format!("{status}_0.{}", if lines { "jsonl" } else { "json" });
            entries.push(json!({"Key": format!("{directory}{name}"), "Size": text.len()}));
            files.push(ResultFile { name, text });
        }
        listed.insert(status.to_owned(), Value::Array(entries));
    }
    listed.insert("PENDING".to_owned(), json!([]));
    let manifest =
        json!({"DestinationBucket": bucket, "MapRunArn": map_arn, "ResultFiles": listed});
    files.push(ResultFile {
        name: "manifest.json".to_owned(),
        text: manifest.to_string(),
    });
    files
}

fn output(result: &ChildResult, flatten: bool) -> Vec<Value> {
    match &result.outcome {
        Outcome::Succeeded { output } => match (&**output, flatten) {
            (Value::Array(list), true) => list.clone(),
            (other, _) => vec![other.clone()],
        },
        _ => Vec::new(),
    }
}

/// A child as AWS describes it: documents inside travel as text.
fn described(result: &ChildResult) -> Value {
    let mut item = json!({
        "Name": result.index.to_string(),
        "Input": result.input.to_string(),
        "InputDetails": {"Included": true},
    });
    let (status, fields) = match &result.outcome {
        Outcome::Succeeded { output } => (
            "SUCCEEDED",
            vec![
                ("Output", json!(output.to_string())),
                ("OutputDetails", json!({"Included": true})),
            ],
        ),
        Outcome::Failed { error, cause } => (
            "FAILED",
            vec![("Error", json!(error)), ("Cause", json!(cause))],
        ),
        Outcome::TimedOut { error, cause } => (
            "TIMED_OUT",
            vec![("Error", json!(error)), ("Cause", json!(cause))],
        ),
        Outcome::Aborted { error, cause } => (
            "ABORTED",
            vec![("Error", json!(error)), ("Cause", json!(cause))],
        ),
    };
    item["Status"] = json!(status);
    for (name, value) in fields {
        if !value.is_null() {
            item[name] = value;
        }
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(index: u32, outcome: Outcome) -> ChildResult {
        ChildResult {
            index,
            input: json!(index).into(),
            items: 1,
            outcome,
        }
    }

    #[test]
    fn results_are_described_listed_or_joined() {
        let good = |index, output: Value| {
            child(
                index,
                Outcome::Succeeded {
                    output: output.into(),
                },
            )
        };
        let bad = Outcome::Failed {
            error: Some("E".into()),
            cause: None,
        };
        let results = [
            good(1, json!([3, 4])),
            child(2, bad),
            good(0, json!([1, 2])),
        ];
        let written = |config: Value| files(&config, "arn", "b", "p/", &results);
        let plain = written(json!({}));
        assert_eq!(
            plain.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(),
            ["FAILED_0.json", "SUCCEEDED_0.json", "manifest.json"]
        );
        assert!(
            plain[0].text.contains("\"Error\":\"E\"")
                && plain[1].text.contains("\"Output\":\"[1,2]\"")
        );
        assert!(plain[2].text.contains("\"Key\":\"p/SUCCEEDED_0.json\""));
        assert_eq!(
            written(json!({"Transformation": "COMPACT"}))[1].text,
            "[[1,2],[3,4]]"
        );
        assert_eq!(
            written(json!({"Transformation": "FLATTEN", "OutputType": "JSONL"}))[1].text,
            "1\n2\n3\n4\n"
        );
    }
}
