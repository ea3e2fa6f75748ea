"""`func.py` with `main(params)`."""

import json

import pytest

ECHO = "def main(params):\n    return params\n"


def test_seed_function(start):
    pod = start("def main(params):\n    return {'x': params['x'] + params['y'], 'y': params['x'] - params['y']}\n")
    answer = pod.call("/function/func2", {"x": 1, "y": 2})
    assert (answer.status, answer.json) == (200, {"x": 3, "y": -1})
    assert answer.headers["content-type"] == "application/json"
    assert answer.outcome == "ok"
    assert float(answer.headers["x-troupe-run-ms"]) >= 0


@pytest.mark.parametrize("value", [{}, [], None, True, 0, -1.5, "text", [1, {"a": [None]}], {"ü": "漢字 😀"}, 2**80, "\ud800"])
def test_values_come_back_as_they_are(start, value):
    assert start(ECHO).call(body=json.dumps(value).encode()).json == value


def test_integers_keep_their_precision(start):
    assert start(ECHO).call(body=b'{"n": 123456789012345678901234567890}').body == b'{"n":123456789012345678901234567890}'


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_an_empty_body_is_an_empty_object(start, method):
    assert start(ECHO).call("/x?y=1", method=method).json == {}


def test_the_content_type_does_not_matter(start):
    assert start(ECHO).call(body=b'{"a":1}', headers={"Content-Type": "application/x-www-form-urlencoded"}).json == {"a": 1}


@pytest.mark.parametrize("body", [b"a=1", b"{", b"\xff\xfe", b"NaN", b'{"a":Infinity}', b"[" * 100000, b"{} {}"])
def test_a_body_that_is_not_json(start, body):
    pod = start(ECHO)
    with_connection = pod.connection()
    answer = pod.call(body=body, connection=with_connection)
    assert (answer.status, answer.outcome) == (400, "badrequest")
    assert answer.json["kind"] == "Status" and answer.json["reason"] == "BadRequest" and answer.json["code"] == 400
    assert pod.call(body={"still": "here"}, connection=with_connection).json == {"still": "here"}


@pytest.mark.parametrize(
    "expression",
    ["float('nan')", "[float('inf')]", "{1, 2}", "object()", "b'bytes'", "{(1, 2): 3}", "10 ** 5000 if False else 1j", "(lambda a: (a.append(a), a)[1])([])"],
)
def test_what_json_cannot_carry(start, expression):
    answer = start(f"def main(params):\n    return {expression}\n").call()
    assert (answer.status, answer.outcome) == (500, "unserializable")
    assert answer.json["errorType"] == "Unserializable" and answer.json["errorMessage"]


def test_head_has_the_length_but_no_body(start):
    pod = start(ECHO)
    connection = pod.connection()
    answer = pod.call(method="HEAD", connection=connection)
    assert answer.status == 200 and answer.body == b"" and answer.headers["content-length"] == "2"
    assert pod.call(body=[1], connection=connection).json == [1]


def test_an_event_is_the_same(start):
    assert start(ECHO).call(body={"a": 1}, headers={"X-Troupe-Call": "event"}).json == {"a": 1}
