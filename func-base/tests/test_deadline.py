"""Deadlines, stuck threads, clients that go away."""

import random
import sys
import threading
import time

from conftest import eventually

from troupe_pod.call import Call
from troupe_pod.interrupt import CallTimeout, Interrupted, interrupt, run_interruptible

LOOP = """
import time
def main(params):
    if params == "after":
        return "alive"
    while True:
        time.sleep(0.001)
"""
SLOW = """
def main(params):
    mark("started")
    wait_for("go")
    return "done"
"""
UNSTOPPABLE = """
def main(params):
    if params == "quick":
        return "quick"
    while True:
        try:
            wait_for("go")
            return "late"
        except BaseException:
            pass
"""


def test_python_code_is_interrupted(start):
    pod = start(LOOP, TROUPE_CONCURRENCY="1")
    answer = pod.call(headers={"X-Troupe-Deadline-Ms": "60", "X-Invocation-Id": "t1"})
    assert (answer.status, answer.outcome) == (504, "timeout")
    assert answer.json["errorType"] == "Timeout" and "0.060 s" in answer.json["errorMessage"]
    assert answer.headers["connection"] == "close"
    assert pod.ended("t1")
    assert pod.call(body="after").json == "alive"
    assert any(line[0] == "e" and line[1] == "t1" and line[2].endswith("CallTimeout: ") for line in pod.lines())


def test_the_pods_timeout_is_the_upper_bound(start):
    pod = start(LOOP, TROUPE_TIMEOUT_SECONDS="0.05")
    answer = pod.call(headers={"X-Troupe-Deadline-Ms": "3600000"})
    assert answer.status == 504 and "0.050 s" in answer.json["errorMessage"]


def test_no_time_left(start):
    pod = start("def main(params):\n    mark('ran')\n# wait_for(\n")
    assert pod.call(headers={"X-Troupe-Deadline-Ms": "0"}).status == 504
    assert not (pod.home / "ran").exists()


def test_a_stuck_thread_keeps_its_slot(start):
    pod = start(UNSTOPPABLE, TROUPE_CONCURRENCY="1")
    answer = pod.call(headers={"X-Troupe-Deadline-Ms": "30", "X-Invocation-Id": "stuck"})
    assert answer.status == 504 and answer.headers["x-troupe-thread"] == "running"
    assert pod.call("/_troupe/calls/stuck?wait=1", method="GET").json == {"ended": False}
    behind = pod.call(body="quick", headers={"X-Troupe-Deadline-Ms": "30"})
    assert behind.status == 504 and "x-troupe-thread" not in behind.headers
    pod.mark("go")
    assert pod.ended("stuck")
    assert pod.call(body="quick").json == "quick"


def test_other_slots_go_on_beside_a_stuck_thread(start):
    pod = start(UNSTOPPABLE, TROUPE_CONCURRENCY="2")
    pod.call(headers={"X-Troupe-Deadline-Ms": "30"})
    assert pod.call(body="quick").json == "quick"


def test_a_thread_that_ends_at_once_is_not_called_running(start):
    pod = start("def main(params):\n    while True:\n        pass\n")
    answers = [pod.call(headers={"X-Troupe-Deadline-Ms": "20", "X-Invocation-Id": str(number)}) for number in range(5)]
    assert {answer.status for answer in answers} == {504}
    assert all(pod.ended(str(number)) for number in range(5))


def test_a_swallowed_interrupt_still_times_out(start):
    pod = start(
        """
        import time
        def main(params):
            try:
                while True:
                    time.sleep(0.001)
            except BaseException:
                return "swallowed"
        """
    )
    assert pod.call(headers={"X-Troupe-Deadline-Ms": "20"}).status == 504


def test_except_exception_does_not_swallow_it(start):
    pod = start(
        """
        import time
        def main(params):
            while True:
                try:
                    time.sleep(0.001)
                except Exception:
                    pass
        """
    )
    assert pod.call(headers={"X-Troupe-Deadline-Ms": "20", "X-Invocation-Id": "e"}).status == 504
    assert pod.ended("e")


def test_unknown_calls_have_ended(start):
    assert start(LOOP).call("/_troupe/calls/never?wait=0", method="GET").json == {"ended": True}


def test_a_client_that_goes_away_cancels_its_call(start):
    pod = start(
        """
        def main(params):
            if params == "after":
                return "alive"
            try:
                mark("started")
                wait_for("never")
            finally:
                mark("cancelled")
        """,
        TROUPE_CONCURRENCY="1",
    )
    connection = pod.connection()
    connection.request("POST", "/", b"1")
    pod.marked("started")
    connection.close()
    pod.marked("cancelled")
    assert pod.call(body="after").json == "alive"


def test_a_client_that_only_ended_its_sending_is_answered(start):
    pod = start(SLOW)
    found = []
    thread = threading.Thread(target=lambda: found.append(pod.raw(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", half_close=True)))
    thread.start()
    pod.marked("started")
    time.sleep(0.3)
    pod.mark("go")
    thread.join()
    assert found[0].endswith(b'"done"')


def test_a_waiting_call_whose_client_goes_away_is_not_run(start):
    pod = start(
        """
        ran = []
        def main(params):
            ran.append(params)
            if params == "first":
                mark("started")
                wait_for("go")
            return ran
        """,
        TROUPE_CONCURRENCY="1",
    )
    first, second = pod.connection(), pod.connection()
    first.request("POST", "/", b'"first"')
    pod.marked("started")
    second.request("POST", "/", b'"second"', {"X-Invocation-Id": "second"})
    waiting = lambda: not pod.call("/_troupe/calls/second", method="GET").json["ended"]  # noqa: E731
    eventually(waiting, "the second call waits")
    second.close()
    eventually(lambda: not waiting(), "the second call is gone")
    pod.mark("go")
    assert first.getresponse().read() == b'["first"]'
    assert pod.call(body="third").json == ["first", "third"]


def test_no_interrupt_leaves_user_code():
    """Interrupts at every moment of short calls: none may come out of run_interruptible or strike after it."""
    current, stop = [], threading.Event()

    def watcher():
        dice = random.Random(1)
        while not stop.is_set():
            for call in current[-1:]:
                interrupt(call, CallTimeout)
            for _ in range(dice.randrange(60)):
                pass

    def work():
        for _ in range(30):
            pass
        return "value"

    thread = threading.Thread(target=watcher)
    thread.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    interrupted = clean = 0
    try:
        while interrupted < 300 or clean < 300:
            call = Call("x", None, False, 0.0, 1.0)
            current[:] = [call]
            value, failure = run_interruptible(call, work, ())
            if call.interrupted:
                interrupted += 1
                assert failure is None or isinstance(failure, Interrupted)
            else:
                clean += 1
                assert (value, failure) == ("value", None)
            assert not call.gate
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        thread.join()


def test_many_timeouts_do_not_hurt_the_server(start):
    """Deadlines that fall all over the end of the call."""
    pod = start("import time\ndef main(params):\n    time.sleep(params / 1000)\n    return params\n")
    seen = set()

    def client(seed):
        dice = random.Random(seed)
        for _ in range(40):
            answer = pod.call(body=dice.randrange(1, 12), headers={"X-Troupe-Deadline-Ms": str(dice.randrange(1, 12))})
            seen.add(answer.status)

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen <= {200, 504}
    assert pod.call(body=0).json == 0
    assert pod.process.poll() is None
