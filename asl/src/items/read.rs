//! Files as items.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use thiserror::Error;

/// The bytes are not what the reader's configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// Of a kind that is not read here.
    #[error("'InputType' is {0}: JSON, JSONL and CSV can be read")]
    Kind(String),
    /// Not of that kind.
    #[error("the file cannot be read as {kind}: {why}")]
    Form {
        /// Which.
        kind: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The pointer leads nowhere.
    #[error("'ItemsPointer' {0} finds no list and no object in the file")]
    Pointer(String),
    /// More than fit into one Map.
    #[error(
        "there are more than {0} items: split the file, or say with 'MaxItems' how many are enough"
    )]
    TooMany(usize),
}

/// The items in a file; `config` is the `ReaderConfig`. Of more than are `wanted` (`MaxItems`) the first ones; `bound`
/// is how many the caller can hold.
///
/// # Errors
///
/// When the bytes are not of the kind that `InputType` says, or there are more items than the bound: fail the reading
/// with that.
pub fn read(
    config: &Value,
    bytes: &[u8],
    wanted: Option<u64>,
    bound: usize,
) -> Result<Vec<Value>, ReadError> {
    let wanted = wanted.map(|wanted| usize::try_from(wanted).unwrap_or(usize::MAX));
    // One more than the bound, to see whether there are more.
    let most = wanted.map_or(bound + 1, |wanted| wanted.min(bound + 1));
    let text = |name: &str| config.get(name).and_then(Value::as_str);
    let items = match text("InputType").unwrap_or("JSON") {
        "JSON" => json_items(bytes, text("ItemsPointer"), most),
        "JSONL" => lines(bytes, most),
        "CSV" => table(config, bytes, most),
        other => Err(ReadError::Kind(other.to_owned())),
    }?;
    if items.len() > bound {
        return Err(ReadError::TooMany(bound));
    }
    Ok(items)
}

fn json_items(bytes: &[u8], pointer: Option<&str>, most: usize) -> Result<Vec<Value>, ReadError> {
    let mut document: Value = serde_json::from_slice(bytes).map_err(|error| ReadError::Form {
        kind: "JSON",
        why: error.to_string(),
    })?;
    let pointer = pointer.unwrap_or_default();
    match document.pointer_mut(pointer).map(Value::take) {
        Some(Value::Array(mut list)) => {
            list.truncate(most);
            Ok(list)
        }
        // The fields of an object are items, too.
        Some(Value::Object(map)) => {
            let pairs = map.into_iter().take(most);
            Ok(pairs
                .map(|(key, value)| json!({"Key": key, "Value": value}))
                .collect())
        }
        _ => Err(ReadError::Pointer(pointer.to_owned())),
    }
}

fn lines(bytes: &[u8], most: usize) -> Result<Vec<Value>, ReadError> {
    let wrong = |why: String| ReadError::Form { kind: "JSONL", why };
    let text = std::str::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .take(most)
        .map(|(number, line)| {
            serde_json::from_str(line)
                .map_err(|error| wrong(format!("line {}: {error}", number + 1)))
        })
        .collect()
}

fn table(config: &Value, bytes: &[u8], most: usize) -> Result<Vec<Value>, ReadError> {
    let wrong = |error: csv::Error| ReadError::Form {
        kind: "CSV",
        why: error.to_string(),
    };
    let delimiter = match config.get("CSVDelimiter").and_then(Value::as_str) {
        Some("PIPE") => b'|',
        Some("SEMICOLON") => b';',
        Some("SPACE") => b' ',
        Some("TAB") => b'\t',
        _ => b',',
    };
    let given = config.get("CSVHeaderLocation").and_then(Value::as_str) == Some("GIVEN");
    // What editors put before the first letter is no part of its name.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(!given)
        .flexible(true)
        .from_reader(bytes);
    let headers: Vec<String> = if given {
        let headers = config.get("CSVHeaders").and_then(Value::as_array);
        headers
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    } else {
        reader
            .headers()
            .map_err(wrong)?
            .iter()
            .map(str::to_owned)
            .collect()
    };
    let mut items = Vec::new();
    for row in reader.records().take(most) {
        let row = row.map_err(wrong)?;
        // Cells beyond the headers have no name; missing ones are empty.
        let item: Map<String, Value> = headers
            .iter()
            .enumerate()
            .map(|(column, name)| {
                (
                    name.clone(),
                    Value::from(row.get(column).unwrap_or_default()),
                )
            })
            .collect();
        items.push(Value::Object(item));
    }
    Ok(items)
}

/// A file in a directory that is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name from the directory on, with `/`.
    pub key: String,
    /// Its bytes.
    pub size: u64,
    /// When it was written last.
    pub modified: Timestamp,
}

/// The items of a listing, in the form of S3's `ListObjectsV2`, sorted by name.
pub fn listing(files: impl IntoIterator<Item = FileEntry>) -> Vec<Value> {
    let mut files: Vec<FileEntry> = files.into_iter().collect();
    files.sort_by(|a, b| a.key.cmp(&b.key));
    let item = |file: FileEntry| {
        json!({
            "Key": file.key,
            "LastModified": file.modified.as_second(),
            "Size": file.size,
            "StorageClass": "STANDARD",
        })
    };
    files.into_iter().map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_becomes_items() {
        let all = |config: Value, text: &str| {
            read(&config, text.as_bytes(), None, 10).map_err(|e| e.to_string())
        };
        let rows = json!([{"a": "1", "b": "x, y"}, {"a": "2", "b": ""}]);
        let list = |value: Value| Ok(value.as_array().unwrap().clone());
        assert_eq!(
            all(
                json!({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}),
                "\u{feff}a,b\n1,\"x, y\"\n2\n"
            ),
            list(rows.clone())
        );
        let given = json!({"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a", "b"], "CSVDelimiter": "PIPE"});
        assert_eq!(all(given, "1|x, y\n2|\n"), list(rows));
        assert_eq!(
            all(json!({"InputType": "JSONL"}), "{\"n\": 1}\n\n2\n"),
            list(json!([{"n": 1}, 2]))
        );
        assert_eq!(
            all(json!({"ItemsPointer": "/d/l"}), "{\"d\": {\"l\": [1, 2]}}"),
            list(json!([1, 2]))
        );
        assert_eq!(
            all(json!({}), "{\"k\": 5}"),
            list(json!([{"Key": "k", "Value": 5}]))
        );
        assert_eq!(
            read(&json!({}), b"[1,2,3]", Some(2), 2),
            Ok(vec![json!(1), json!(2)])
        );
        assert_eq!(read(&json!({}), b"[1,2]", None, 2).unwrap().len(), 2);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let error = |config: Value, text: &str| {
            read(&config, text.as_bytes(), None, 10)
                .unwrap_err()
                .to_string()
        };
        assert!(error(json!({"InputType": "JSONL"}), "1\n{").contains("line 2"));
        assert!(error(json!({"InputType": "PARQUET"}), "").contains("PARQUET"));
        assert!(error(json!({"ItemsPointer": "/x"}), "{}").contains("/x"));
        assert!(error(json!({}), "[").contains("JSON"));
        assert_eq!(
            read(&json!({}), b"[1,2,3]", None, 2),
            Err(ReadError::TooMany(2))
        );
    }

    #[test]
    fn a_directory_is_a_list_of_files() {
        let file = |key: &str| FileEntry {
            key: key.into(),
            size: 3,
            modified: Timestamp::UNIX_EPOCH,
        };
        let items = listing([file("b"), file("a/c")]);
        assert_eq!(items[0]["Key"], "a/c");
        assert_eq!(items[1]["Size"], 3);
    }
}
