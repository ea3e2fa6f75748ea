"""SIGTERM."""

import pytest
from conftest import eventually

SLOW = """
def main(params):
    mark("started")
    wait_for("go")
    return "done"
"""


def test_an_idle_pod_exits_0(start):
    pod = start("def main(params):\n    return 1\n")
    kept = pod.connection()
    pod.call(connection=kept)
    pod.terminate()
    assert pod.wait() == 0


def refuses(pod):
    try:
        pod.open().close()
        return False
    except OSError:
        return True


def test_calls_in_flight_are_answered(start):
    pod = start(SLOW)
    connection = pod.connection()
    connection.request("POST", "/", b"1")
    pod.marked("started")
    pod.terminate()
    eventually(lambda: refuses(pod), "new connections are refused")
    assert pod.process.poll() is None
    pod.mark("go")
    response = connection.getresponse()
    assert response.status == 200 and response.getheader("Connection") == "close" and response.read() == b'"done"'
    assert pod.wait() == 0


def test_waiting_calls_are_answered_too(start):
    pod = start(SLOW, TROUPE_CONCURRENCY="1")
    first, second = pod.connection(), pod.connection()
    first.request("POST", "/", b"1")
    pod.marked("started")
    second.request("POST", "/", b"2", {"X-Invocation-Id": "second"})
    eventually(lambda: not pod.call("/_troupe/calls/second", method="GET").json["ended"], "the second call has arrived")
    pod.terminate()
    eventually(lambda: refuses(pod), "new connections are refused")
    pod.mark("go")
    assert first.getresponse().read() == second.getresponse().read() == b'"done"'
    assert pod.wait() == 0


def test_a_request_on_a_kept_connection_is_answered(start):
    pod = start(SLOW)
    kept, busy = pod.connection(), pod.connection()
    pod.call("/_troupe/ready", method="GET", connection=kept)
    busy.request("POST", "/", b"1")
    pod.marked("started")
    pod.terminate()
    eventually(lambda: refuses(pod), "new connections are refused")
    answer = pod.call("/_troupe/ready", method="GET", connection=kept)
    assert answer.status == 200 and answer.headers["connection"] == "close"
    pod.mark("go")
    assert busy.getresponse().status == 200
    assert pod.wait() == 0


def test_a_drain_has_an_end(start):
    pod = start(SLOW, TROUPE_DRAIN_SECONDS="0.1")
    connection = pod.connection()
    connection.request("POST", "/", b"1")
    pod.marked("started")
    pod.terminate()
    assert pod.wait() == 0


def test_a_stuck_call_that_was_answered_does_not_hold_the_drain(start):
    pod = start("def main(params):\n    while True:\n        try:\n            wait_for('never')\n        except BaseException:\n            pass\n", TROUPE_DRAIN_SECONDS="3600")
    assert pod.call(headers={"X-Troupe-Deadline-Ms": "20"}).headers["x-troupe-thread"] == "running"
    pod.terminate()
    assert pod.wait() == 0


@pytest.mark.parametrize("when", ["importing", "generic"])
def test_before_there_is_a_function(start, when):
    if when == "generic":
        pod = start({}, wait=False, TROUPE_GENERIC="1")
    else:
        pod = start("mark('started')\nwait_for('never')\ndef main(params):\n    pass\n", wait=False)
        pod.marked("started")
    pod.terminate()
    assert pod.wait() == 0


def test_atexit_of_user_code_runs(start):
    pod = start("import atexit\natexit.register(lambda: mark('exit'))\ndef main(params):\n    pass\n# wait_for(\n")
    pod.terminate()
    assert pod.wait() == 0
    assert (pod.home / "exit").exists()


def test_while_the_main_thread_is_inside_c_code(start):
    """Python's own signal handlers wait for it."""
    pod = start(
        """
        import ctypes, functools
        sleep = functools.partial(ctypes.CDLL(None).sleep, 3600)
        mark("started")
        list(iter(sleep, -1))  # No bytecode runs between one sleep and the next.
        # wait_for(
        def main(params):
            pass
        """,
        wait=False,
    )
    pod.marked("started")
    pod.terminate()
    assert pod.wait() == 0
