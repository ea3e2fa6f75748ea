"""The head of an HTTP/1.1 request, read by hand: strict in what decides where a request ends, fast in the rest."""

from __future__ import annotations

import re
import time

MAX_HEAD = 64 * 1024
LEADING = re.compile(rb"([!#-'*+\-.^-z|~0-9A-Z]{1,32}) ([!-~\x80-\xff]+) HTTP/1\.([01])(?:\r\n|\Z)")
FIELD = re.compile(rb"^([!#-'*+\-.^-z|~0-9A-Z]+):([^\r\n\0]*)\r?$", re.MULTILINE)
HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect")
)


class BadRequest(Exception):
    """The request cannot be read, or not be used by this function."""

    def __init__(self, message: str, code: int = 400, reason: str = "BadRequest"):
        super().__init__(message)
        self.code = code
        self.reason = reason


class Request:
    """`fields` maps lower-case names to values, a repeated field's joined; all bytes."""

    __slots__ = ("method", "target", "fields", "keep", "length", "chunked", "body", "event")

    def __init__(self, head: bytes):
        """`head` ends before the empty line."""
        leading = LEADING.match(head)
        if leading is None:
            raise BadRequest("the request line cannot be read")
        self.method, self.target, minor = leading.groups()
        found = FIELD.findall(head, leading.end())
        lines = head.count(b"\r\n")
        if len(found) != lines or head.count(b"\n") != lines:
            raise BadRequest("a header line cannot be read")
        fields: dict = {}
        for name, value in found:
            name = name.lower()
            if name in fields:
                fields[name] += (b"; " if name == b"cookie" else b", ") + value.strip()
            else:
                fields[name] = value.strip()
        self.fields = fields
        self.keep = minor == b"1" and b"close" not in fields.get(b"connection", b"").lower()
        self.event = fields.get(b"x-troupe-call") == b"event"
        self.body = b""
        self._framing(fields)
        if self.target[:1] != b"/" and self.target != b"*":
            self.target = self._origin_form(self.target)

    def _framing(self, fields) -> None:
        """A request whose end two readers could see at different places is refused."""
        coding = fields.get(b"transfer-encoding")
        length = fields.get(b"content-length")
        self.chunked = coding is not None
        self.length = 0
        if coding is not None:
            if length is not None:
                raise BadRequest("Content-Length together with Transfer-Encoding")
            if coding.lower() != b"chunked":
                raise BadRequest("Transfer-Encoding: wanted chunked", 501, "NotImplemented")
        elif length is not None:
            if not length.isdigit() or len(length) > 18:
                raise BadRequest("Content-Length: wanted a whole number")
            self.length = int(length)

    @staticmethod
    def _origin_form(target: bytes) -> bytes:
        scheme, found, rest = target.partition(b"://")
        if not found or not scheme.isalpha():
            raise BadRequest("the request target cannot be read")
        _, slash, path = rest.partition(b"/")
        return slash + path or b"/"

    def is_late(self) -> bool:
        """Whether its sender wanted it begun before now, by the clock that clock_gettime(2) calls CLOCK_MONOTONIC, or not at all."""
        begin_by = self.fields.get(b"x-troupe-begin-by")
        return begin_by is not None and begin_by.isdigit() and time.monotonic_ns() > int(begin_by)

    def text(self, name: bytes) -> str | None:
        value = self.fields.get(name)
        return None if value is None else value.decode("latin-1")

    def path_and_query(self):
        """The path below the function's name where the gateway told it, and the query; as the client wrote them."""
        path, _, query = self.target.decode("latin-1").partition("?")
        return self.text(b"x-troupe-path") or path, query

    def visible_fields(self):
        """What user code may see: no X-Troupe-* and nothing that speaks of one connection only."""
        return [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in self.fields.items()
            if name not in HOP_BY_HOP and not name.startswith(b"x-troupe-")
        ]
