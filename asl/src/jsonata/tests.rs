//! Expressions and what they give.

use serde_json::{Value, json};

use super::{Budget, Error, Expression, Item, World};
use crate::entropy::Entropy;

fn eval_with(text: &str, input: &Value, budget: Budget) -> Result<Option<Value>, Error> {
    let entropy = Entropy::of_number(7);
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
    let input =
        json!({"a": [1, 2, 3], "o": [{"n": "x", "v": 1}, {"n": "y", "v": 2}, {"n": "x", "v": 3}]});
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
        (
            "($f := function($n){$n <= 1 ? 1 : $n * $f($n-1)}; $f(5))",
            json!(120),
        ),
        ("'a' & 1 & true", json!("a1true")),
        ("$i.a ~> $sum()", json!(6)),
    ] {
        assert_eq!(eval(text, &input), Ok(Some(wanted)), "{text}");
    }
    assert_eq!(eval("$i.nothing", &input), Ok(None));
}

/// Values that the reference implementation gives for the same expressions.
#[test]
fn corners_are_those_of_the_reference() {
    let input = json!({"a": [{"b": [1, 2]}, {"b": 3}], "one": [7], "n": null});
    for (text, wanted) in [
        ("$i.a.b", json!([1, 2, 3])),
        ("$i.a.b[0]", json!([1, 3])),
        ("($i.a.b)[0]", json!(1)),
        ("$i.one[]", json!([7])),
        ("$i.a.b[[0,0]]", json!([1, 1, 3, 3])),
        (
            "$i.a#$k.{'k': $k, 'b': b}",
            json!([{"k": 0, "b": [1, 2]}, {"k": 1, "b": 3}]),
        ),
        ("$i.a@$x.{'n': $count($x.b)}", json!([{"n": 2}, {"n": 1}])),
        (
            "$i.a.b.{'all': $count(%.b)}",
            json!([{"all": 2}, {"all": 2}, {"all": 1}]),
        ),
        (
            "$i ~> |a|{'c': $count(b)}, 'b'|",
            json!({"a": [{"c": 2}, {"c": 1}], "one": [7], "n": null}),
        ),
        ("$map([1,2], $string)", json!(["1", "2"])),
        (
            "($inc := function($x, $y){$x + $y}(1, ?); $inc(4))",
            json!(5),
        ),
        ("('ab' ~> $uppercase ~> $length)", json!(2)),
        ("$replace('265USD', /([0-9]+)USD/, '$$$1')", json!("$265")),
        ("$split('a, b;c', /[,;] */)", json!(["a", "b", "c"])),
        ("$match('ababbabb', /a(b+)/)[1].index", json!(2)),
        ("$formatNumber(12345.6, '#,###.00')", json!("12,345.60")),
        (
            "$formatInteger(1999, 'I') & $formatInteger(21, '1;o') & $formatInteger(42, 'w')",
            json!("MCMXCIX21stforty-two"),
        ),
        (
            "$parseInteger('twelve thousand, four hundred and seventy-six', 'w')",
            json!(12476),
        ),
        (
            "$fromMillis(1510067557121, '[FNn], [D1o] [MNn] [Y] [H01]:[m01] [Z]', '+0100')",
            json!("Tuesday, 7th November 2017 16:12 +01:00"),
        ),
        (
            "$toMillis('17th September, 1974', '[D1o] [MNn], [Y]')",
            json!(148_608_000_000_u64),
        ),
        ("$now()", json!("2026-01-02T03:04:05.678Z")),
        (
            "$round(4.525, 2) & ' ' & (0.1 + 0.2) & ' ' & 1e21",
            json!("4.52 0.3 1e+21"),
        ),
        ("$string({'a': [1, null]})", json!("{\"a\":[1,null]}")),
        ("[1..3, 5].($ * 2)", json!([2, 4, 6, 10])),
        ("$i.n = null", json!(true)),
        ("$i.missing = $i.missing", json!(false)),
        ("$partition([1..5], 2)", json!([[1, 2], [3, 4], [5]])),
        ("$range(10, 0, -5)", json!([10, 5, 0])),
        (
            "$hash('x', 'MD5')",
            json!("9dd4e461268c8034f5c8564e155c67a6"),
        ),
        ("$parse('{\"a\": [1]}').a", json!([1])),
        (
            "$random(3) = $random(3) and $length($uuid()) = 36",
            json!(true),
        ),
    ] {
        assert_eq!(eval(text, &input), Ok(Some(wanted)), "{text}");
    }
}

