//! Following paths through documents.

use std::cmp::Ordering;

use serde_json::Value;

use super::parse::{Compare, Filter, Operand, Part, Path, Step};

/// Fills the parts in. `here` is what relative paths begin at.
pub(super) fn render(parts: &[Part], root: &Value, here: &Value, text: &mut String) {
    for part in parts {
        match part {
            Part::Text(literal) => text.push_str(literal),
            Part::Path(path) => {
                let found = find(path, root, here);
                let shown: Vec<_> = found.into_iter().map(show).collect();
                text.push_str(&shown.join(" "));
            }
            Part::Range(path, inner) => {
                for item in find(path, root, here) {
                    render(inner, root, item, text);
                }
            }
        }
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Everything `path` leads to.
#[must_use]
pub fn find<'v>(path: &Path, root: &'v Value, here: &'v Value) -> Vec<&'v Value> {
    let mut found = vec![if path.absolute { root } else { here }];
    for step in &path.steps {
        found = found
            .into_iter()
            .flat_map(|value| walk(step, root, value))
            .collect();
    }
    found
}

fn walk<'v>(step: &Step, root: &'v Value, value: &'v Value) -> Vec<&'v Value> {
    match step {
        Step::Fields(names) => names
            .iter()
            .filter_map(|name| value.as_object()?.get(name))
            .collect(),
        Step::Indices(indices) => indices
            .iter()
            .filter_map(|index| {
                let items = value.as_array()?;
                items.get(place(*index, items.len())?)
            })
            .collect(),
        Step::Slice(from, to, by) => slice(value, *from, *to, *by),
        Step::All => children(value),
        Step::Deep => {
            let mut all = vec![value];
            let mut next = 0;
            while let Some(inner) = all.get(next).copied() {
                all.extend(children(inner));
                next += 1;
            }
            all
        }
        Step::Filter(filter) => children(value)
            .into_iter()
            .filter(|item| passes(filter, root, item))
            .collect(),
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

fn place(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let index = if index < 0 { length + index } else { index };
    usize::try_from(index).ok()
}

fn slice(value: &Value, from: Option<i64>, to: Option<i64>, by: i64) -> Vec<&Value> {
    let Some(items) = value.as_array() else {
        return Vec::new();
    };
    let clamp = |index: i64| place(index, items.len()).unwrap_or(0).min(items.len());
    let from = from.map_or(0, clamp);
    let to = to.map_or(items.len(), clamp);
    let by = usize::try_from(by).unwrap_or(1).max(1);
    items
        .get(from..to.max(from))
        .unwrap_or_default()
        .iter()
        .step_by(by)
        .collect()
}

fn passes(filter: &Filter, root: &Value, item: &Value) -> bool {
    let left = find(&filter.left, root, item);
    let Some((compare, operand)) = &filter.test else {
        return !left.is_empty();
    };
    let right = match operand {
        Operand::Value(value) => vec![value],
        Operand::Path(path) => find(path, root, item),
    };
    let (Some(left), Some(right)) = (left.first(), right.first()) else {
        return false;
    };
    let order = order(left, right);
    match compare {
        Compare::Equal => order == Some(Ordering::Equal),
        Compare::NotEqual => order != Some(Ordering::Equal),
        Compare::Less => order == Some(Ordering::Less),
        Compare::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Compare::Greater => order == Some(Ordering::Greater),
        Compare::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}

fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
        (left, right) => (left == right).then_some(Ordering::Equal),
    }
}
