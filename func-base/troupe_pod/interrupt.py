"""Exceptions thrown into a thread from outside, and the protocol that keeps them inside user code.

A call's `gate` holds one token exactly while user code runs: what to interrupt. Whoever takes the
token decides the call: the call's own thread (it ended in time) or the watcher (it interrupts, once).
The watcher may put the exception off while the thread is where it must not be struck: then whoever
takes the token out of `held` decides whether it is thrown at all. A thread that finds both gone waits
until the exception was set, then takes it back in case it has not been raised yet: after `leave` none
can reach the thread.
"""

from __future__ import annotations

import sys
import time
from itertools import compress, starmap
from operator import attrgetter, itemgetter, not_
from threading import get_ident

_DELICATE = {
    "_frozen_importlib": ("_ModuleLock.acquire", "_ModuleLock.release", "_ModuleLockManager.__enter__", "_ModuleLockManager.__exit__"),
    "logging": ("_acquireLock", "_releaseLock", "Handler.acquire", "Handler.release", "Handler.handle"),
    "threading": (
        "Condition.__enter__", "Condition.__exit__", "Condition._acquire_restore", "Condition._release_save",
        "Semaphore.acquire", "Semaphore.release", "_RLock.acquire", "_RLock.release",
    ),
}  # fmt: skip
"""Here a thread may have taken a lock and not come to the `try` yet that gives it back: struck there, it would keep it for good."""


class Interrupted(BaseException):
    """Not an Exception, so that `except Exception` in user code lets it through."""


class CallTimeout(Interrupted):
    """The call's deadline has passed."""


class CallCancelled(Interrupted):
    """The call's client has gone away."""


def _set_async_exception(thread: int, kind, delicate=frozenset()) -> bool:
    """Whether it was set: not while the thread is in a function that has one of these codes."""
    try:
        import ctypes
    except ImportError:
        return True  # A Python built without libffi: its threads cannot be interrupted, only waited for.
    throw = ctypes.pythonapi.PyThreadState_SetAsyncExc
    arguments = (ctypes.c_ulong(thread), None if kind is None else ctypes.py_object(kind))
    # One call of what is written in C, from the look to the throw: between two steps of Python the thread could go on.
    codes = map(attrgetter("f_code"), map(itemgetter(thread), starmap(sys._current_frames, [()])))
    return bool(list(starmap(throw, compress([arguments], map(not_, map(delicate.__contains__, codes))))))


def _delicate_codes() -> frozenset:
    found = set()
    for module, names in _DELICATE.items():
        for name in names:
            function = sys.modules.get(module)
            for part in name.split("."):
                function = getattr(function, part, None)
            found.add(getattr(function, "__code__", None))
    return frozenset(found)


def interrupt(call, kind) -> bool:
    """The watcher's side. False when no user code is running just now. `throw` is to follow while `held` holds it."""
    try:
        token = call.gate.pop()
    except IndexError:
        return False
    call.interrupted = kind
    call.held.append(token)
    throw(call)
    return True


def throw(call) -> None:
    """Throws what `interrupt` decided, unless the thread is where it would keep a lock: then it is to be tried again."""
    try:
        token = call.held.pop()
    except IndexError:
        return
    struck = True
    try:
        if isinstance(token, int):
            struck = _set_async_exception(token, call.interrupted, _delicate_codes())
        else:
            token()
    finally:
        if struck:
            call.thrown = True
        else:
            call.held.append(token)


def _leave(call) -> None:
    try:
        call.gate.pop()
        return
    except IndexError:
        pass
    while not call.thrown:
        try:
            call.held.pop()
            return
        except IndexError:
            time.sleep(0.001)
    _set_async_exception(get_ident(), None)


def run_interruptible(call, function, arguments):
    """Returns (value, exception). `call.interrupted` tells whether the watcher was faster.

    One exception at most is thrown; wherever in here it strikes, one of the two handlers is left. The exception's
    traceback holds this frame: it must not hold the exception, or both live, with all that the function had, until
    the garbage collector looks.
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
    try:
        return value, failure
    finally:
        value = failure = None
