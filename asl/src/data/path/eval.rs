//! Following a path.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Function, NothingFound, Path, Segment};
use crate::data::number;

impl Path {
    /// Follows the path from its root's value.
    pub fn find(&self, root: &Value) -> Result<Value, NothingFound> {
        find(&self.segments, root, root)
    }

    /// The same without a copy, for paths that lead to one place.
    pub(crate) fn find_ref<'v>(&self, root: &'v Value) -> Result<Cow<'v, Value>, NothingFound> {
        if !self
            .segments
            .iter()
            .all(|s| matches!(s, Segment::Key(_) | Segment::Index(_)))
        {
            return self.find(root).map(Cow::Owned);
        }
        let mut value = root;
        for (position, segment) in self.segments.iter().enumerate() {
            value = match segment {
                Segment::Key(key) => match value {
                    Value::Object(map) => map.get(key).ok_or_else(|| self.missing(position))?,
                    other => return Err(self.no_object(position, key, other)),
                },
                Segment::Index(index) => match value {
                    Value::Array(list) => at(list, *index).ok_or_else(|| self.missing(position))?,
                    _ => return Err(self.missing(position)),
                },
                _ => return Err(self.missing(position)),
            };
        }
        Ok(Cow::Borrowed(value))
    }

    fn missing(&self, position: usize) -> NothingFound {
        NothingFound(missing(&self.segments, position))
    }

    fn no_object(&self, position: usize, key: &str, found: &Value) -> NothingFound {
        NothingFound(no_object(&self.segments, position, key, found))
    }
}

/// Follows segments from `from`; `root` is what `$` means in filters.
pub(super) fn find(
    segments: &[Segment],
    from: &Value,
    root: &Value,
) -> Result<Value, NothingFound> {
    let mut found: Vec<Cow<'_, Value>> = vec![Cow::Borrowed(from)];
    let mut definite = true;
    for (position, segment) in segments.iter().enumerate() {
        if let Segment::Function(function) = segment {
            let input = collect(found, definite);
            let result = function
                .of(&input)
                .ok_or_else(|| NothingFound(missing(segments, position)))?;
            (found, definite) = (vec![Cow::Owned(result)], true);
            continue;
        }
        if definite && let Some(first) = found.first() {
            let last = position + 1 == segments.len();
            let rest_is_definite = segments
                .iter()
                .skip(position)
                .all(|s| matches!(s, Segment::Key(_) | Segment::Index(_)));
            check(segments, position, first, last || rest_is_definite)?;
        }
        definite &= matches!(
            segment,
            Segment::Key(_) | Segment::Keys(_) | Segment::Index(_)
        );
        let mut next = Vec::new();
        for value in found {
            match value {
                Cow::Borrowed(value) => step(segment, value, root, &mut next),
                Cow::Owned(value) => {
                    let mut inner = Vec::new();
                    step(segment, &value, root, &mut inner);
                    next.extend(inner.into_iter().map(|v| Cow::Owned(v.into_owned())));
                }
            }
        }
        found = next;
        if definite && found.is_empty() && segments.iter().skip(position + 1).all(definite_segment)
        {
            return Err(NothingFound(missing(segments, position)));
        }
    }
    Ok(collect(found, definite))
}

fn definite_segment(segment: &Segment) -> bool {
    matches!(
        segment,
        Segment::Key(_) | Segment::Keys(_) | Segment::Index(_)
    )
}

/// A definite path through something that is no object says so.
fn check(
    segments: &[Segment],
    position: usize,
    value: &Value,
    matters: bool,
) -> Result<(), NothingFound> {
    if let Some(Segment::Key(key)) = segments.get(position)
        && matters
        && !value.is_object()
    {
        return Err(NothingFound(no_object(segments, position, key, value)));
    }
    Ok(())
}

fn collect(found: Vec<Cow<'_, Value>>, definite: bool) -> Value {
    if definite {
        return found
            .into_iter()
            .next()
            .map_or(Value::Null, Cow::into_owned);
    }
    Value::Array(found.into_iter().map(Cow::into_owned).collect())
}

