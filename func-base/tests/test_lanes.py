"""Calls that wait for their turn on a connection, and say by when they must have begun."""

import time

ECHO = "def main(params):\n    return params\n"
GATED = """
def main(params):
    if params == "first":
        mark("began")
        wait_for("go")
    else:
        mark(params)
    return params
"""


def request(body, *headers):
    lines = "".join(f"{header}\r\n" for header in headers)
    return f'POST / HTTP/1.1\r\n{lines}Content-Length: {len(body) + 2}\r\n\r\n"{body}"'.encode()


def begin_by(seconds):
    return f"X-Troupe-Begin-By: {time.monotonic_ns() + int(seconds * 1e9)}"


LAST = "Connection: close"


def test_the_clock_is_that_of_the_machine(start):
    pod = start(ECHO)
    before = time.monotonic_ns()
    answer = pod.call("/_troupe/clock", method="GET")
    assert answer.status == 200
    assert before <= answer.json["monotonicNs"] <= time.monotonic_ns()


def test_a_call_whose_turn_comes_too_late_is_not_begun(start):
    pod = start(GATED)
    with pod.open() as sock:
        sock.sendall(request("first") + request("second", begin_by(-1)) + request("third", begin_by(3600)) + request("fourth", LAST))
        pod.marked("began")
        pod.mark("go")
        answers = b""
        while part := sock.recv(65536):
            answers += part
    assert answers.count(b"HTTP/1.1 200 OK") == 3 and answers.count(b"X-Troupe-Outcome: late") == 1
    assert answers.index(b'"first"') < answers.index(b"X-Troupe-Outcome: late") < answers.index(b'"third"') < answers.index(b'"fourth"')
    assert not (pod.home / "second").exists()
    assert (pod.home / "third").exists() and (pod.home / "fourth").exists()


def test_a_late_head_request_is_answered_without_a_body(start):
    pod = start(ECHO)
    late = f"HEAD / HTTP/1.1\r\n{begin_by(-1)}\r\n\r\n".encode()
    answers = pod.raw(late + request("next", LAST))
    head, _, rest = answers.partition(b"\r\n\r\n")
    assert b"X-Troupe-Outcome: late" in head and rest.startswith(b"HTTP/1.1 200 OK")


def test_a_late_call_says_so_as_the_platform_does(start):
    pod = start(ECHO)
    answer = pod.call(body=1, headers={"X-Troupe-Begin-By": "1"})
    assert (answer.status, answer.outcome, answer.json["reason"]) == (503, "late", "Late")


def test_a_time_that_is_none_is_not_looked_at(start):
    pod = start(ECHO)
    for time_given in ("soon", "-1", "", "1.5"):
        assert pod.call(body=1, headers={"X-Troupe-Begin-By": time_given}).json == 1


def test_user_code_does_not_see_the_time(start):
    pod = start({"app.py": "def handler(env):\n    return sorted(env.headers)\n"})
    seen = pod.call(headers={"X-Troupe-Begin-By": str(time.monotonic_ns() + 10**12), "X-Mine": "1"}).json
    assert "x-mine" in seen and not any("troupe" in name for name in seen)


def test_a_long_answer_is_the_last_on_a_lane(start):
    pod = start("def main(params):\n    return 'x' * params\n")
    asked = b"GET /_troupe/clock HTTP/1.1\r\n\r\n"
    call = b"POST / HTTP/1.1\r\nContent-Length: 7\r\n\r\n%7d"
    answers = pod.raw(asked + call % 2_000_000 + call % 1)
    assert answers.count(b"HTTP/1.1 ") == 2 and answers.count(b"Connection: close\r\n") == 1
    assert answers.endswith(b'x"') and len(answers) > 2_000_000


def test_elsewhere_others_may_follow_a_long_answer(start):
    pod = start("def main(params):\n    return 'x' * params\n")
    call = b"POST / HTTP/1.1\r\n%bContent-Length: 7\r\n\r\n%7d"
    answers = pod.raw(call % (b"", 2_000_000) + call % (b"Connection: close\r\n", 1))
    assert answers.count(b"HTTP/1.1 200 OK") == 2
