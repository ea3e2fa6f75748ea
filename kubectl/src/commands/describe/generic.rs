use serde_json::Value;

use super::sheet::{Sheet, plain};

/// Any object: its metadata, then everything else as an outline.
pub(super) fn write(object: &Value, sheet: &mut Sheet) {
    sheet.metadata(object);
    let Some(fields) = object.as_object() else {
        return;
    };
    let is_secret = object.get("kind").and_then(Value::as_str) == Some("Secret");
    for (key, value) in fields {
        match key.as_str() {
            "apiVersion" | "kind" | "metadata" => {}
            "data" | "stringData" if is_secret => sizes(value, sheet),
            "status" => {
                let mut rest = value.clone();
                if let Some(rest) = rest.as_object_mut() {
                    rest.shift_remove("conditions");
                }
                if rest.as_object().is_some_and(|rest| !rest.is_empty()) {
                    outline("Status", &rest, 0, sheet);
                }
            }
            key => outline(&title(key), value, 0, sheet),
        }
    }
    sheet.conditions(object);
}

/// Secrets are not printed.
fn sizes(data: &Value, sheet: &mut Sheet) {
    sheet.line("Data", "");
    for (key, value) in data.as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
        sheet.at(
            1,
            key,
            format!("{} bytes", (text.len() / 4 * 3).saturating_sub(padding)),
        );
    }
}

fn outline(name: &str, value: &Value, depth: usize, sheet: &mut Sheet) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            sheet.at(depth, name, "");
            for (key, value) in fields {
                outline(&title(key), value, depth + 1, sheet);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            sheet.at(depth, name, "");
            for (index, item) in items.iter().enumerate() {
                let label = ["name", "type", "key"]
                    .iter()
                    .find_map(|key| item.get(*key))
                    .map(plain);
                outline(
                    &label.unwrap_or_else(|| (index + 1).to_string()),
                    item,
                    depth + 1,
                    sheet,
                );
            }
        }
        Value::Array(items) => {
            let texts: Vec<_> = items.iter().map(plain).collect();
            sheet.at(
                depth,
                name,
                if texts.is_empty() {
                    "<none>".to_owned()
                } else {
                    texts.join(", ")
                },
            );
        }
        Value::Object(_) => sheet.at(depth, name, "<none>"),
        other => sheet.at(depth, name, plain(other)),
    }
}

/// `nodeName` as `Node Name`; keys of a user's own (labels, data) stay.
fn title(key: &str) -> String {
    if key.contains(['.', '/', '-', '_']) || key.chars().next().is_none_or(char::is_uppercase) {
        return key.to_owned();
    }
    let mut title = String::new();
    let mut before = ' ';
    for c in key.chars() {
        match (before, c) {
            (' ', c) => title.extend(c.to_uppercase()),
            (before, c) if c.is_uppercase() && !before.is_uppercase() => {
                title.push(' ');
                title.push(c);
            }
            (_, c) => title.push(c),
        }
        before = c;
    }
    title
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn anything_can_be_described() {
        let node = json!({"kind": "Node", "metadata": {"name": "n1"}, "spec": {"unschedulable": true, "taints": []},
            "status": {"capacity": {"cpu": "2"}, "addresses": [{"type": "Hostname", "address": "h"}], "nodeInfo": {"machineID": "m"},
                "conditions": [{"type": "Ready", "status": "True", "reason": "AgentConnected", "message": "fine"}]}});
        let mut sheet = Sheet::default();
        write(&node, &mut sheet);
        insta::assert_snapshot!(sheet.finish(), @r#"
        Name:         n1
        Labels:       <none>
        Annotations:  <none>
        Spec:
          Unschedulable: true
          Taints: <none>
        Status:
          Capacity:
            Cpu: 2
          Addresses:
            Hostname:
              Type: Hostname
              Address: h
          Node Info:
            Machine ID: m
        Conditions:
          Type    Status   Reason           Since   Message
          ----    ------   ------           -----   -------
          Ready   True     AgentConnected           fine
        "#);
    }

    #[test]
    fn secrets_stay_secret() {
        let secret =
            json!({"kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "c2VjcmV0"}});
        let mut sheet = Sheet::default();
        write(&secret, &mut sheet);
        let text = sheet.finish();
        assert!(
            text.contains("k: 6 bytes") && !text.contains("c2VjcmV0"),
            "{text}"
        );
    }
}
