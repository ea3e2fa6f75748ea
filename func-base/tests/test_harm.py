"""What functions and clients do to a pod without meaning to: it goes on, and others' calls with it."""

import socket
import threading

import pytest
from conftest import eventually

DEADLINE = {"X-Troupe-Deadline-Ms": "500"}


def resident(pod):
    """MiB."""
    lines = open(f"/proc/{pod.process.pid}/status").read().splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmRSS"))


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_what_a_failed_call_had_goes_with_it(start, kind):
    pod = start(f"""
        {kind} main(params):
            data = bytearray(30_000_000)
            data[::4096] = bytes(len(data[::4096])).replace(b"\\0", b"x")
            if params["fail"]:
                raise ValueError("no")
            return len(data)
        """)
    connection = pod.connection()
    for _ in range(3):
        assert pod.call(body={"fail": False}, connection=connection).status == 200
    before = resident(pod)
    for _ in range(10):
        assert pod.call(body={"fail": True}, connection=connection).status == 500
    assert resident(pod) - before < 100


def test_connections_that_wait_hold_no_answers(start):
    pod = start("def main(params):\n    return 'x' * params")
    connections = [pod.connection() for _ in range(8)]
    for connection in connections:
        assert pod.call(body=1, connection=connection).status == 200
    before = resident(pod)
    for connection in connections:
        assert len(pod.call(body=20_000_000, connection=connection).body) == 20_000_002
    eventually(lambda: resident(pod) - before < 100, "the memory is given back")


@pytest.mark.parametrize("harm", ["await asyncio.gather(leave())", "asyncio.get_running_loop().stop()", "asyncio.get_running_loop().call_soon(sys.exit)"])
def test_calls_survive_what_ends_the_event_loop(start, harm):
    pod = start(f"""
        import asyncio, sys

        async def leave():
            sys.exit(1)

        async def main(params):
            if params == "harm":
                {harm}
            elif params == "wait":
                mark("waits")
                await asyncio.to_thread(wait_for, "go")
            return params

        # wait_for(
        """)
    found = []
    waits = threading.Thread(target=lambda: found.append(pod.call(body="wait").json))
    waits.start()
    pod.marked("waits")
    assert pod.call(body="harm").status in (200, 500)
    assert pod.call(body="after").json == "after"
    pod.mark("go")
    waits.join()
    assert found == ["wait"]


def test_a_call_that_the_stuck_event_loop_never_began_is_told_so(start):
    pod = start("""
        import time

        async def main(params):
            if params == "stuck":
                mark("stuck")
                wait_for("go")
            return params
        """)
    stuck = threading.Thread(target=lambda: pod.call(body="stuck"))
    stuck.start()
    pod.marked("stuck")
    answer = pod.call(body="next", headers=DEADLINE)
    assert (answer.status, answer.headers["x-troupe-thread"]) == (504, "running")
    pod.mark("go")
    stuck.join()
    assert pod.call(body="after").json == "after"


@pytest.mark.parametrize(
    "value",
    [
        "{'statusCode': 200, 'cookies': 5}",
        "{'statusCode': 200, 'cookies': True}",
        "{'statusCode': '\\u00b2'}",
        "{'statusCode': 200, 'headers': {'X': Hostile()}}",
        "{'statusCode': 200, 'body': HostileDict(a=1)}",
        "HostileDict(a=1)",
    ],
)
def test_what_cannot_be_written_is_an_answer_all_the_same(start, value):
    pod = start({
        "app.py": f"""
class Hostile:
    def __str__(self):
        raise SystemExit("x")

class HostileDict(dict):
    def items(self):
        raise KeyError("boom")

def handler(event, context):
    return {value}
"""
    })
    connection = pod.connection()
    answer = pod.call(connection=connection)
    assert (answer.status, answer.outcome, answer.json["errorType"]) == (500, "unserializable", "Unserializable")
    assert pod.call(connection=connection).status == 500


