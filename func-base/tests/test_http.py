"""HTTP/1.1 at the level of bytes."""

import pytest

from troupe_pod.http_request import BadRequest, Request

LENGTH = "def main(params):\n    return len(params)\n"
ECHO = "def main(params):\n    return params\n"


def bodies(data):
    """Splits kept-alive answers with Content-Length."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        length = int(next(line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")))
        found.append((int(head.split(b" ")[1]), rest[:length]))
        data = rest[length:]
    return found


def test_connections_are_kept(start):
    pod = start(ECHO)
    connection = pod.connection()
    connection.connect()
    sock = connection.sock
    for number in range(50):
        assert pod.call(body=number, connection=connection).json == number
        assert connection.sock is sock


def test_close_is_honoured(start):
    pod = start(ECHO)
    answer = pod.raw(b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 1\r\n\r\n7")
    assert b"\r\nConnection: close\r\n" in answer and answer.endswith(b"\r\n\r\n7")


def test_http_1_0_is_closed(start):
    assert bodies(start(ECHO).raw(b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\n7")) == [(200, b"7")]


def test_pipelined_requests_are_answered_in_turn(start):
    request = b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n%d"
    data = b"".join(request % number for number in range(9)) + b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 1\r\n\r\n9"
    assert bodies(start(ECHO).raw(data)) == [(200, b"%d" % number) for number in range(10)]


def test_a_request_in_single_bytes(start):
    pod = start(ECHO)
    with pod.open() as sock:
        for byte in b"POST / HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\n[1]":
            sock.send(bytes([byte]))
        found = b""
        while True:
            part = sock.recv(65536)
            if not part:
                break
            found += part
    assert bodies(found) == [(200, b"[1]")]


CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "chunks, body",
    [
        (b"5\r\n[1, 2\r\n4\r\n, 3]\r\n0\r\n\r\n", b"[1,2,3]"),
        (b"3;name=value\r\n[1]\r\n000\r\nTrailer: t\r\nOther: u\r\n\r\n", b"[1]"),
        (b"A\r\n[1,2,3,45]\r\n0\r\n\r\n", b"[1,2,3,45]"),
        (b"0\r\n\r\n", b"{}"),
    ],
)
def test_chunked_bodies(start, chunks, body):
    assert bodies(start(ECHO).raw(CHUNKED + chunks)) == [(200, body)]


def test_a_request_after_a_chunked_one(start):
    data = CHUNKED.replace(b"Connection: close\r\n", b"") + b"1\r\n7\r\n0\r\n\r\n" + b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 1\r\n\r\n8"
    assert bodies(start(ECHO).raw(data)) == [(200, b"7"), (200, b"8")]


def test_a_large_chunked_body(start):
    chunk = b'"' + b"x" * 99998 + b'"'
    data = b"[" + b",".join([chunk] * 30) + b"]"
    framed = b"".join(b"%x\r\n%b\r\n" % (len(data[at : at + 7777]), data[at : at + 7777]) for at in range(0, len(data), 7777))
    assert bodies(start(LENGTH).raw(CHUNKED + framed + b"0\r\n\r\n")) == [(200, b"30")]


@pytest.mark.parametrize(
    "chunks, status",
    [
        (b"-1\r\n", 400),
        (b"0x5\r\n", 400),
        (b"+5\r\n", 400),
        (b"5_0\r\n", 400),
        (b"\r\n", 400),
        (b"2\r\n[1]\r\n0\r\n\r\n", 400),
        (b"1" * 5000, 400),
        (b"FFFFFFFFFFFFFFFF\r\n", 413),
        (b"00000000000000000000005\r\n", 400),
        (b"0\r\n" + b"T: t\r\n" * 5000, 400),
    ],
)
def test_bad_chunks(start, chunks, status):
    pod = start(ECHO)
    assert [found[0] for found in bodies(pod.raw(CHUNKED + chunks))] == [status]
    assert pod.call(body=1).json == 1


def test_chunks_over_the_limit(start):
    pod = start(LENGTH, TROUPE_MAX_BODY_BYTES="1000")
    data = CHUNKED + b"1f4\r\n" + b"x" * 500 + b"\r\n1f5\r\n" + b"x" * 501 + b"\r\n0\r\n\r\n"
    assert bodies(pod.raw(data))[0][0] == 413


def test_expect_100_continue(start):
    pod = start(ECHO)
    with pod.open() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n")
        assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"[5]")
        found = b""
        while True:
            part = sock.recv(65536)
            if not part:
                break
            found += part
    assert bodies(found) == [(200, b"[5]")]


def test_expect_100_continue_over_the_limit(start):
    pod = start(ECHO, TROUPE_MAX_BODY_BYTES="10")
    answer = pod.raw(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n", half_close=True)
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "data, status",
    [
        (b"GET\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\n\r\n", 400),
        (b"G@T / HTTP/1.1\r\n\r\n", 400),
        (b"GET nowhere HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n: empty\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbad name: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nName : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\nB: c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\rB: c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: \r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 70000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 70000, 431),
        (b"POST / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n", 413),
    ],
)
def test_bad_requests_are_answered_and_closed(start, data, status):
    pod = start(ECHO)
    answer = pod.raw(data, half_close=True)
    assert answer.startswith(b"HTTP/1.1 %d " % status) and b"\r\nConnection: close\r\n" in answer
    assert b"\r\nX-Troupe-Outcome: badrequest\r\n" in answer and b'"kind":"Status"' in answer
    assert answer.count(b"HTTP/1.1") == 1
    assert pod.call(body=1).json == 1


def test_a_body_cut_short_is_no_call(start):
    pod = start("calls = []\ndef main(params):\n    calls.append(1)\n    return len(calls)\n")
    assert pod.raw(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n[1]", half_close=True) == b""
    assert pod.call().json == 1


def test_unknown_control_paths(start):
    answer = start(ECHO).call("/_troupe/nothing", method="GET")
    assert (answer.status, answer.json["reason"]) == (404, "NotFound")


def test_over_tcp(start):
    import http.client

    pod = start(ECHO)
    pod.process.kill()
    import subprocess
    import sys

    from conftest import PACKAGE

    process = subprocess.Popen(
        [sys.executable, "-I", str(PACKAGE), "--listen", "127.0.0.1:0", "--function", str(pod.function)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        address = process.stderr.readline().decode().split("http://")[1].strip()
        connection = http.client.HTTPConnection(address, timeout=60)
        connection.request("POST", "/", b"[1]")
        response = connection.getresponse()
        assert response.read() == b"[1]" and len(response.getheader("X-Invocation-Id")) == 32
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_what_a_request_holds():
    request = Request(b"GET http://host:1/p?q HTTP/1.1\r\nA:  x \r\na: y\r\nCookie: 1\r\nCookie: 2\r\nX-Troupe-Path: /z\r\nEmpty:")
    assert request.target == b"/p?q" and request.fields[b"a"] == b"x, y" and request.fields[b"cookie"] == b"1; 2"
    assert request.fields[b"empty"] == b"" and request.path_and_query() == ("/z", "q") and request.keep
    assert not Request(b"GET / HTTP/1.1\r\nConnection: Close").keep
    with pytest.raises(BadRequest):
        Request(b"GET / HTTP/1.1\r\n")
