//! `get invocations`: asynchronous calls. They are no objects of the API and have a list of their own.

use std::io::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{GetArgs, Output};
use crate::client::{Client, Request};
use crate::commands::error::{Error, message};
use crate::print::{age, table};

/// Letters of an error in the table; `-o wide` shows all.
const MOST_LETTERS: usize = 60;

/// The ids that are asked for, when the words mean invocations; none: all.
pub(super) fn asked(words: &[String]) -> Option<Vec<&str>> {
    let is_kind = |word: &str| matches!(word, "invocations" | "invocation" | "inv");
    match words {
        [kind, ids @ ..] if is_kind(kind) => Some(ids.iter().map(String::as_str).collect()),
        words if !words.is_empty() => words
            .iter()
            .map(|word| word.split_once('/'))
            .map(|parts| parts.filter(|(kind, _)| is_kind(kind)).map(|(_, id)| id))
            .collect(),
        _ => None,
    }
}

/// All invocations of the list, page after page; only dead letters with `failed`.
///
/// # Errors
/// When the server refuses.
pub(in crate::commands) async fn list(client: &Client, failed: bool) -> Result<Vec<Value>, Error> {
    let (mut items, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut request = Request::get("/invocations").query("limit", "500");
        if failed {
            request = request.query("state", "Failed");
        }
        if let Some(after) = &after {
            request = request.query("continue", after);
        }
        let page = client.json(request).await?;
        items.extend(page["items"].as_array().cloned().unwrap_or_default());
        match page["continue"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(items),
        }
    }
}

/// Runs `get invocations [ID…]`.
pub(super) async fn get(
    client: &Client,
    args: &GetArgs,
    ids: &[&str],
    output: &Output,
) -> Result<(), Error> {
    if args.watch || args.watch_only {
        return message("invocations cannot be watched; ask again, or read one by its ID");
    }
    let mut found = Vec::new();
    if ids.is_empty() {
        found = list(client, args.failed).await?;
        let own = format!("{}/", client.namespace());
        let in_namespace = |call: &Value| {
            call["function"]
                .as_str()
                .is_some_and(|f| f.starts_with(&own))
        };
        found.retain(|call| args.all_namespaces || in_namespace(call));
    }
    for id in ids {
        found.push(
            client
                .json(Request::get(&format!("/invocations/{id}")))
                .await?,
        );
    }
    let mut out = std::io::stdout().lock();
    match output {
        Output::Table { wide } => {
            if found.is_empty() {
                eprintln!("No resources found");
                return Ok(());
            }
            let text = rows(&found, *wide, args.no_headers, Timestamp::now());
            out.write_all(table::plain(&text).as_bytes())?;
        }
        Output::Name => {
            for call in &found {
                writeln!(out, "invocation/{}", word(call, "id"))?;
            }
        }
        output => {
            let document = match (found.as_slice(), ids.len()) {
                ([one], 1) => one.clone(),
                _ => json!({"apiVersion": "v1", "kind": "List", "items": found}),
            };
            out.write_all(output.render(&document)?.as_bytes())?;
        }
    }
    Ok(())
}

fn word(call: &Value, key: &str) -> String {
    match &call[key] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn rows(calls: &[Value], wide: bool, no_headers: bool, now: Timestamp) -> Vec<Vec<String>> {
    let headers = [
        "ID", "FUNCTION", "STATE", "ATTEMPTS", "STATUS", "AGE", "ERROR",
    ];
    let mut rows = Vec::new();
    if !no_headers {
        rows.push(headers.map(str::to_owned).to_vec());
    }
    rows.extend(calls.iter().map(|call| {
        let error = word(call, "error");
        let error = if wide || error.chars().count() <= MOST_LETTERS {
            error
        } else {
            let short: String = error.chars().take(MOST_LETTERS - 1).collect();
            format!("{short}…")
        };
        vec![
            word(call, "id"),
            word(call, "function"),
            word(call, "state"),
            word(call, "attempts"),
            word(call, "statusCode"),
            age::since(call["createdAt"].as_str(), now),
            error,
        ]
    }));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_words_for_invocations_are_understood() {
        assert_eq!(asked(&words("invocations")), Some(vec![]));
        assert_eq!(asked(&words("inv a b")), Some(vec!["a", "b"]));
        assert_eq!(
            asked(&words("invocation/a invocation/b")),
            Some(vec!["a", "b"])
        );
        assert_eq!(asked(&words("functions invocations")), None);
        assert_eq!(asked(&words("function/f invocation/a")), None);
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn a_row_says_what_became_of_a_call() {
        let call = json!({
            "id": "ab", "function": "default/f", "state": "Failed", "attempts": 3, "statusCode": 500,
            "createdAt": "2026-01-01T00:00:00.000Z", "error": "x".repeat(100)
        });
        let now = "2026-01-01T00:05:00Z".parse().unwrap();
        let rows = rows(&[call], false, true, now);
        assert_eq!(
            rows[0][..6],
            ["ab", "default/f", "Failed", "3", "500", "5m"]
        );
        assert_eq!(rows[0][6].chars().count(), MOST_LETTERS);
    }
}
