"""One client connection: request after request on a thread of its own, calls included, so that nothing is handed over."""

from __future__ import annotations

import socket
import struct

from troupe_pod import control, logs
from troupe_pod.http_answer import closing, control_answer, status
from troupe_pod.http_body import Truncated, read_body
from troupe_pod.http_request import MAX_HEAD, BadRequest, Request
from troupe_pod.invocation import invoke

BETWEEN_BYTES = 30
"""Seconds that a request once begun may stand still; over TCP also an answer that is not taken."""
LONG = 1024 * 1024
"""Bytes. A longer answer is the last on a lane: its reader may take his time, and nobody is to wait behind him."""
LINGER = struct.pack("ll", 1, 0)
LINGER_BYTES = 16 * 1024 * 1024
LATE = control_answer(503, status(503, "Late", "the call's turn came after the time at which it was to begin"), outcome=b"late")
LATE_HEAD = LATE[: LATE.index(b"\r\n\r\n") + 4]
_TIMEVAL = struct.pack("ll", BETWEEN_BYTES, 0)


class Connection:
    """`busy` from a request's first byte to its answer: what a drain waits for.

    `is_lane` once its client asked for the clock: it sends calls before those ahead of them are answered.
    """

    def __init__(self, pod, sock):
        self.pod = pod
        self.sock = sock
        self.busy = False
        self.is_lane = False

    def serve(self) -> None:
        sock = self.sock
        try:
            # Kernel timeouts: Python's own would cost a poll() for every read.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL)
            if sock.family != socket.AF_UNIX:
                # Behind a Unix socket is a gateway, which knows how long its client may take.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._requests(sock)
        except (OSError, Truncated):
            pass
        except Exception as error:
            logs.stderr.write(f"connection: {type(error).__name__}: {error}\n")
        finally:
            self._close()
            self.busy = False
            self.pod.connections.discard(self)

    def _requests(self, sock) -> None:
        pod = self.pod
        receive = sock.recv
        rest = b""
        while True:
            end = rest.find(b"\r\n\r\n")
            try:
                while end < 0:
                    if len(rest) > MAX_HEAD:
                        raise BadRequest(f"the head is larger than {MAX_HEAD} bytes", 431, "HeaderTooLarge")
                    try:
                        data = receive(65536)
                    except BlockingIOError:
                        if not rest:
                            continue
                        raise BadRequest("the request did not arrive in time", 408, "RequestTimeout") from None
                    if not data:
                        return
                    self.busy = True
                    rest = (rest + data if rest else data).lstrip(b"\r\n")
                    end = rest.find(b"\r\n\r\n")
                if end > MAX_HEAD:
                    raise BadRequest(f"the head is larger than {MAX_HEAD} bytes", 431, "HeaderTooLarge")
                request = Request(rest[:end])
                rest = read_body(sock, request, rest[end + 4 :], pod.settings.max_body)
            except BadRequest as error:
                self._refuse(error)
                return
            if request.target.startswith(b"/_troupe/"):
                answer = control.handle(pod, self, request)
            elif request.is_late():
                answer = LATE_HEAD if request.method == b"HEAD" else LATE
            else:
                answer = invoke(pod, self, request)
            if answer is None:
                return
            if self.is_lane and request.keep and len(answer) > LONG:
                request.keep = False
                answer = closing(answer)
            sock.sendall(answer, socket.MSG_NOSIGNAL)
            if not request.keep:
                return
            # Not held while the next request is awaited, which may be long.
            answer = request = None
            self.busy = bool(rest)

    def _refuse(self, error: BadRequest) -> None:
        """Answers, then reads on for a while: closing with unread bytes would take the answer from the client."""
        document = status(error.code, error.reason, str(error))
        self.sock.sendall(control_answer(error.code, document, keep=False, outcome=b"badrequest"), socket.MSG_NOSIGNAL)
        self.sock.shutdown(socket.SHUT_WR)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, LINGER)
        left = LINGER_BYTES
        while left > 0:
            data = self.sock.recv(262144)
            if not data:
                return
            left -= len(data)

    def _close(self) -> None:
        """Ends the connection also for children that user code forked and that still hold it."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
