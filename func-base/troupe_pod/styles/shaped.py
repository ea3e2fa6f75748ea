"""Returned values of the env and lambda styles: {"statusCode", "headers", "body", "isBase64Encoded"}, texts, bytes."""

from __future__ import annotations

import base64
import re

from troupe_pod.http_answer import BYTES_TYPE, JSON_TYPE, TEXT_TYPE, Unserializable, json_bytes
from troupe_pod.http_request import HOP_BY_HOP
from troupe_pod.json_input import is_json

NAME = re.compile(r"[!#-'*+\-.^-z|~0-9A-Z]+\Z")
UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What no value of a field may hold (RFC 9110, 5.5)."""
MOST_LINES = 90
"""HTTP clients, Python's and ours, read at most 100 lines; some are the server's own."""
LONGEST_LINES = 64 * 1024


def is_shaped(value) -> bool:
    return isinstance(value, dict) and "statusCode" in value


def text_answer(text: str):
    try:
        return 200, JSON_TYPE if is_json(text) else TEXT_TYPE, text.encode()
    except UnicodeEncodeError as error:
        raise Unserializable(f"the returned text cannot be written as UTF-8: {error.reason}") from None


def bytes_answer(data: bytes):
    """Bytes are sent as they are; as JSON where they are that."""
    try:
        kind = JSON_TYPE if is_json(bytes(data).decode()) else BYTES_TYPE
    except UnicodeDecodeError:
        kind = BYTES_TYPE
    return 200, kind, bytes(data)


def shaped_answer(value: dict):
    code = value["statusCode"]
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code)
    if not isinstance(code, int) or not 200 <= code <= 599:
        raise Unserializable(f"statusCode: found {code!r}, wanted 200 to 599")
    kind, body = _body(value.get("body"), value.get("isBase64Encoded"))
    lines = []
    typed = False
    for name, text in _pairs(value):
        lower = name.lower()
        if lower in DROPPED or lower.startswith("x-troupe-"):
            continue
        if not NAME.match(name) or UNSAFE.search(text):
            raise Unserializable(f"headers: {name!r} cannot be sent")
        typed = typed or lower == "content-type"
        lines.append(f"{name}: {text}\r\n".encode("utf-8", "replace"))
    if not typed:
        lines.append(kind)
    head = b"".join(lines)
    if len(lines) > MOST_LINES or len(head) > LONGEST_LINES:
        raise Unserializable(f"headers: {len(lines)} lines of {len(head)} bytes, at most {MOST_LINES} of {LONGEST_LINES} can be sent")
    return code, head, body


def _pairs(value: dict):
    for field in ("headers", "multiValueHeaders"):
        headers = value.get(field) or {}
        if not isinstance(headers, dict):
            raise Unserializable(f"{field}: found {type(headers).__name__}, wanted an object")
        for name, found in headers.items():
            for one in found if isinstance(found, (list, tuple)) else (found,):
                yield str(name), _header_text(one)
    cookies = value.get("cookies") or ()
    if not isinstance(cookies, (list, tuple)):
        raise Unserializable(f"cookies: found {type(cookies).__name__}, wanted a list")
    for cookie in cookies:
        yield "Set-Cookie", str(cookie)


def _header_text(value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _body(body, encoded: bool):
    if body is None:
        return TEXT_TYPE, b""
    if isinstance(body, str) and encoded:
        try:
            return BYTES_TYPE, base64.b64decode(body, validate=True)
        except ValueError as error:
            raise Unserializable(f"body: not base64: {error}") from None
    if isinstance(body, str):
        return text_answer(body)[1:]
    if isinstance(body, (bytes, bytearray)):
        return bytes_answer(body)[1:]
    return JSON_TYPE, json_bytes(body)


DROPPED = frozenset(name.decode() for name in HOP_BY_HOP) | {"content-length"}