fn step<'v>(segment: &Segment, value: &'v Value, root: &Value, out: &mut Vec<Cow<'v, Value>>) {
    match (segment, value) {
        (Segment::Key(key), Value::Object(map)) => out.extend(map.get(key).map(Cow::Borrowed)),
        (Segment::Keys(keys), Value::Object(map)) => {
            let chosen: Map<String, Value> = keys
                .iter()
                .filter_map(|key| map.get(key).map(|v| (key.clone(), v.clone())))
                .collect();
            out.push(Cow::Owned(Value::Object(chosen)));
        }
        (Segment::Index(index), Value::Array(list)) => {
            out.extend(at(list, *index).map(Cow::Borrowed))
        }
        (Segment::Indices(indices), Value::Array(list)) => {
            out.extend(
                indices
                    .iter()
                    .filter_map(|i| at(list, *i))
                    .map(Cow::Borrowed),
            );
        }
        (Segment::Slice { from, to, step }, Value::Array(list)) => {
            let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
            let bound = |n: i64| {
                usize::try_from(if n < 0 { n.saturating_add(length) } else { n }.clamp(0, length))
                    .unwrap_or(0)
            };
            let (from, to) = (bound(from.unwrap_or(0)), bound(to.unwrap_or(length)));
            let step = usize::try_from(*step).unwrap_or(1).max(1);
            out.extend(
                list.get(from..to.max(from))
                    .unwrap_or_default()
                    .iter()
                    .step_by(step)
                    .map(Cow::Borrowed),
            );
        }
        (Segment::Wildcard, Value::Array(list)) => out.extend(list.iter().map(Cow::Borrowed)),
        (Segment::Wildcard, Value::Object(map)) => out.extend(map.values().map(Cow::Borrowed)),
        (Segment::Filter(filter), Value::Array(list)) => {
            out.extend(
                list.iter()
                    .filter(|item| filter.passes(item, root))
                    .map(Cow::Borrowed),
            );
        }
        (Segment::Filter(filter), Value::Object(_)) if filter.passes(value, root) => {
            out.push(Cow::Borrowed(value));
        }
        (Segment::Descend, value) => descend(value, out),
        _ => {}
    }
}

/// The value and everything beneath it, from the top.
fn descend<'v>(value: &'v Value, out: &mut Vec<Cow<'v, Value>>) {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        out.push(Cow::Borrowed(value));
        match value {
            Value::Array(list) => open.extend(list.iter().rev()),
            Value::Object(map) => open.extend(map.values().rev()),
            _ => {}
        }
    }
}

fn at(list: &[Value], index: i64) -> Option<&Value> {
    let length = i64::try_from(list.len()).ok()?;
    let index = if index < 0 {
        index.checked_add(length)?
    } else {
        index
    };
    list.get(usize::try_from(index).ok()?)
}

impl Function {
    fn of(self, value: &Value) -> Option<Value> {
        if self == Function::Keys {
            return value
                .as_object()
                .map(|map| map.keys().cloned().map(Value::String).collect());
        }
        if self == Function::Length {
            let length = match value {
                Value::Array(list) => list.len(),
                Value::Object(map) => map.len(),
                Value::String(text) => text.chars().count(),
                _ => return None,
            };
            return Some(Value::from(length));
        }
        let numbers: Vec<_> = value
            .as_array()?
            .iter()
            .filter_map(Value::as_number)
            .collect();
        let sum = || numbers.iter().filter_map(|n| n.as_f64()).sum::<f64>();
        let chosen = match self {
            Function::Min => numbers.iter().min_by(|a, b| number::compare(a, b)),
            Function::Max => numbers.iter().max_by(|a, b| number::compare(a, b)),
            Function::Sum => return Some(float(sum())),
            _ => return (!numbers.is_empty()).then(|| float(sum() / numbers.len() as f64)),
        };
        chosen.map(|n| Value::Number((*n).clone()))
    }
}

