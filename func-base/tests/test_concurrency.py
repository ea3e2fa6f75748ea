"""Slots and the queue before them."""

import resource
import selectors
import threading

from conftest import PATIENCE, eventually

from troupe_pod.call import Call
from troupe_pod.slots import MAX_WAITING, Busy, Slots


def test_at_most_n_at_once(start):
    pod = start(
        """
        import threading, time
        lock, now, most = threading.Lock(), 0, 0
        def main(params):
            global now, most
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.005)
            with lock:
                now -= 1
            return most
        """,
        TROUPE_CONCURRENCY="3",
    )
    threads = [threading.Thread(target=lambda: [pod.call() for _ in range(10)]) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pod.call().json <= 3


def test_eight_calls_meet(start):
    """Each waits for all the others, so they must run together."""
    pod = start("import threading\nbarrier = threading.Barrier(8)\ndef main(params):\n    barrier.wait(60)\n    return 'met'\n")
    connections = [pod.connection() for _ in range(8)]
    for connection in connections:
        connection.request("POST", "/", b"1")
    assert [connection.getresponse().read() for connection in connections] == [b'"met"'] * 8


def test_slots_are_fair():
    slots, order = Slots(1), []
    assert slots.acquire(Call("first", None, False, 0, 60), 60)

    def wait(number):
        assert slots.acquire(Call(str(number), None, False, 0, 60), 60)
        order.append(number)
        slots.release()

    threads = []
    for number in range(20):
        threads.append(threading.Thread(target=wait, args=(number,)))
        threads[-1].start()
        eventually(lambda: len(slots.waiting) == number + 1)
    slots.release()
    for thread in threads:
        thread.join()
    assert order == list(range(20))
    assert slots.free == 1


def test_a_wait_that_times_out_leaves_nothing():
    slots = Slots(1)
    slots.acquire(Call("a", None, False, 0, 60), 60)
    assert not slots.acquire(Call("b", None, False, 0, 60), 0.001)
    slots.release()
    assert slots.free == 1 and not slots.waiting


def test_an_abandoned_wait():
    slots, call, found = Slots(1), Call("b", None, False, 0, 60), []
    slots.acquire(Call("a", None, False, 0, 60), 60)
    thread = threading.Thread(target=lambda: found.append(slots.acquire(call, 60)))
    thread.start()
    eventually(lambda: slots.waiting)
    slots.abandon(call)
    thread.join()
    assert found == [False] and call.abandoned
    slots.release()
    assert slots.free == 1


def test_the_queue_is_bounded():
    slots = Slots(1)
    slots.acquire(Call("a", None, False, 0, 60), 60)
    slots.waiting.extend(range(MAX_WAITING))
    try:
        slots.acquire(Call("b", None, False, 0, 60), 60)
        raise AssertionError("taken")
    except Busy:
        pass


def test_a_full_queue_answers_busy(start):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    pod = start("def main(params):\n    wait_for('go')\n", TROUPE_CONCURRENCY="1", TROUPE_TIMEOUT_SECONDS="600")
    connections = [pod.connection() for _ in range(MAX_WAITING + 20)]
    for connection in connections:
        connection.request("POST", "/", b"1")
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.sock, selectors.EVENT_READ, connection)
        busy = selector.select(PATIENCE)[0][0].data
    response = busy.getresponse()
    assert response.status == 503 and response.getheader("X-Troupe-Outcome") == "busy" and response.getheader("Retry-After")
    assert b"Busy" in response.read()
    pod.mark("go")
    statuses = [connection.getresponse().status for connection in connections if connection is not busy]
    # Those that the server had not yet accepted when the slot came free may have been served as well.
    assert set(statuses) <= {200, 503} and statuses.count(200) >= MAX_WAITING + 1
