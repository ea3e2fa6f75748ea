//! Tables as kubectl prints them.

use serde_json::Value;

/// A column of a server's Table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    name: String,
    wide: bool,
}

/// How tables are shown.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Columns of lower priority too.
    pub wide: bool,
    /// A first column with the namespace.
    pub namespace: bool,
    /// `kind/` before each name.
    pub prefix: Option<String>,
    /// A last column with all labels.
    pub show_labels: bool,
    /// No line with the columns' names.
    pub no_headers: bool,
}

/// Prints tables whose columns keep their width from one to the next, as a watch needs it.
#[derive(Debug, Default)]
pub struct Printer {
    options: Options,
    columns: Vec<Column>,
    widths: Vec<usize>,
    began: bool,
}

impl Printer {
    /// A printer that has printed nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// The text of one more table; the first one brings the headers.
    pub fn print(&mut self, table: &Value) -> String {
        let columns = table.get("columnDefinitions").and_then(Value::as_array);
        if let Some(columns) = columns.filter(|columns| !columns.is_empty()) {
            self.columns = columns.iter().map(column).collect();
        }
        let mut lines = Vec::new();
        if !self.began && !self.options.no_headers {
            lines.push(self.headers());
        }
        self.began = true;
        let rows = table.get("rows").and_then(Value::as_array);
        lines.extend(rows.into_iter().flatten().map(|row| self.row(row)));
        self.lay_out(&lines)
    }

    fn headers(&self) -> Vec<String> {
        let mut headers = Vec::new();
        if self.options.namespace {
            headers.push("NAMESPACE".to_owned());
        }
        let shown = self
            .columns
            .iter()
            .filter(|column| self.options.wide || !column.wide);
        headers.extend(shown.map(|column| column.name.to_uppercase()));
        if self.options.show_labels {
            headers.push("LABELS".to_owned());
        }
        headers
    }

    fn row(&self, row: &Value) -> Vec<String> {
        let metadata = row.pointer("/object/metadata");
        let mut cells = Vec::new();
        if self.options.namespace {
            let namespace = metadata.and_then(|metadata| metadata.get("namespace"));
            cells.push(namespace.map(cell).unwrap_or_default());
        }
        let given = row.get("cells").and_then(Value::as_array);
        for (index, column) in self.columns.iter().enumerate() {
            if column.wide && !self.options.wide {
                continue;
            }
            let text = given
                .and_then(|cells| cells.get(index))
                .map(cell)
                .unwrap_or_default();
            cells.push(match &self.options.prefix {
                Some(prefix) if index == 0 => format!("{prefix}/{text}"),
                _ => text,
            });
        }
        if self.options.show_labels {
            cells.push(labels(metadata.and_then(|metadata| metadata.get("labels"))));
        }
        cells
    }

    fn lay_out(&mut self, lines: &[Vec<String>]) -> String {
        for line in lines {
            self.widths
                .resize(self.widths.len().max(line.len()), MIN_WIDTH);
            for (width, cell) in self.widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count() + PADDING);
            }
        }
        let mut text = String::new();
        for line in lines {
            for (index, cell) in line.iter().enumerate() {
                text.push_str(cell);
                if index + 1 < line.len() {
                    let width = self.widths.get(index).copied().unwrap_or_default();
                    text.extend(std::iter::repeat_n(
                        ' ',
                        width.saturating_sub(cell.chars().count()),
                    ));
                }
            }
            text.push('\n');
        }
        text
    }
}

/// Blanks after the widest cell of a column.
const PADDING: usize = 3;
/// The narrowest column, padding included.
const MIN_WIDTH: usize = 6;

/// Columns of plain text, laid out as tables are, without headers of their own.
#[must_use]
pub fn plain(lines: &[Vec<String>]) -> String {
    Printer::default().lay_out(lines)
}

fn column(definition: &Value) -> Column {
    Column {
        name: definition.get("name").map(cell).unwrap_or_default(),
        wide: definition
            .get("priority")
            .and_then(Value::as_i64)
            .is_some_and(|priority| priority > 0),
    }
}

/// One line, without what would move a terminal's cursor.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let (first, more) = text
        .split_once('\n')
        .map_or((text.as_str(), false), |(first, _)| (first, true));
    let clean = first.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut clean: String = clean.collect();
    if more {
        clean.push_str("...");
    }
    clean
}

/// Labels as kubectl lists them.
#[must_use]
pub fn labels(labels: Option<&Value>) -> String {
    let labels = labels
        .and_then(Value::as_object)
        .filter(|labels| !labels.is_empty());
    let Some(labels) = labels else {
        return "<none>".to_owned();
    };
    let mut pairs: Vec<_> = labels
        .iter()
        .map(|(key, value)| format!("{key}={}", cell(value)))
        .collect();
    pairs.sort_unstable();
    pairs.join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table() -> Value {
        json!({
            "kind": "Table",
            "columnDefinitions": [
                {"name": "Name", "type": "string"}, {"name": "Phase", "type": "string"},
                {"name": "Result", "type": "string"}, {"name": "Age", "type": "string"},
                {"name": "Run", "type": "string", "priority": 1},
            ],
            "rows": [
                {"cells": ["workflow-example", "Succeeded", "{\"x\": 4, \"y\": -4}", "5s", "r1"],
                 "object": {"metadata": {"namespace": "default", "labels": {"b": "2", "a": "1"}}}},
                {"cells": ["w", null, "two\nlines", "10d", ""], "object": {"metadata": {"namespace": "n"}}},
            ],
        })
    }

    #[test]
    fn a_table_as_kubectl_prints_it() {
        insta::assert_snapshot!(Printer::new(Options::default()).print(&table()), @r#"
        NAME               PHASE       RESULT              AGE
        workflow-example   Succeeded   {"x": 4, "y": -4}   5s
        w                              two...              10d
        "#);
    }

    #[test]
    fn wide_with_namespace_prefix_and_labels() {
        let options = Options {
            wide: true,
            namespace: true,
            prefix: Some("workflow".to_owned()),
            show_labels: true,
            no_headers: false,
        };
        insta::assert_snapshot!(Printer::new(options).print(&table()), @r#"
        NAMESPACE   NAME                        PHASE       RESULT              AGE   RUN   LABELS
        default     workflow/workflow-example   Succeeded   {"x": 4, "y": -4}   5s    r1    a=1,b=2
        n           workflow/w                              two...              10d         <none>
        "#);
    }

    #[test]
    fn a_watch_has_headers_once_and_keeps_its_widths() {
        let mut printer = Printer::new(Options::default());
        printer.print(&table());
        let event = json!({"rows": [{"cells": ["x", "Failed", "", "1s", ""]}]});
        assert_eq!(
            printer.print(&event),
            format!("{:19}{:12}{:20}1s\n", "x", "Failed", "")
        );
    }

    #[test]
    fn cells_cannot_move_the_cursor() {
        let table =
            json!({"columnDefinitions": [{"name": "N"}], "rows": [{"cells": ["a\u{1b}[2Jb"]}]});
        assert_eq!(
            Printer::new(Options::default()).print(&table),
            "N\na [2Jb\n"
        );
    }
}
