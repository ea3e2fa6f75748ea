"""Answers as bytes, built in one piece so that one write sends them."""

from __future__ import annotations

import json

REASONS = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 301: "Moved Permanently", 302: "Found", 303: "See Other",
    304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized",
    403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout", 409: "Conflict", 410: "Gone",
    413: "Content Too Large", 418: "I'm a teapot", 422: "Unprocessable Content", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip
STATUS_LINES = {code: f"HTTP/1.1 {code} {REASONS.get(code, 'Status')}\r\n".encode() for code in range(200, 600)}
JSON_TYPE = b"Content-Type: application/json\r\n"
TEXT_TYPE = b"Content-Type: text/plain; charset=utf-8\r\n"
BYTES_TYPE = b"Content-Type: application/octet-stream\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_to_ascii_json = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


class Unserializable(Exception):
    """The function returned something that its style cannot carry."""


def json_bytes(value, encode=to_json) -> bytes:
    """Raises Unserializable for NaN, cycles, objects."""
    try:
        try:
            return encode(value).encode()
        except UnicodeEncodeError:
            return _to_ascii_json(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Unserializable(f"the returned value cannot be written as JSON: {error}") from None


def status(code: int, reason: str, message: str) -> dict:
    """The platform's own errors, in the shape of Kubernetes."""
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code}


def answer(code: int, headers: bytes, body: bytes, outcome: bytes, run_ms: float, keep: bool = True, head_only: bool = False) -> bytes:
    """`headers` are whole lines. `head_only` answers a HEAD request."""
    if code == 204 or code == 304:
        length = b""
        body = b""
    else:
        length = b"Content-Length: %d\r\n" % len(body)
    return b"%b%bX-Troupe-Outcome: %b\r\nX-Troupe-Run-Ms: %.3f\r\n%b%b\r\n%b" % (
        STATUS_LINES[code],
        headers,
        outcome,
        run_ms,
        length,
        b"" if keep else b"Connection: close\r\n",
        b"" if head_only else body,
    )


def closing(answer: bytes) -> bytes:
    """The same answer on a connection that is closed after it."""
    return answer.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


def control_answer(code: int, document, keep: bool = True, outcome: bytes = b"") -> bytes:
    """Answers of the server itself; `outcome` where the request was to be a call."""
    body = json_bytes(document)
    return b"%b%bContent-Length: %d\r\n%b%b\r\n%b" % (
        STATUS_LINES[code],
        JSON_TYPE,
        len(body),
        b"X-Troupe-Outcome: %b\r\nX-Troupe-Run-Ms: 0\r\n" % outcome if outcome else b"",
        b"" if keep else b"Connection: close\r\n",
        body,
    )