fn float(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

fn render(segments: &[Segment]) -> String {
    let mut text = String::from("$");
    for segment in segments {
        match segment {
            Segment::Key(key) => text.push_str(&format!("['{key}']")),
            Segment::Keys(keys) => text.push_str(&format!("['{}']", keys.join("','"))),
            Segment::Index(index) => text.push_str(&format!("[{index}]")),
            Segment::Wildcard => text.push_str("[*]"),
            _ => text.push_str("[..]"),
        }
    }
    text
}

fn missing(segments: &[Segment], position: usize) -> String {
    let through = segments.get(..=position).unwrap_or(segments);
    if position + 1 < segments.len() && matches!(segments.get(position), Some(Segment::Key(_))) {
        return format!("Missing property in path {}", render(through));
    }
    format!("No results for path: {}", render(segments))
}

fn no_object(segments: &[Segment], position: usize, key: &str, found: &Value) -> String {
    let before = render(segments.get(..position).unwrap_or_default());
    format!(
        "Expected to find an object with property ['{key}'] in path {before} but found {}",
        kind(found)
    )
}

/// A value's type, for messages.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn find(path: &str, value: &Value) -> Result<Value, NothingFound> {
        Path::parse(path).unwrap().find(value)
    }

    #[test]
    fn the_dialect_of_real_state_machines() {
        let doc = json!({
            "detail-type": "x", "a b": 1, "it's": 2,
            "items": [{"n": 1, "t": "a"}, {"n": 2, "t": "b"}, {"n": 3}],
            "deep": {"items": [{"n": 9}]}
        });
        let cases = [
            ("$", doc.clone()),
            ("$.detail-type", json!("x")),
            ("$['detail-type']", json!("x")),
            ("$.a b", json!(1)),
            ("$['it\\'s']", json!(2)),
            ("$.items[0].n", json!(1)),
            ("$.items.[0].n", json!(1)),
            ("$.items[-1].n", json!(3)),
            ("$.items[*].n", json!([1, 2, 3])),
            ("$.items[0,2].n", json!([1, 3])),
            ("$.items[1:].n", json!([2, 3])),
            ("$.items[:-1].n", json!([1, 2])),
            ("$.items[::2].n", json!([1, 3])),
            ("$..n", json!([1, 2, 3, 9])),
            ("$.items[?(@.n > 1)].n", json!([2, 3])),
            ("$.items.[?(@.t == 'b')].n", json!([2])),
            ("$.items[?(@.t)].n", json!([1, 2])),
            ("$.items[?(!@.t)].n", json!([3])),
            (
                "$.items[?(@.n in [1, 3] && (@.n != 3 || @.t))].n",
                json!([1]),
            ),
            ("$.items[?(@.n == $.deep.items[0].n)]", json!([])),
            (
                "$.items[*]['n','t']",
                json!([{"n": 1, "t": "a"}, {"n": 2, "t": "b"}, {"n": 3}]),
            ),
            (
                "$['detail-type','a b']",
                json!({"detail-type": "x", "a b": 1}),
            ),
            ("$.items.length()", json!(3)),
            ("$.items[*].n.max()", json!(3)),
            ("$.none[*]", json!([])),
            ("$.none.items[1:5].itemValue", json!([])),
        ];
        for (path, wanted) in cases {
            assert_eq!(
                Path::parse(path).unwrap().find_ref(&doc).as_deref(),
                Ok(&wanted),
                "{path}"
            );
            assert_eq!(find(path, &doc), Ok(wanted), "{path}");
        }
    }

    #[test]
    fn a_definite_path_that_finds_nothing_says_what_is_missing() {
        let message = |path: &str| find(path, &json!({"a": {"b": 1}, "l": [1]})).unwrap_err().0;
        assert_eq!(message("$.x"), "No results for path: $['x']");
        assert_eq!(message("$.a.x"), "No results for path: $['a']['x']");
        assert_eq!(message("$.x.y"), "Missing property in path $['x']");
        assert_eq!(message("$.l[3]"), "No results for path: $['l'][3]");
        assert!(message("$.a.b.c").starts_with("Expected to find an object with property ['c']"));
        let path = Path::parse("$.x.y").unwrap();
        assert_eq!(
            path.find_ref(&json!({})).unwrap_err().0,
            "Missing property in path $['x']"
        );
    }

    #[test]
    fn roots_are_told_apart() {
        use super::super::Root;
        assert_eq!(
            Path::parse("$$.Execution.Id").unwrap().root(),
            &Root::Context
        );
        assert_eq!(
            Path::parse("$order.total").unwrap().root(),
            &Root::Variable("order".into())
        );
        assert_eq!(Path::parse("$.order").unwrap().root(), &Root::Input);
    }

    #[test]
    fn what_is_no_path_says_where() {
        for bad in [
            "",
            "x",
            "$.",
            "$[",
            "$['a",
            "$[1",
            "$.a[?(@.x =~ /y/)]",
            "$.a)",
            "$[]",
            "$[1:2:0]",
            "$.a..",
            "$.x()",
        ] {
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
        let deep = format!("$[?({}@.x{})]", "(".repeat(5000), ")".repeat(5000));
        assert!(Path::parse(&deep).is_err());
        let deep = format!("$[?({}@.x)]", "!".repeat(5000));
        assert!(Path::parse(&deep).is_err());
        let deep = format!("$[?(@{})]", "[?(@".repeat(5000));
        assert!(Path::parse(&deep).is_err());
    }
}
