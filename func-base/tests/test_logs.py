"""What user code prints."""

import re
import subprocess
import sys
import threading

import pytest
from conftest import PACKAGE

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [oe] \S+ .*\Z")


def call(pod, id, body=None):
    return pod.call(body=body, headers={"X-Invocation-Id": id})


def test_lines_are_tagged(start):
    pod = start("import sys\nprint('importing')\ndef main(params):\n    print('out', params)\n    print('err', file=sys.stderr)\n    print('two\\nlines', end='')\n")
    call(pod, "a", 1)
    call(pod, "b", 2)
    expected = [("o", "-", "importing")]
    for id, number in (("a", 1), ("b", 2)):
        expected += [("o", id, f"out {number}"), ("e", id, "err"), ("o", id, "two"), ("o", id, "lines")]
    assert pod.lines() == expected
    assert all(LINE.match(line) for line in pod.log().split("\n")[:-1])


def test_a_line_in_pieces_is_one_line(start):
    pod = start("def main(params):\n    for c in 'abc':\n        print(c, end='')\n    print()\n    print('', end='')\n")
    call(pod, "a")
    assert pod.lines() == [("o", "a", "abc")]


def test_an_empty_line(start):
    pod = start("def main(params):\n    print()\n")
    call(pod, "a")
    assert pod.lines() == [("o", "a", "")]


@pytest.mark.parametrize("unit", ["x", "漢", "😀"])
def test_one_megabyte_in_one_line(start, unit):
    pod = start(f"def main(params):\n    print({unit!r} * (1024 * 1024))\n    return 'ok'\n")
    assert call(pod, "a").json == "ok"
    lines = pod.lines()
    assert len(lines) > 1 and all(len(line[2].encode()) <= 16 * 1024 for line in lines)
    assert "".join(line[2] for line in lines) == unit * (1024 * 1024)


def test_one_megabyte_without_an_end(start):
    pod = start("import sys\ndef main(params):\n    for _ in range(1024):\n        sys.stdout.write('y' * 1024)\n")
    call(pod, "a")
    assert "".join(line[2] for line in pod.lines()) == "y" * (1024 * 1024)


def test_many_lines_from_many_calls_stay_whole(start):
    pod = start("def main(params):\n    for n in range(500):\n        print(str(params) * 50, n)\n")
    threads = [threading.Thread(target=call, args=(pod, f"id{number}", number)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(8):
        assert [line[2] for line in pod.lines() if line[1] == f"id{number}"] == [f"{str(number) * 50} {n}" for n in range(500)]


def test_the_binary_stream_and_odd_text(start):
    pod = start("import sys\ndef main(params):\n    sys.stdout.buffer.write(b'raw \\xff\\n')\n    sys.stdout.writelines(['w\\n'])\n    print('\\ud800')\n    sys.stdout.flush()\n    sys.stdout.reconfigure(encoding='ascii')\n")
    assert call(pod, "a").status == 200
    assert [line[2] for line in pod.lines()] == ["raw \\xff", "w", "\\ud800"]


def test_subprocesses_and_os_write_go_through_untagged(start):
    pod = start("import os, subprocess\ndef main(params):\n    os.write(1, b'direct\\n')\n    subprocess.run(['echo', 'child'])\n")
    call(pod, "a")
    assert pod.log() == "direct\nchild\n"


def test_logging(start):
    pod = start("import logging\nlogging.basicConfig(level='INFO', format='%(message)s')\ndef main(params):\n    logging.info('hello')\n")
    call(pod, "a")
    assert pod.lines() == [("e", "a", "hello")]


def test_closing_stdout_does_not_end_the_log(start):
    pod = start("import os, sys\ndef main(params):\n    sys.stdout.close()\n    os.close(1)\n    print('still')\n")
    call(pod, "a")
    assert pod.lines() == [("o", "a", "still")]


def test_a_reader_that_has_gone_away(tmp_path):
    """The node agent is killed: its end of the pipe is closed."""
    (tmp_path / "func.py").write_text("def main(params):\n    print('x' * 100000)\n    return 'fine'\n")
    import http.client

    process = subprocess.Popen(
        [sys.executable, "-I", str(PACKAGE), "--listen", "127.0.0.1:0", "--function", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        process.stdout.close()
        address = process.stderr.readline().decode().split("http://")[1].strip()
        for _ in range(3):
            connection = http.client.HTTPConnection(address, timeout=60)
            connection.request("POST", "/")
            assert connection.getresponse().read() == b'"fine"'
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