#[test]
fn what_goes_wrong_has_the_references_code() {
    for (text, code) in [
        ("1 +", "S0207"),
        ("'x", "S0101"),
        ("[1,2)", "S0202"),
        ("{'a': }", "S0211"),
        ("$f := ", "S0207"),
        ("/abc", "S0302"),
        ("5 := 3", "S0212"),
        ("$nope(1)", "T1006"),
        ("uppercase('x')", "T1005"),
        ("'a' + 1", "T2001"),
        ("1 < 'a'", "T2009"),
        ("$abs('x')", "T0410"),
        ("$sum(['x'])", "T0412"),
        ("{'a': 1, 'a': 2}", "D1009"),
        ("$number('x')", "D3030"),
        ("$eval('1')", "T1006"),
        ("1 / 0", "D1001"),
        ("$error('mine')", "D3137"),
    ] {
        assert_eq!(
            eval(text, &json!(null)).map_err(|e| e.code),
            Err(code),
            "{text}"
        );
    }
}

#[test]
fn hostile_expressions_end() {
    let budget = Budget {
        steps: 400_000,
        ..Budget::default()
    };
    let many = "(".repeat(100_000);
    let chain = "1".to_owned() + &"+1".repeat(100_000);
    for (text, code) in [
        ("($f := function($n){ 1 + $f($n + 1) }; $f(0))", "D1011"),
        ("($f := function($n){ $f($n + 1) }; $f(0))", "D1012"),
        (
            "($f := function($s){ $f($s & $s) }; $f('aaaaaaaa'))",
            "D2015",
        ),
        ("$pad('', 1e15)", "D2015"),
        ("$pad('', -1e300)", "D2015"),
        ("[1..10000000]", "D2015"),
        ("[0..1e9]", "D2014"),
        ("$range(0, 1e15, 1e-9)", "D2015"),
        (
            "$reduce([1..50], function($a, $b){ [$a, $a] }, 'x')",
            "D1012",
        ),
        (
            "$string($reduce([1..50], function($a, $b){ {'l': $a, 'r': $a} }, 'x'))",
            "D1012",
        ),
        (
            "$reduce([1..100000], function($a, $b){ [[$a]] }, 1)",
            "D1011",
        ),
        (
            "($g := function($n, $h){ $n = 0 ? $h : $g($n - 1, $h ~> $uppercase) }; $g(5000, $uppercase)('x'))",
            "D1011",
        ),
        (
            "$map([1..3000], function($x){ $sum($map([1..300], function($y){ $x * $y })) })",
            "D1012",
        ),
        (
            "$replace($pad('', 100000, 'a'), 'a', $pad('', 100000, 'b'))",
            "D2015",
        ),
        (
            "($x := [1..2000]; $count($x[$count($x[$ > 0]) > 0]))",
            "D1012",
        ),
        (many.as_str(), "S0201"),
        (chain.as_str(), "S0201"),
    ] {
        let shown: String = text.chars().take(60).collect();
        assert_eq!(
            eval_with(text, &json!(null), budget).map_err(|e| e.code),
            Err(code),
            "{shown}"
        );
    }
}

#[test]
fn a_function_that_holds_itself_is_let_go() {
    // Circles of frames and functions, and chains of frames, come apart without deep recursion.
    let text = "($f := function($n, $g){ $n = 0 ? $g() : $f($n - 1, function(){ $n + $g() }) }; $f(150, function(){ 0 }))";
    assert_eq!(eval(text, &json!(null)), Ok(Some(json!(11_325))));
}

#[test]
fn what_is_only_moved_keeps_its_digits() {
    let input: Value =
        serde_json::from_str("{\"id\": 12345678901234567890123, \"x\": 0.10}").unwrap();
    assert_eq!(
        eval("{'id': $i.id, 'l': [$i.x]}", &input)
            .unwrap()
            .unwrap()
            .to_string(),
        "{\"id\":12345678901234567890123,\"l\":[0.10]}"
    );
}

#[test]
fn the_bounds_are_settings() {
    let tight = Budget {
        steps: 50,
        ..Budget::default()
    };
    assert_eq!(
        eval_with("$sum([1..100])", &json!(null), tight).map_err(|e| e.code),
        Err("D1012")
    );
}
