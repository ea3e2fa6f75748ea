//! The levels of `asl-cases/score.py`.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use serde_json::Value;

/// Decodes JSON held in strings, at any depth: recordings hold it decoded.
pub fn parsed(value: &Value) -> Value {
    match value {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner) => parsed(&inner),
            Err(_) => value.clone(),
        },
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), parsed(v))).collect(),
        Value::Array(list) => list.iter().map(parsed).collect(),
        other => other.clone(),
    }
}

fn placeholder(text: &str) -> bool {
    let tagged = text.find('<').is_some_and(|start| {
        text[start + 1..]
            .find(['<', '>'])
            .is_some_and(|end| end > 0 && text[start + 1 + end..].starts_with('>'))
    });
    tagged
        || text.contains(":1>")
        || [
            "timestamp",
            "datetime",
            "date",
            "snf_role_arn",
            "activity_arn",
            "generated-uuid",
        ]
        .contains(&text)
}

pub fn same(want: &Value, got: &Value) -> bool {
    match (want, got) {
        (Value::String(text), got) if placeholder(text) => !got.is_null(),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same(v, w)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

fn details(event: &Value) -> Value {
    let drop = ["timestamp", "id", "previousEventId", "type"];
    let map = event.as_object().unwrap();
    parsed(
        &map.iter()
            .filter(|(k, _)| !drop.contains(&k.as_str()))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
    )
}

fn kind(event: &Value) -> &str {
    event["type"].as_str().unwrap()
}

fn facts(event: &Value) -> Value {
    event
        .as_object()
        .unwrap()
        .iter()
        .find(|(k, _)| k.ends_with("EventDetails"))
        .map(|(_, v)| v.clone())
        .unwrap_or_default()
}

/// The highest level reached (0 is none, 1 is A, 6 is F) and what was wrong at the next one.
pub fn level(want: &[Value], got: &[Value]) -> (usize, String) {
    let (Some(last), Some(end)) = (want.last(), got.last()) else {
        return (0, "no events".into());
    };
    let ended = [
        "ExecutionSucceeded",
        "ExecutionFailed",
        "ExecutionAborted",
        "ExecutionTimedOut",
    ]
    .contains(&kind(end));
    if kind(last) != kind(end) {
        return (
            0,
            if ended {
                format!("{} {}", kind(end), facts(end))
            } else {
                "still running".into()
            },
        );
    }
    let (a, b) = (parsed(&facts(last)), parsed(&facts(end)));
    if kind(last) == "ExecutionSucceeded" {
        if !same(&a["output"], &b["output"]) {
            return (1, format!("output {} want {}", b["output"], a["output"]));
        }
    } else if a["error"] != b["error"] {
        return (1, format!("error {} want {}", b["error"], a["error"]));
    } else if !same(&a["cause"], &b["cause"]) {
        return (2, format!("cause {} want {}", b["cause"], a["cause"]));
    }
    let types = |events: &[Value]| {
        let mut types: Vec<String> = events.iter().map(|e| kind(e).to_owned()).collect();
        types.sort();
        types
    };
    if types(want) != types(got) {
        return (3, format!("events {:?} want {:?}", types(got), types(want)));
    }
    let mut pool: Vec<(&str, Value)> = got.iter().map(|e| (kind(e), details(e))).collect();
    for event in want {
        let wanted = details(event);
        let hit = pool
            .iter()
            .position(|(k, d)| *k == kind(event) && same(&wanted, d));
        match hit {
            Some(index) => {
                pool.remove(index);
            }
            None => {
                let near = pool
                    .iter()
                    .find(|(k, _)| *k == kind(event))
                    .map(|(_, d)| d.to_string());
                return (
                    4,
                    format!("event {wanted} got {}", near.unwrap_or_default()),
                );
            }
        }
    }
    for (w, g) in want.iter().zip(got) {
        let chain = |e: &Value| {
            (
                e["id"].clone(),
                e["previousEventId"].clone(),
                kind(e).to_owned(),
            )
        };
        if chain(w) != chain(g) || !same(&details(w), &details(g)) {
            return (5, format!("order: {:?} want {:?}", chain(g), chain(w)));
        }
    }
    (6, String::new())
}
