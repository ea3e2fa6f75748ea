//! What a Map Run leaves in a bucket: a manifest, and files with what became of its children.

use asl::Outcome;
use asl::run::{ChildResult, Writing};
use serde_json::{Value, json};

use super::bucket::{Buckets, text};

/// Children in one file.
const MOST_IN_FILE: usize = 10_000;

/// Writes the results; gives `ResultWriterDetails`. Done again after a crash it writes the same files.
///
/// # Errors
/// For people.
pub(in crate::workflows) async fn write(
    buckets: &Buckets,
    map_arn: &str,
    writing: &Writing,
    results: &[ChildResult],
) -> Result<Value, String> {
    let bucket = text(&writing.arguments, "Bucket")?;
    let prefix = writing.arguments["Prefix"].as_str().unwrap_or_default();
    let own = map_arn.rsplit(':').next().unwrap_or_default();
    let beneath = [prefix.trim_matches('/'), own]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("/");
    let mut files = json!({ "FAILED": [], "PENDING": [], "SUCCEEDED": [] });
    let suffix = match writing.config["OutputType"].as_str() {
        Some("JSONL") => "jsonl",
        _ => "json",
    };
    for group in ["SUCCEEDED", "FAILED"] {
        let own: Vec<&ChildResult> = results
            .iter()
            .filter(|result| (group_of(result) == "SUCCEEDED") == (group == "SUCCEEDED"))
            .collect();
        for (number, part) in own.chunks(MOST_IN_FILE).enumerate() {
            let content = content(part, &writing.config);
            let key = format!("{beneath}/{group}_{number}.{suffix}");
            let size = content.len();
            buckets.write(bucket, &key, content).await?;
            if let Some(list) = files[group].as_array_mut() {
                list.push(json!({ "Key": key, "Size": size }));
            }
        }
    }
    let key = format!("{beneath}/manifest.json");
    let manifest = json!({
        "DestinationBucket": bucket,
        "MapRunArn": map_arn,
        "ResultFiles": files,
    });
    buckets
        .write(bucket, &key, manifest.to_string().into_bytes())
        .await?;
    Ok(json!({ "Bucket": bucket, "Key": key }))
}

fn group_of(result: &ChildResult) -> &'static str {
    match result.outcome {
        Outcome::Succeeded { .. } => "SUCCEEDED",
        Outcome::Failed { .. } => "FAILED",
        Outcome::TimedOut { .. } => "TIMED_OUT",
        Outcome::Aborted { .. } => "ABORTED",
    }
}

/// The children as `WriterConfig` wants them. Failed ones are always shown whole.
fn content(results: &[&ChildResult], config: &Value) -> Vec<u8> {
    let transformation = config["Transformation"].as_str().unwrap_or("NONE");
    let shown: Vec<Value> = results
        .iter()
        .flat_map(|result| match (&result.outcome, transformation) {
            (Outcome::Succeeded { output }, "COMPACT") => vec![(**output).clone()],
            (Outcome::Succeeded { output }, "FLATTEN") => match &**output {
                Value::Array(items) => items.clone(),
                other => vec![other.clone()],
            },
            _ => vec![whole(result)],
        })
        .collect();
    if config["OutputType"] == "JSONL" {
        let lines: String = shown.iter().map(|value| format!("{value}\n")).collect();
        return lines.into_bytes();
    }
    Value::Array(shown).to_string().into_bytes()
}

fn whole(result: &ChildResult) -> Value {
    let mut shown = json!({
        "Index": result.index,
        "Input": result.input.to_string(),
        "InputDetails": { "Included": true },
        "Status": group_of(result),
    });
    match &result.outcome {
        Outcome::Succeeded { output } => {
            shown["Output"] = output.to_string().into();
            shown["OutputDetails"] = json!({ "Included": true });
        }
        Outcome::Failed { error, cause }
        | Outcome::TimedOut { error, cause }
        | Outcome::Aborted { error, cause } => {
            shown["Error"] = json!(error);
            shown["Cause"] = json!(cause);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(index: u32, outcome: Outcome) -> ChildResult {
        ChildResult {
            index,
            items: 1,
            input: json!(index).into(),
            outcome,
        }
    }

    #[tokio::test]
    async fn a_manifest_leads_to_what_became_of_the_children() {
        let directory = tempfile::tempdir().unwrap();
        let buckets = Buckets::beneath(directory.path());
        let good = Outcome::Succeeded {
            output: json!([1, 2]).into(),
        };
        let bad = Outcome::Failed {
            error: Some("E".to_owned()),
            cause: None,
        };
        let results = [result(0, good), result(1, bad)];
        let writing = |config: Value| Writing {
            resource: "arn:aws:states:::s3:putObject".to_owned(),
            arguments: json!({ "Bucket": "b", "Prefix": "out/" }).into(),
            config: config.into(),
        };
        let arn = "arn:aws:states:r:1:mapRun:m/l:run-1";
        let told = write(&buckets, arn, &writing(json!({})), &results)
            .await
            .unwrap();
        assert_eq!(
            told,
            json!({ "Bucket": "b", "Key": "out/run-1/manifest.json" })
        );
        let read =
            |key: &str| std::fs::read_to_string(directory.path().join("b").join(key)).unwrap();
        let manifest: Value = serde_json::from_str(&read("out/run-1/manifest.json")).unwrap();
        assert_eq!(
            manifest["ResultFiles"]["SUCCEEDED"][0]["Key"],
            "out/run-1/SUCCEEDED_0.json"
        );
        assert!(read("out/run-1/FAILED_0.json").contains("\"Error\":\"E\""));
        let flat = json!({ "Transformation": "FLATTEN", "OutputType": "JSONL" });
        write(&buckets, arn, &writing(flat), &results)
            .await
            .unwrap();
        assert_eq!(read("out/run-1/SUCCEEDED_0.jsonl"), "1\n2\n");
    }
}
