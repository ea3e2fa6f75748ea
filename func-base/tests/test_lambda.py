"""AWS Lambda's `handler(event, context)`."""

import base64

import pytest

SHOW = {"app.py": "def handler(event, context):\n    return {'event': event}\n"}
EVENT = {"X-Troupe-Call": "event"}


def test_the_function_url_event(start):
    event = start(SHOW).call(
        "/function/f/p/q?a=1&a=2&b=3",
        b'{"k": 1}',
        headers={"Cookie": "c=1; d=2", "User-Agent": "ua", "Host": "h.example", "X-Forwarded-For": "10.0.0.9, 10.0.0.1", "X-Troupe-Path": "/p/q", "X-Invocation-Id": "abc"},
    ).json["event"]
    assert event["version"] == "2.0" and event["routeKey"] == "$default"
    assert (event["rawPath"], event["rawQueryString"]) == ("/p/q", "a=1&a=2&b=3")
    assert event["queryStringParameters"] == {"a": "1,2", "b": "3"}
    assert event["cookies"] == ["c=1", "d=2"] and "cookie" not in event["headers"]
    assert (event["body"], event["isBase64Encoded"]) == ('{"k": 1}', False)
    http = event["requestContext"]["http"]
    assert (http["method"], http["path"], http["sourceIp"], http["userAgent"]) == ("POST", "/p/q", "10.0.0.9", "ua")
    assert event["requestContext"]["requestId"] == "abc"
    assert not [name for name in event["headers"] if name.startswith("x-troupe")]


def test_a_binary_body(start):
    event = start(SHOW).call(body=b"\xff\x00").json["event"]
    assert event["isBase64Encoded"] is True and base64.b64decode(event["body"]) == b"\xff\x00"


def test_no_body_no_query(start):
    event = start(SHOW).call("/", method="GET").json["event"]
    assert "body" not in event and "queryStringParameters" not in event and "cookies" not in event


def test_plain_input_from_a_run(start):
    pod = start(SHOW)
    assert pod.call(body=[1, "x"], headers=EVENT).json == {"event": [1, "x"]}
    assert pod.call(body=b"", headers=EVENT).json == {"event": {}}
    answer = pod.call(body=b"nope", headers=EVENT)
    assert (answer.status, answer.outcome) == (400, "badrequest")


def test_the_context(start):
    pod = start(
        {
            "app.py": """
            def handler(event, context):
                left = context.get_remaining_time_in_millis()
                return {"name": context.function_name, "version": context.function_version, "arn": context.invoked_function_arn,
                        "memory": context.memory_limit_in_mb, "id": context.aws_request_id, "group": context.log_group_name,
                        "stream": context.log_stream_name, "left": type(left) is int and 0 < left <= 20000}
            """
        },
        TROUPE_FUNCTION_NAME="f1",
        TROUPE_FUNCTION_NAMESPACE="ns",
        TROUPE_FUNCTION_VERSION="7",
        TROUPE_TIMEOUT_SECONDS="20",
    )
    found = pod.call(headers={"X-Invocation-Id": "id-9"}).json
    assert found["arn"].endswith(":f1") and found["group"].endswith("/ns/f1")
    assert (found["name"], found["version"], found["memory"], found["id"], found["left"]) == ("f1", "7", "128", "id-9", True)


def test_concurrency_is_one(start):
    assert start(SHOW).ready().json["concurrency"] == 1


def test_responses(start):
    def body(expression, headers=None):
        return start({"app.py": f"def handler(event, context):\n    return {expression}\n"}).call(headers=headers or {})

    shaped = "{'statusCode': 201, 'headers': {'X-A': 'b'}, 'body': 'made'}"
    answer = body(shaped)
    assert (answer.status, answer.headers["x-a"], answer.body) == (201, "b", b"made")
    assert body(shaped, EVENT).json["statusCode"] == 201
    assert body("'Hello'").body == b'"Hello"'
    assert body("None").body == b"null"
    assert body("b'{\"a\":  1}'", EVENT).body == b'{"a":  1}'


def test_an_exception_looks_as_on_aws(start):
    pod = start({"handler.py": "def handler(event, context):\n    raise Exception('because')\n"})
    answer = pod.call(headers={"X-Invocation-Id": "i7"})
    assert answer.status == 500
    assert answer.json == {
        "errorMessage": "because",
        "errorType": "Exception",
        "requestId": "i7",
        "stackTrace": ['  File "/var/task/handler.py", line 2, in handler\n    raise Exception(\'because\')\n'],
    }


@pytest.mark.parametrize("text", ["a\\rb", "a\\nb", "a\\0b", "a\\x01b", "a\\x7fb"])
def test_a_header_that_no_reader_takes_is_not_sent(start, text):
    pod = start({"app.py": f"def handler(env):\n    return {{'statusCode': 200, 'headers': {{'X-Echo': '{text}'}}}}\n"})
    answer = pod.call()
    assert (answer.status, answer.outcome) == (500, "unserializable") and "X-Echo" in answer.json["errorMessage"]


@pytest.mark.parametrize("headers", ["{str(n): '1' for n in range(200)}", "{'X': 'x' * 70000}"])
def test_a_head_has_its_bounds(start, headers):
    pod = start({"app.py": f"def handler(env):\n    return {{'statusCode': 200, 'headers': {headers}}}\n"})
    answer = pod.call()
    assert (answer.status, answer.outcome) == (500, "unserializable") and "at most" in answer.json["errorMessage"]
