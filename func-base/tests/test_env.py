"""`handler(env)`."""

import json

import pytest

SEED = """
def handler(env):
    print("param1 in url is" + env.uri.get("param1", ""))
    print(env.body["name1"])
    return '{"hjk": "hjk"}'
"""
SHOW = """
import json

def handler(env):
    return json.dumps({
        "uri": dict(env.uri), "lists": {k: env.uri.getlist(k) for k in env.uri}, "body": env.body,
        "raw": env.raw.decode("latin-1"), "method": env.method, "path": env.path, "headers": dict(env.headers),
    })
"""


def returns(expression):
    return {"app.py": f"def handler(env):\n    return {expression}\n"}


def test_seed_function(start):
    pod = start({"anything.py": SEED})
    answer = pod.call("/function/f?param1=one", {"name1": "two"})
    assert (answer.status, answer.body) == (200, b'{"hjk": "hjk"}')
    assert answer.headers["content-type"] == "application/json"
    assert [line[2] for line in pod.lines()] == ["param1 in url isone", "two"]


def test_everything_in_env(start):
    pod = start({"app.py": SHOW})
    answer = pod.call(
        "/function/f/a%20b?x=1&x=2&y=&z=%C3%BC+1",
        {"k": [1]},
        method="PUT",
        headers={"X-Thing": "t", "X-Troupe-Path": "/a%20b", "X-Troupe-Deadline-Ms": "9000", "X-Invocation-Id": "i1", "TE": "trailers", "Connection": "keep-alive"},
    ).json
    assert answer["uri"] == {"x": "1", "y": "", "z": "ü 1"}
    assert answer["lists"]["x"] == ["1", "2"]
    assert answer["body"] == {"k": [1]} and json.loads(answer["raw"]) == {"k": [1]}
    assert (answer["method"], answer["path"]) == ("PUT", "/a%20b")
    assert answer["headers"]["x-thing"] == "t" and answer["headers"]["x-invocation-id"] == "i1"
    assert not {name for name in answer["headers"] if name.startswith("x-troupe") or name in ("te", "connection")}


def test_path_without_a_gateway(start):
    assert start({"app.py": SHOW}).call("/a/b?c").json["path"] == "/a/b"


def test_bodies(start):
    pod = start({"app.py": SHOW})
    assert pod.call(body=b"").json["body"] == {}
    found = pod.call(body=b"\xff no json").json
    assert found["body"] is None and found["raw"] == "\xff no json"


def test_headers_in_any_case(start):
    pod = start(returns("env.headers['X-ThInG'] + env.headers.get('X-THING') + env.headers.get('nope', '-') + str('X-Thing' in env.headers)"))
    assert pod.call(headers={"x-thing": "v"}).body == b"vv-True"


def test_an_event_has_an_empty_query(start):
    found = start({"app.py": SHOW}).call("/?x=1", {"in": 1}, headers={"X-Troupe-Call": "event"}).json
    assert found["uri"] == {} and found["body"] == {"in": 1}


@pytest.mark.parametrize(
    "expression, kind, body",
    [
        ("'plain'", "text/plain; charset=utf-8", "plain"),
        ("'nothing'", "text/plain; charset=utf-8", "nothing"),
        ("'NaN'", "text/plain; charset=utf-8", "NaN"),
        ("''", "text/plain; charset=utf-8", ""),
        ("'ü'", "text/plain; charset=utf-8", "ü"),
        ("' [1, 2]'", "application/json", " [1, 2]"),
        ("'true'", "application/json", "true"),
        ("{'a': 1}", "application/json", '{"a":1}'),
        ("None", "application/json", "null"),
        ("b'\\xff'", "application/octet-stream", "\xff"),
    ],
)
def test_returned_values(start, expression, kind, body):
    answer = start(returns(expression)).call()
    assert answer.status == 200 and answer.headers["content-type"] == kind
    assert answer.body == (body.encode("latin-1") if kind.endswith("stream") else body.encode())


def test_a_shaped_response(start):
    pod = start(
        returns(
            "{'statusCode': 418, 'headers': {'X-A': 'b', 'X-Many': ['1', '2'], 'Content-Length': '999', 'Connection': 'close',"
            " 'X-Troupe-Outcome': 'forged', 'Content-Type': 'text/html'}, 'cookies': ['a=b'], 'body': '<p>'}"
        )
    )
    answer = pod.call()
    assert (answer.status, answer.body, answer.outcome) == (418, b"<p>", "ok")
    assert answer.headers["x-a"] == "b" and answer.headers["content-type"] == "text/html" and answer.headers["set-cookie"] == "a=b"
    assert [value for name, value in answer.all_headers if name == "X-Many"] == ["1", "2"]
    assert "connection" not in answer.headers


def test_base64(start):
    answer = start(returns("{'statusCode': 200, 'body': 'AP8=', 'isBase64Encoded': True}")).call()
    assert answer.body == b"\x00\xff"


@pytest.mark.parametrize("code", [204, 304])
def test_codes_without_a_body(start, code):
    pod = start(returns(f"{{'statusCode': {code}, 'body': 'never sent'}}"))
    connection = pod.connection()
    for _ in range(2):
        answer = pod.call(connection=connection)
        assert (answer.status, answer.body) == (code, b"")


@pytest.mark.parametrize(
    "expression",
    [
        "{'statusCode': 99}",
        "{'statusCode': 'x'}",
        "{'statusCode': None}",
        "{'statusCode': 200, 'headers': {'X': 'a\\r\\nEvil: 1'}}",
        "{'statusCode': 200, 'headers': {'X\\n': 'a'}}",
        "{'statusCode': 200, 'headers': ['X']}",
        "{'statusCode': 200, 'body': '!', 'isBase64Encoded': True}",
        "{'statusCode': 200, 'body': float('nan')}",
        "'\\ud800'",
        "object()",
    ],
)
def test_responses_that_cannot_be_sent(start, expression):
    answer = start(returns(expression)).call()
    assert (answer.status, answer.outcome) == (500, "unserializable")
    assert "evil" not in answer.headers


def test_a_shaped_value_from_an_event_is_data(start):
    answer = start(returns("{'statusCode': 418}")).call(headers={"X-Troupe-Call": "event"})
    assert (answer.status, answer.json) == (200, {"statusCode": 418})
