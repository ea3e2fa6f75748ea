//! `-o jsonpath=`: Kubernetes' templates. Text stands for itself; `{…}` holds a path, a text in
//! quotes, or `range … end`.

mod eval;
mod parse;

use serde_json::Value;

pub use eval::find;
pub use parse::{Error, Part, parse, parse_path};

/// Fills `template` in for `value`.
///
/// # Errors
/// When the template cannot be read, or names a field that is not there in a place that needs one.
pub fn render(template: &str, value: &Value) -> Result<String, Error> {
    let parts = parse(template)?;
    let mut text = String::new();
    eval::render(&parts, value, value, &mut text);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value() -> Value {
        json!({
            "kind": "List",
            "status": {"result": "{\"x\": 4}", "n": 7, "ok": true, "conditions": [
                {"type": "Built", "status": "True"}, {"type": "Ready", "status": "False", "n": 3}]},
            "metadata": {"labels": {"troupe.dev/function": "f"}},
            "items": [{"name": "a", "v": 1}, {"name": "b", "v": 2}, {"name": "c", "v": 3}],
        })
    }

    #[test]
    fn templates_give_what_kubectl_gives() {
        for (template, text) in [
            ("{.status.result}", "{\"x\": 4}"),
            ("{$.status.n}", "7"),
            (".status.ok", "true"),
            ("result: {.status.result}!", "result: {\"x\": 4}!"),
            ("{.items[*].name}", "a b c"),
            ("{.items[0].name},{.items[-1].name}", "a,c"),
            ("{.items[1:].name}", "b c"),
            ("{.items[0:3:2].name}", "a c"),
            ("{.items[0,2].name}", "a c"),
            (
                "{range .items[*]}{.name}={.v}{\"\\n\"}{end}",
                "a=1\nb=2\nc=3\n",
            ),
            ("{range .items[*]}{.name}{'\\t'}{end}", "a\tb\tc\t"),
            ("{.status.conditions[?(@.type==\"Ready\")].status}", "False"),
            ("{.status.conditions[?(@.type!='Ready')].type}", "Built"),
            ("{.items[?(@.v>1)].name}", "b c"),
            ("{.items[?(@.v<=2)].name}", "a b"),
            ("{.status.conditions[?(@.n)].type}", "Ready"),
            ("{.metadata.labels['troupe.dev/function']}", "f"),
            ("{.metadata.labels.troupe\\.dev/function}", "f"),
            ("{..name}", "a b c"),
            ("{.items[0]['name','v']}", "a 1"),
            ("{.items[0]}", "{\"name\":\"a\",\"v\":1}"),
            ("{.items[0].*}", "a 1"),
            ("{.missing}", ""),
            ("{.missing.deeper}x", "x"),
        ] {
            assert_eq!(
                render(template, &value()).as_deref(),
                Ok(text),
                "{template}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for bad in [
            "{.a",
            "{range .items[*]}{.name}",
            "{end}",
            "{.a[}",
            "{.a[?(@.b==)]}",
            "{'x}",
            "{.a[x]}",
        ] {
            assert!(render(bad, &value()).is_err(), "{bad}");
        }
    }
}