@pytest.mark.parametrize("method", ["raise Slow", "return {'statusCode': 200, 'headers': {'X': Slow()}}"])
def test_slow_methods_of_what_a_call_leaves_behind_are_within_its_time(start, method):
    pod = start({
        "app.py": f"""
import time

class Slow(Exception):
    def __str__(self):
        while True:
            time.sleep(0.01)

def handler(event, context):
    if event["body"] == "slow":
        {method}
    return "fine"
"""
    }, TROUPE_CONCURRENCY="1")
    answer = pod.call(body=b"slow", headers=DEADLINE)
    assert (answer.status, answer.outcome) == (504, "timeout")
    assert pod.call(body=b"quick").status == 200


def test_as_many_lines_as_may_be_sent_can_be_read(start):
    pod = start({"app.py": "def handler(event, context):\n    return {'statusCode': 200, 'headers': {f'X-{n}': '1' for n in range(int(event['body']))}}\n"})
    answer = pod.call(body=b"89", headers={"Connection": "close"})
    assert answer.status == 200 and len(answer.all_headers) > 90
    assert pod.call(body=b"90").outcome == "unserializable"


LOGS = """
import logging

logging.basicConfig(level=logging.INFO)

def main(params):
    while params == "heavy":
        logging.info("working")
    logging.info("hello")
    return "ok"
"""


def test_interrupted_calls_keep_no_lock(start):
    pod = start(LOGS)
    for _ in range(5):
        heavy = [threading.Thread(target=lambda: pod.call(body="heavy", headers={"X-Troupe-Deadline-Ms": "300"})) for _ in range(6)]
        for thread in heavy:
            thread.start()
        for thread in heavy:
            thread.join()
        assert pod.call(body="quick").json == "ok"


def test_one_that_waits_for_locks_again_and_again_is_told_in_time_and_struck(start):
    pod = start("""
        import threading

        def main(params):
            if params == "wait":
                try:
                    while True:
                        threading.Event().wait(0.01)
                finally:
                    mark("struck")
            return params

        # wait_for(
        """)
    assert pod.call(body="wait", headers=DEADLINE).status == 504
    pod.marked("struck")
    assert pod.call(body="after").json == "after"


def test_a_client_that_leaves_takes_nobody_with_it(start):
    pod = start("""
        from signal import SIG_DFL, SIGPIPE, signal

        signal(SIGPIPE, SIG_DFL)

        def main(params):
            mark(params)
            wait_for(params + "-go")
            return params
        """)
    found = []
    stays = threading.Thread(target=lambda: found.append(pod.call(body="stays").json))
    stays.start()
    pod.marked("stays")
    with pod.open() as sock:
        sock.sendall(b'POST / HTTP/1.1\r\nHost: x\r\nX-Invocation-Id: leaves\r\nContent-Length: 8\r\n\r\n"leaves"')
        pod.marked("leaves")
        # Within the time for which its client is not watched the answer is written to nobody.
        pod.mark("leaves-go")
        sock.shutdown(socket.SHUT_RDWR)
    assert pod.ended("leaves")
    pod.mark("stays-go")
    stays.join()
    assert found == ["stays"] and pod.process.poll() is None


def test_no_header_line_takes_long_to_refuse(start):
    """With a reading that is quadratic in the line's length, this one takes an hour of the interpreter's lock."""
    pod = start("def main(params):\n    return params")
    head = b"POST / HTTP/1.1\r\n" + b"".join(b"X:" + b" " * 60_000 + b"\0\r\n" for _ in range(1)) + b"\r\n"
    for _ in range(200):
        assert b" 400 " in pod.raw(head)


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_context_variables_of_a_call_are_its_own(start, kind):
    pod = start(f"""
        from contextvars import ContextVar

        user = ContextVar("user", default="nobody")

        {kind} main(params):
            if params:
                user.set(params)
            return user.get()
        """)
    connection = pod.connection()
    assert pod.call(body="alice", connection=connection).json == "alice"
    assert pod.call(body="", connection=connection).json == "nobody"
