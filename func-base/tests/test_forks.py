"""User code that starts processes."""

import os
import signal

from conftest import eventually

def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_child_that_comes_back_ends(start):
    pod = start("import os\ndef main(params):\n    pid = os.fork()\n    return pid\n")
    connection = pod.connection()
    for _ in range(3):
        pid = pod.call(connection=connection).json
        assert pid > 0
        eventually(lambda: gone(pid), "the child has ended")


def test_a_child_that_raises_ends(start):
    pod = start(
        """
        import os
        def main(params):
            pid = os.fork()
            if pid == 0:
                if params == "exit":
                    raise SystemExit(7)
                raise ValueError("in the child")
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        """
    )
    assert pod.call(body="raise").json == 1
    assert pod.call(body="exit").json == 7
    assert any("in the child" in line[2] for line in pod.lines())


def test_a_child_during_import_ends(start):
    pod = start("import os\npid = os.fork()\ndef main(params):\n    return pid\n")
    pid = pod.call().json
    assert pid > 0
    eventually(lambda: gone(pid), "the child has ended")


def test_a_child_of_a_coroutine_ends(start):
    pod = start("import os\nasync def main(params):\n    return os.fork()\n")
    pid = pod.call().json
    assert pid > 0
    eventually(lambda: gone(pid), "the child has ended")
    assert pod.call().json > 0


def test_a_child_that_stays_holds_no_connection(start):
    pod = start(
        """
        import os, time
        def main(params):
            pid = os.fork()
            if pid == 0:
                time.sleep(3600)
            return pid
        """
    )
    with pod.open() as other:
        answer = pod.call(headers={"Connection": "close"})
        child = answer.json
        try:
            pod.terminate()
            assert pod.wait() == 0
            assert other.recv(1) == b"", "the child holds another client's connection"
            try:
                pod.open()
                raise AssertionError("the child holds the listener")
            except ConnectionRefusedError:
                pass
            os.kill(child, signal.SIGTERM)
            eventually(lambda: gone(child), "the child obeys SIGTERM")
        finally:
            if not gone(child):
                os.kill(child, signal.SIGKILL)


def test_a_child_can_print(start):
    """While other threads hold the log's lock most of the time."""
    pod = start(
        """
        import os, threading
        def noise():
            while True:
                print("n" * 1000)
        threading.Thread(target=noise, daemon=True).start()
        def main(params):
            pid = os.fork()
            if pid == 0:
                print("from the child")
                os._exit(0)
            return os.waitpid(pid, 0)[1]
        """
    )
    for _ in range(20):
        assert pod.call().json == 0
    pod.process.kill()


def test_multiprocessing(start):
    pod = start(
        """
        import multiprocessing
        def double(n):
            return 2 * n
        def main(params):
            with multiprocessing.get_context(params).Pool(2) as pool:
                return pool.map(double, range(4))
        """
    )
    assert pod.call(body="fork").json == [0, 2, 4, 6]
    assert pod.call(body="spawn").json == [0, 2, 4, 6]


def test_subprocess(start):
    pod = start("import subprocess\ndef main(params):\n    return subprocess.run(['cat'], input='in', text=True, capture_output=True).stdout\n")
    assert pod.call().json == "in"


def test_descriptors_do_not_leak(start):
    pod = start("import os\ndef main(params):\n    pid = os.fork()\n    if pid:\n        os.waitpid(pid, 0)\n    return len(os.listdir('/proc/self/fd'))\n")
    counts = {pod.call().json for _ in range(20)}
    assert max(counts) - min(counts) <= 2
