"""Request bodies: by length or in chunks, with `Expect: 100-continue`, never more than the limit."""

from __future__ import annotations

import socket

from troupe_pod.http_answer import CONTINUE
from troupe_pod.http_request import BadRequest

MAX_CHUNK_LINE = 4096
MAX_TRAILERS = 16 * 1024
HEX = b"0123456789abcdefABCDEF"


class Truncated(Exception):
    """The client went away or stood still in the middle of a body."""


def too_large(limit: int) -> BadRequest:
    return BadRequest(f"the body is larger than {limit} bytes", 413, "RequestEntityTooLarge")


def read_body(sock, request, rest: bytes, limit: int) -> bytes:
    """Fills request.body; `rest` is what was read after the head. Returns what was read after the body."""
    if request.length > limit:
        raise too_large(limit)
    if len(rest) < request.length or request.chunked:
        expect = request.fields.get(b"expect")
        if expect is not None and expect.lower() == b"100-continue":
            sock.sendall(CONTINUE, socket.MSG_NOSIGNAL)
    if request.chunked:
        return _read_chunks(sock, request, rest, limit)
    missing = request.length - len(rest)
    if missing <= 0:
        request.body = rest[: request.length]
        return rest[request.length :]
    body = bytearray(rest)
    while missing > 0:
        data = _receive(sock, min(missing, 262144))
        body += data
        missing -= len(data)
    request.body = bytes(body)
    return b""


def _receive(sock, size: int) -> bytes:
    try:
        data = sock.recv(size)
    except BlockingIOError:
        raise Truncated from None
    if not data:
        raise Truncated
    return data


def _read_chunks(sock, request, rest: bytes, limit: int) -> bytes:
    buffer = bytearray(rest)

    def line(most: int, what: str) -> bytes:
        start = 0
        while True:
            end = buffer.find(b"\r\n", start)
            if end > most or end < 0 and len(buffer) > most:
                raise BadRequest(f"{what} is longer than {most} bytes")
            if end >= 0:
                found = bytes(buffer[:end])
                del buffer[: end + 2]
                return found
            start = max(0, len(buffer) - 1)
            buffer.extend(_receive(sock, 65536))

    body = bytearray()
    while True:
        digits = line(MAX_CHUNK_LINE, "a chunk's size line").partition(b";")[0].rstrip(b" \t")
        if not digits or digits.strip(HEX) or len(digits) > 16:
            raise BadRequest("a chunk's size cannot be read")
        size = int(digits, 16)
        if len(body) + size > limit:
            raise too_large(limit)
        if size == 0:
            break
        while len(buffer) < size + 2:
            buffer.extend(_receive(sock, 262144))
        if buffer[size : size + 2] != b"\r\n":
            raise BadRequest("a chunk is longer than its size line says")
        body += buffer[:size]
        del buffer[: size + 2]
    left = MAX_TRAILERS
    while True:
        trailer = line(left, "the trailer")
        if not trailer:
            break
        left -= len(trailer)
    request.body = bytes(body)
    return bytes(buffer)
