//! Expressions and what they give.

use serde_json::{Value, json};

use super::{Budget, Error, Expression, Item, World};
use crate::data::entropy::Entropy;

fn eval_with(text: &str, input: &Value, budget: Budget) -> Result<Option<Value>, Error> {
    let entropy = Entropy::new(7);
    let expression = Expression::parse(text)?;
    let variable = |name: &str| (name == "i").then(|| Item::from(input));
    let world = World {
        variable: &variable,
        now: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        entropy: &entropy,
        budget,
    };
    expression.evaluate(world)
}

fn eval(text: &str, input: &Value) -> Result<Option<Value>, Error> {
    eval_with(text, input, Budget::default())
}

#[test]
fn the_basics() {
    let input = json!({"a": [1, 2, 3], "o": [{"n": "x", "v": 1}, {"n": "y", "v": 2}, {"n": "x", "v": 3}]});
    for (text, wanted) in [
        ("1 + 2 * 3", json!(7)),
        ("$sum($i.a)", json!(6)),
        ("$i.o[n='x'].v", json!([1, 3])),
        ("$i.o[0].n", json!("x")),
        ("$i.o{n: $sum(v)}", json!({"x": 4, "y": 2})),
        ("$i.o^(>v).v", json!([3, 2, 1])),
        ("$i.a[-1]", json!(3)),
        ("[1..3]", json!([1, 2, 3])),
        ("$map($i.a, function($x){$x * 2})", json!([2, 4, 6])),
        ("($f := function($n){$n <= 1 ? 1 : $n * $f($n-1)}; $f(5))", json!(120)),
        ("'a' & 1 & true", json!("a1true")),
        ("$i.a ~> $sum()", json!(6)),
    ] {
        assert_eq!(eval(text, &input), Ok(Some(wanted)), "{text}");
    }
    assert_eq!(eval("$i.nothing", &input), Ok(None));
}

#[test]
fn zz_differential() {
    let Ok(text) = std::fs::read_to_string("/tmp/jref/expected.json") else { return };
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    let (mut bad, mut n) = (0, 0);
    for case in &cases {
        let expr = case["expr"].as_str().unwrap();
        n += 1; std::fs::write("/tmp/jref/current", expr).unwrap();
        let got = std::panic::catch_unwind(|| eval(expr, &case["input"]));
        let got = match got { Ok(g) => g, Err(_) => { println!("PANIC {expr}"); bad += 1; continue } };
        let want = if case["error"].is_string() { format!("E {}", case["error"].as_str().unwrap()) }
            else if case.get("result").is_none() { "U".into() } else { format!("V {}", norm(&case["result"])) };
        let have = match &got { Ok(None) => "U".to_owned(), Ok(Some(v)) => format!("V {}", norm(v)), Err(e) => format!("E {}", e.code) };
        if want != have { bad += 1; println!("{expr}\n    want {}\n    have {} {}", &want.chars().take(300).collect::<String>(), have.chars().take(300).collect::<String>(), got.err().map(|e| e.message).unwrap_or_default()); }
    }
    println!("DIFF {bad} of {n}");
}
fn norm(v: &Value) -> String {
    match v {
        Value::Number(n) => super::number::show(n.as_f64().unwrap()),
        Value::Array(l) => format!("[{}]", l.iter().map(norm).collect::<Vec<_>>().join(",")),
        Value::Object(m) => format!("{{{}}}", m.iter().map(|(k,v)| format!("{k:?}:{}", norm(v))).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}
