"""One thread that looks at the calls in flight: deadlines, and clients that have gone away.

A call costs it nothing: it looks 20 times a second while there are calls, and sleeps while there are
none.
"""

from __future__ import annotations

import select
import socket
import threading
import time

from troupe_pod import logs
from troupe_pod.http_answer import JSON_TYPE, answer, json_bytes
from troupe_pod.interrupt import CallCancelled, CallTimeout, interrupt

TICK = 0.05
"""Seconds; also the age from which a call's client is watched, and the time an interrupted thread has to end before the caller is told that it is still running."""
LEAST_TICK = 0.001
QUIET_TICKS = 20
RUNNING = b"X-Troupe-Thread: running\r\n"


def timeout_answer(call, headers: bytes, run_ms: float) -> bytes:
    document = {"errorType": "Timeout", "errorMessage": f"the call did not end within {call.limit:.3f} s"}
    return answer(504, JSON_TYPE + headers, json_bytes(document), b"timeout", run_ms, False, call.head_only)


class Watcher:
    def __init__(self, pod):
        self.pod = pod
        self.calls = pod.calls
        self.idle = False
        self.woken = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="watcher", daemon=True).start()

    def wake(self) -> None:
        self.woken.set()

    def _run(self) -> None:
        quiet = 0
        while True:
            try:
                calls = list(self.calls)
                quiet = 0 if calls else quiet + 1
                if quiet > QUIET_TICKS:
                    self._sleep()
                    quiet = 0
                else:
                    time.sleep(self._tick(calls))
                    self._look(time.monotonic())
            except Exception as error:
                logs.stderr.write(f"watcher: {type(error).__name__}: {error}\n")
                time.sleep(TICK)

    def _sleep(self) -> None:
        """A call adds itself to the set before it reads `idle`; here it is the other way round."""
        self.woken.clear()
        self.idle = True
        if not self.calls:
            self.woken.wait()
        self.idle = False

    @staticmethod
    def _tick(calls) -> float:
        nearest = min((call.deadline for call in calls if call.interrupted is None), default=None)
        if nearest is None:
            return TICK
        return min(TICK, max(LEAST_TICK, nearest - time.monotonic()))

    def _look(self, now: float) -> None:
        watched = {}
        poller = None
        for call in list(self.calls):
            if call.interrupted is not None:
                if call.interrupted is CallTimeout and not call.ended and now - call.interrupted_at >= TICK:
                    self._answer(call)
            elif now >= call.deadline:
                if interrupt(call, CallTimeout):
                    call.interrupted_at = now
            elif now - call.began >= TICK:
                sock = call.connection.sock
                descriptor = sock.fileno()
                if descriptor >= 0:
                    poller = poller or select.poll()
                    # A Unix socket tells a closed peer (HUP, always reported) from one that only ended its sending; TCP cannot.
                    poller.register(descriptor, 0 if sock.family == socket.AF_UNIX else select.POLLRDHUP)
                    watched[descriptor] = call
        if poller is not None:
            for descriptor, _ in poller.poll(0):
                self._cancel(watched[descriptor])

    def _cancel(self, call) -> None:
        if call.waiter is not None:
            self.pod.function.slots.abandon(call)
        elif interrupt(call, CallCancelled):
            call.connection.busy = False

    @staticmethod
    def _answer(call) -> None:
        """The caller does not wait for a thread that is stuck; its connection's thread closes later."""
        try:
            call.reply.pop()
        except IndexError:
            return
        sock = call.connection.sock
        try:
            sock.send(timeout_answer(call, RUNNING, (time.monotonic() - call.began) * 1e3), socket.MSG_DONTWAIT)
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        call.connection.busy = False
        call.answered = True
