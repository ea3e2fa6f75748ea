use serde_json::Value;

/// Most requirements in one selector.
const MAX_REQUIREMENTS: usize = 100;

/// `a=b,c!=d,e in (f,g),h notin (i),j,!k`: all must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector(Vec<(String, Requirement)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl LabelSelector {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bad = |why: String| format!("read label selector {text:?}: {why}");
        let mut requirements = Vec::new();
        for part in split(text).map_err(|why| bad(why.to_owned()))? {
            if requirements.len() == MAX_REQUIREMENTS {
                return Err(bad(format!("want at most {MAX_REQUIREMENTS} requirements")));
            }
            requirements.push(requirement(part).map_err(bad)?);
        }
        Ok(Self(requirements))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn matches(&self, labels: &Value) -> bool {
        self.0.iter().all(|(key, requirement)| {
            let found = labels.get(key).and_then(Value::as_str);
            match requirement {
                Requirement::In(values) => {
                    found.is_some_and(|found| values.iter().any(|value| value == found))
                }
                Requirement::NotIn(values) => {
                    !found.is_some_and(|found| values.iter().any(|value| value == found))
                }
                Requirement::Exists => found.is_some(),
                Requirement::Absent => found.is_none(),
            }
        })
    }
}

/// The parts between commas that are not in parentheses.
fn split(text: &str) -> Result<Vec<&str>, &'static str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut inside = false;
    for (at, c) in text.char_indices() {
        match c {
            '(' if inside => return Err("a parenthesis in parentheses"),
            '(' => inside = true,
            ')' if !inside => return Err("a parenthesis that was not opened"),
            ')' => inside = false,
            ',' if !inside => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err("a parenthesis that is not closed");
    }
    parts.push(text[start..].trim());
    if parts == [""] {
        parts.clear();
    }
    Ok(parts)
}

fn requirement(part: &str) -> Result<(String, Requirement), String> {
    let key = |text: &str| {
        let text = text.trim();
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        if text.is_empty() || !text.chars().all(good) {
            return Err(format!(
                "{part:?}: found key {text:?}, want letters, digits, -, _, . or /"
            ));
        }
        Ok(text.to_owned())
    };
    let value = |text: &str| {
        let text = text.trim();
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !text.chars().all(good) {
            return Err(format!(
                "{part:?}: found value {text:?}, want letters, digits, -, _ or ."
            ));
        }
        Ok(text.to_owned())
    };
    if let Some((left, right)) = part.split_once('(') {
        let list = right
            .strip_suffix(')')
            .ok_or_else(|| format!("{part:?}: want ) at the end"))?;
        let values = list.split(',').map(value).collect::<Result<Vec<_>, _>>()?;
        let mut words = left.split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(name), Some("in"), None) => Ok((key(name)?, Requirement::In(values))),
            (Some(name), Some("notin"), None) => Ok((key(name)?, Requirement::NotIn(values))),
            _ => Err(format!("{part:?}: want KEY in (…) or KEY notin (…)")),
        };
    }
    if let Some((left, right)) = part.split_once("!=") {
        return Ok((key(left)?, Requirement::NotIn(vec![value(right)?])));
    }
    if let Some((left, right)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok((key(left)?, Requirement::In(vec![value(right)?])));
    }
    if let Some(absent) = part.strip_prefix('!') {
        return Ok((key(absent)?, Requirement::Absent));
    }
    Ok((key(part)?, Requirement::Exists))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn matches(selector: &str) -> bool {
        let labels = json!({ "a": "b", "x/y": "1" });
        LabelSelector::parse(selector).unwrap().matches(&labels)
    }

    #[test]
    fn requirements_hold_or_not() {
        for yes in [
            "",
            "a=b",
            "a==b",
            "a",
            "!c",
            "c!=d",
            "a in (c, b)",
            "a notin (c),x/y=1",
            "c notin (d)",
        ] {
            assert!(matches(yes), "{yes}");
        }
        for no in ["a=c", "a!=b", "!a", "c", "c in (b)", "a notin (b)", "a=b,c"] {
            assert!(!matches(no), "{no}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for bad in [
            "a in b", "a in (b", "a)", "=b", "a=b=c d", ",", "a,,b", "ä=b",
        ] {
            assert!(LabelSelector::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = LabelSelector::parse(&text);
        }
    }
}
