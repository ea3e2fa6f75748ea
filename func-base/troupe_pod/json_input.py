"""Request bodies as JSON: strict, whatever the Content-Type says."""

from __future__ import annotations

import json

from troupe_pod.http_request import BadRequest


def _refuse(constant: str):
    raise ValueError(f"{constant} is not JSON")


_decode = json.JSONDecoder(parse_constant=_refuse).decode


def parse_text(text: str):
    """Raises ValueError only."""
    try:
        return _decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_body(body: bytes):
    """An empty body is {}; raises BadRequest for what is not JSON."""
    if not body:
        return {}
    try:
        return parse_text(body.decode())
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None


def is_json(text: str) -> bool:
    if text.lstrip(" \t\r\n")[:1] not in STARTS:
        return False
    try:
        parse_text(text)
        return True
    except ValueError:
        return False


STARTS = frozenset('{["-0123456789tfn')
