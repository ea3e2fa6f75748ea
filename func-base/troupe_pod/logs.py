"""What user code prints, line by line, each tagged with its invocation:

    <RFC 3339 time> <o|e> <invocation id or -> <text>

Lines of both streams go to the real stdout. A line over 16 KiB is split.
"""

from __future__ import annotations

import io
import os
import select
import sys
import threading
import time

from troupe_pod.call import current

MAX_LINE = 16 * 1024
_lock = threading.Lock()
_fd = 1
_untagged: dict = {}


def _stamp() -> bytes:
    now = time.time()
    return b"%b.%06dZ" % (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)).encode(), now % 1 * 1e6)


def _write_all(data: bytes) -> None:
    """A reader that has gone away must not become the function's error."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(_fd, view) :]
        except BlockingIOError:
            poller = select.poll()
            poller.register(_fd, select.POLLOUT)
            poller.poll()
        except OSError:
            return


def _pieces(line: bytes):
    while len(line) > MAX_LINE:
        cut = MAX_LINE
        while line[cut] & 0xC0 == 0x80 and cut > MAX_LINE - 4:
            cut -= 1
        yield line[:cut]
        line = line[cut:]
    yield line


def _emit(tag: bytes, id: str, lines) -> None:
    prefix = b"%b %b %b " % (_stamp(), tag, id.encode())
    _write_all(b"".join([prefix + piece + b"\n" for line in lines for piece in _pieces(line)]))


def flush_call(call) -> None:
    """Writes what the call printed without a final newline."""
    with _lock:
        while call.partial:
            (tag, _), rest = call.partial.popitem()
            _emit(tag, call.id, [rest])


class TaggedStream(io.TextIOBase):
    """Stands in for sys.stdout and sys.stderr."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, tag: bytes, fd: int):
        self._tag = tag
        self._fd = fd
        self.buffer = _Bytes(self)

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        data = text.encode("utf-8", "backslashreplace")
        call = current.get()
        partial = _untagged if call is None else call.partial
        key = (self._tag, threading.get_ident())
        with _lock:
            lines = (partial.pop(key, b"") + data).split(b"\n")
            rest = lines.pop()
            if len(rest) > MAX_LINE:
                *full, rest = _pieces(rest)
                lines += full
            if rest:
                partial[key] = rest
            if lines:
                _emit(self._tag, "-" if call is None else call.id, lines)
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return False

    def reconfigure(self, **_) -> None:
        """The encoding is the log's, not the function's to choose."""

    def close(self) -> None:
        """Closing sys.stdout ends nobody else's log."""


class _Bytes(io.RawIOBase):
    """sys.stdout.buffer"""

    def __init__(self, stream: TaggedStream):
        self._stream = stream

    def write(self, data) -> int:
        data = bytes(data)
        self._stream.write(data.decode("utf-8", "backslashreplace"))
        return len(data)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()

    def close(self) -> None:
        """As for the stream."""


stdout = TaggedStream(b"o", 1)
stderr = TaggedStream(b"e", 2)


def install() -> None:
    """From here on prints are tagged; a function that closes descriptor 1 does not end its log."""
    global _fd
    _fd = os.dup(1)
    sys.stdout, sys.stderr = stdout, stderr


def after_fork() -> None:
    """Another thread may have held the lock at the moment of the fork."""
    global _lock
    _lock = threading.Lock()
