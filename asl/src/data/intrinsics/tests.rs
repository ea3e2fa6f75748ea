//! The functions, on the examples of Step Functions' documentation and beyond.

use indexmap::IndexMap;
use serde_json::json;

use super::*;
use crate::data::context_object::ContextObject;
use crate::entropy::Entropy;

fn compute(text: &str, input: &Value) -> Result<Value, String> {
    let (variables, entropy) = (IndexMap::new(), Entropy::of_number(1));
    let given = json!({"Execution": {"Id": "e"}});
    let context = ContextObject {
        given: Some(&given),
        ..ContextObject::default()
    };
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let scope = Scope::new(context, &variables, &entropy, now);
    Call::parse(text)
        .map_err(|e| e.to_string())?
        .evaluate(input, &scope)
}

#[test]
fn computes() {
    let input = json!({
        "n": null, "s": "a,b", "l": [1, 2, 3, 3, {"a": 1}, {"a": 1}], "o": {"Arg1": 1, "Arg2": []},
        "b": {"Arg2": true}, "j": "{\"x\": 1.50}", "a-b": 7
    });
    let cases = [
        (
            "States.Format('Hi {}, {}!', $.s, $.n)",
            json!("Hi a,b, null!"),
        ),
        ("States.Format('{}', $.o)", json!("{Arg1=1, Arg2=[]}")),
        (r"States.Format('\{{}\} it\'s', 1)", json!("{1} it's")),
        (
            "States.Format('{} {}', $.a-b, $$.Execution.Id)",
            json!("7 e"),
        ),
        ("States.StringToJson($.j)", json!({"x": 1.5})),
        (
            "States.JsonToString($.o)",
            json!("{\"Arg1\":1,\"Arg2\":[]}"),
        ),
        ("States.Array()", json!([])),
        (
            "States.Array(1, 'x', true, null, $.n)",
            json!([1, "x", true, null, null]),
        ),
        (
            "States.ArrayPartition(States.ArrayRange(1, 5, 1), 2)",
            json!([[1, 2], [3, 4], [5]]),
        ),
        ("States.ArrayContains($.l, 3)", json!(true)),
        ("States.ArrayRange(1, 9, 2)", json!([1, 3, 5, 7, 9])),
        ("States.ArrayRange(5, 1, -2)", json!([5, 3, 1])),
        ("States.ArrayRange(5, 1, 1)", json!([])),
        ("States.ArrayGetItem($.l, 4)", json!({"a": 1})),
        ("States.ArrayLength($.l)", json!(6)),
        ("States.ArrayUnique($.l)", json!([1, 2, 3, {"a": 1}])),
        (
            "States.Base64Encode('Data to encode')",
            json!("RGF0YSB0byBlbmNvZGU="),
        ),
        (
            "States.Base64Decode('RGVjb2RlZCBkYXRh')",
            json!("Decoded data"),
        ),
        (
            "States.Hash('abc', 'SHA-1')",
            json!("a9993e364706816aba3e25717850c26c9cd0d89d"),
        ),
        (
            "States.Hash('abc', 'MD5')",
            json!("900150983cd24fb0d6963f7d28e17f72"),
        ),
        (
            "States.JsonMerge($.o, $.b, false)",
            json!({"Arg1": 1, "Arg2": true}),
        ),
        ("States.MathAdd(111, -1)", json!(110)),
        ("States.MathRandom(5, 6)", json!(5)),
        ("States.StringSplit('1,2,,3', ',')", json!(["1", "2", "3"])),
        (
            "States.StringSplit('This.is+a,test=string', '.+,=')",
            json!(["This", "is", "a", "test", "string"]),
        ),
    ];
    for (text, wanted) in cases {
        let found = compute(text, &input);
        assert_eq!(
            found
                .map(|v| v.to_string())
                .map(|s| s.replace("1.50", "1.5")),
            Ok(wanted.to_string()),
            "{text}"
        );
    }
    assert_eq!(
        compute("States.UUID()", &input)
            .unwrap()
            .as_str()
            .map(str::len),
        Some(36)
    );
    assert_eq!(
        compute("States.MathRandom(1, 999999, 5)", &input),
        compute("States.MathRandom(1, 999999, 5)", &input)
    );
}

#[test]
fn refuses() {
    for text in [
        "States.Nope()",
        "States.Format()",
        "States.ArrayLength($.l",
        "States.ArrayLength($.l) x",
        "States.ArrayLength(x)",
        "States.Format('{}', 'a",
        "Format('{}', 1)",
    ] {
        assert!(Call::parse(text).is_err(), "{text}");
    }
    let deep = format!("{}1{}", "States.Array(".repeat(11), ")".repeat(11));
    assert!(Call::parse(&deep).unwrap_err().message.contains("10 deep"));
    assert!(
        Call::parse("States.Fromat('')")
            .unwrap_err()
            .message
            .contains("Format")
    );
    for text in [
        "States.ArrayRange(1, 5000, 1)",
        "States.ArrayRange(1, 5, 0)",
        "States.ArrayGetItem($, 0)",
        "States.ArrayPartition(States.Array(), 0)",
        "States.Format('{} {}', 1)",
        "States.MathAdd('1', 2)",
        "States.StringToJson('{')",
        "States.JsonMerge($, $, true)",
        "States.Hash('a', 'X')",
        "States.ArrayLength($.none)",
    ] {
        assert!(compute(text, &json!({})).is_err(), "{text}");
    }
}
