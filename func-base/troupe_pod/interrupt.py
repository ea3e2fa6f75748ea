"""Exceptions thrown into a thread from outside, and the protocol that keeps them inside user code.

A call's `gate` holds one token exactly while user code runs: what to interrupt. Whoever takes the
token decides the call: the call's own thread (it ended in time) or the watcher (it interrupts, once).
A thread that finds the token gone waits until the exception was set, then takes it back in case it
has not been raised yet: after `leave` none can reach the thread.
"""

from __future__ import annotations

import time
from threading import get_ident


class Interrupted(BaseException):
    """Not an Exception, so that `except Exception` in user code lets it through."""


class CallTimeout(Interrupted):
    """The call's deadline has passed."""


class CallCancelled(Interrupted):
    """The call's client has gone away."""


def _set_async_exception(thread: int, kind) -> None:
    try:
        import ctypes
    except ImportError:
        return  # A Python built without libffi: its threads cannot be interrupted, only waited for.
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), None if kind is None else ctypes.py_object(kind))


def interrupt(call, kind) -> bool:
    """The watcher's side. False when no user code is running just now."""
    try:
        token = call.gate.pop()
    except IndexError:
        return False
    call.interrupted = kind
    try:
        if isinstance(token, int):
            _set_async_exception(token, kind)
        else:
            token()
    finally:
        call.thrown = True
    return True


def _leave(call) -> None:
    try:
        call.gate.pop()
    except IndexError:
        while not call.thrown:
            time.sleep(0.001)
        _set_async_exception(get_ident(), None)


def run_interruptible(call, function, arguments):
    """Returns (value, exception). `call.interrupted` tells whether the watcher was faster.

    One exception at most is thrown; wherever in here it strikes, one of the two handlers is left.
    """
    value = failure = None
    try:
        call.gate.append(get_ident())
        try:
            value = function(*arguments)
        except BaseException as error:
            failure = error
        _leave(call)
    except Interrupted:
        _leave(call)
    return value, failure
