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
from troupe_pod.interrupt import CallCancelled, CallTimeout, interrupt, throw

TICK = 0.05
"""Seconds; also the age from which a call's client is watched, and the time an interrupted thread has to end before the caller is told that it is still running."""
LEAST_TICK = 0.001
BRISK = 1.0
"""Seconds for which a thread that must not be struck just now is looked at again at once."""
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
        now = time.monotonic()
        nearest = now + TICK
        for call in calls:
            if call.interrupted is None:
                nearest = min(nearest, call.deadline)
            elif call.held and now - call.interrupted_at < BRISK:
                return LEAST_TICK
        return max(LEAST_TICK, nearest - now)

    def _look(self, now: float) -> None:
        watched = {}
        poller = None
        for call in list(self.calls):
            if call.interrupted is not None:
                throw(call)
                if call.interrupted is CallTimeout and not call.ended and now - call.interrupted_at >= TICK:
                    self._answer(call)
            elif now >= call.deadline:
                call.interrupted_at = now
                interrupt(call, CallTimeout)
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
                self._cancel(watched[descriptor], now)

    def _cancel(self, call, now: float) -> None:
        if call.waiter is not None:
            self.pod.function.slots.abandon(call)
            return
        call.interrupted_at = now
        if interrupt(call, CallCancelled):
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
            sock.send(timeout_answer(call, RUNNING, (time.monotonic() - call.began) * 1e3), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        call.connection.busy = False
        call.answered = True
