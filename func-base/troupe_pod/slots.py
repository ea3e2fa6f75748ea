"""At most N calls at once; more wait in the order they came."""

from __future__ import annotations

import threading
from collections import deque

MAX_WAITING = 1000


class Busy(Exception):
    """The queue is full."""


class Slots:
    """Fair: a freed slot goes to whoever waited longest, never to a newcomer."""

    def __init__(self, count: int):
        self.count = count
        self.free = count
        self.waiting: deque = deque()
        self.lock = threading.Lock()

    def acquire(self, call, seconds: float) -> bool:
        """False when the time ran out or the call was abandoned first. The wait is seen as call.waiter."""
        with self.lock:
            if self.free:
                self.free -= 1
                return True
            if len(self.waiting) >= MAX_WAITING:
                raise Busy
            waiter = threading.Lock()
            waiter.acquire()
            self.waiting.append(waiter)
            call.waiter = waiter
        waiter.acquire(timeout=max(0.0, min(seconds, threading.TIMEOUT_MAX)))
        with self.lock:
            call.waiter = None
            if waiter in self.waiting:
                self.waiting.remove(waiter)
                return False
        return not call.abandoned

    def abandon(self, call) -> None:
        """Ends the wait of a call whose client went away."""
        with self.lock:
            waiter = call.waiter
            if waiter in self.waiting:
                self.waiting.remove(waiter)
                call.abandoned = True
                waiter.release()

    def release(self) -> None:
        with self.lock:
            if self.waiting:
                self.waiting.popleft().release()
            else:
                self.free += 1
