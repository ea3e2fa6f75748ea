use serde_json::Value;

use crate::print::{age, table};

/// Lines of `Name:  value`, with sections below some names.
#[derive(Default)]
pub(super) struct Sheet {
    /// `(depth, name, value)`; a line of its own has no name.
    lines: Vec<(usize, String, String)>,
}

impl Sheet {
    /// One line.
    pub(super) fn line(&mut self, name: &str, value: impl Into<String>) {
        self.at(0, name, value);
    }

    /// One line, so many steps in.
    pub(super) fn at(&mut self, depth: usize, name: &str, value: impl Into<String>) {
        self.lines.push((depth, name.to_owned(), value.into()));
    }

    /// One line, when there is something to say.
    pub(super) fn maybe(&mut self, name: &str, value: Option<&Value>) {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            self.line(name, plain(value));
        }
    }

    /// A block that is laid out already.
    pub(super) fn block(&mut self, name: &str, lines: &[Vec<String>]) {
        if lines.is_empty() {
            return self.line(name, "<none>");
        }
        self.line(name, "");
        let indented: Vec<Vec<String>> = lines
            .iter()
            .map(|line| {
                let mut line = line.clone();
                if let Some(first) = line.first_mut() {
                    first.insert_str(0, "  ");
                }
                line
            })
            .collect();
        for line in table::plain(&indented).lines() {
            self.lines.push((0, String::new(), line.to_owned()));
        }
    }

    /// Name, namespace, labels, annotations and age.
    pub(super) fn metadata(&mut self, object: &Value) {
        let metadata = object.get("metadata").cloned().unwrap_or_default();
        self.maybe("Name", metadata.get("name"));
        self.maybe("Namespace", metadata.get("namespace"));
        self.map("Labels", metadata.get("labels"));
        self.map("Annotations", metadata.get("annotations"));
        if let Some(created) = metadata.get("creationTimestamp").and_then(Value::as_str) {
            let now = jiff::Timestamp::now();
            self.line(
                "Created",
                format!("{created} ({} ago)", age::since(Some(created), now)),
            );
        }
        if let Some(deleted) = metadata.get("deletionTimestamp").and_then(Value::as_str) {
            self.line("Status", format!("Terminating (since {deleted})"));
        }
        if let Some(owner) = metadata.pointer("/ownerReferences/0") {
            self.line(
                "Controlled By",
                format!("{}/{}", field(owner, "kind"), field(owner, "name")),
            );
        }
    }

    fn map(&mut self, name: &str, map: Option<&Value>) {
        let entries = map.and_then(Value::as_object).into_iter().flatten();
        // kubectl hides its own note too.
        let entries: Vec<_> = entries
            .filter(|(key, _)| !key.starts_with("kubectl.kubernetes.io/last-applied"))
            .collect();
        if entries.is_empty() {
            return self.line(name, "<none>");
        }
        for (index, (key, value)) in entries.into_iter().enumerate() {
            let name = if index == 0 { name } else { " " };
            self.line(name, format!("{key}={}", plain(value)));
        }
    }

    /// The conditions, as a table.
    pub(super) fn conditions(&mut self, object: &Value) {
        let conditions = object
            .pointer("/status/conditions")
            .and_then(Value::as_array);
        let Some(conditions) = conditions.filter(|conditions| !conditions.is_empty()) else {
            return;
        };
        let head = |words: [&str; 5]| words.map(str::to_owned).to_vec();
        let mut lines = vec![
            head(["Type", "Status", "Reason", "Since", "Message"]),
            head(["----", "------", "------", "-----", "-------"]),
        ];
        for condition in conditions {
            let since = condition.get("lastTransitionTime").and_then(Value::as_str);
            lines.push(vec![
                field(condition, "type"),
                field(condition, "status"),
                field(condition, "reason"),
                since
                    .map(|since| age::since(Some(since), jiff::Timestamp::now()))
                    .unwrap_or_default(),
                field(condition, "message").replace('\n', " "),
            ]);
        }
        self.block("Conditions", &lines);
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        let named = self
            .lines
            .iter()
            .filter(|(depth, name, value)| *depth == 0 && !name.is_empty() && !value.is_empty());
        let width = named
            .map(|(_, name, _)| name.chars().count())
            .max()
            .unwrap_or(0)
            + 3;
        let mut text = String::new();
        for (depth, name, value) in &self.lines {
            text.extend(std::iter::repeat_n("  ", *depth));
            let value = value.trim_end();
            let width = if *depth == 0 { width } else { 0 };
            match (name.as_str(), value) {
                ("", value) => text.push_str(value),
                (" ", value) => text.push_str(&format!("{:width$}{value}", "")),
                (name, "") => text.push_str(&format!("{name}:")),
                (name, value) => {
                    let label = format!("{name}: ");
                    let rest = format!("\n{:width$}", "", width = width.max(label.chars().count()));
                    text.push_str(&format!("{label:width$}{}", value.replace('\n', &rest)));
                }
            }
            text.push('\n');
        }
        text
    }
}

/// A field's text.
pub(super) fn field(value: &Value, key: &str) -> String {
    value.get(key).map(plain).unwrap_or_default()
}

/// A value on one line, with what could move a cursor taken out.
pub(super) fn plain(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.chars()
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect()
}
