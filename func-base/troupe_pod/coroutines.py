"""Coroutines of all calls run on one event loop in a thread of its own."""

from __future__ import annotations

import threading
from contextvars import copy_context

from troupe_pod import forks

_lock = threading.Lock()
_loop = None


def loop():
    """Started at the first use: most functions are not async, and asyncio is slow to import."""
    global _loop
    with _lock:
        if _loop is None or _loop.is_closed():
            import asyncio

            _loop = asyncio.new_event_loop()
            threading.Thread(target=_run, args=(_loop,), name="event-loop", daemon=True).start()
        return _loop


def _run(loop) -> None:
    import asyncio

    asyncio.set_event_loop(loop)
    while not loop.is_closed():
        try:
            loop.run_forever()
        except BaseException as error:
            # SystemExit of a task that a call made; the call hears of it where it awaits the task.
            if forks.in_child:
                forks.exit_child(error)


async def _contained(coroutine):
    """SystemExit and the like would end the loop's thread and with it everybody's calls."""
    value = failure = None
    try:
        value = await coroutine
    except BaseException as error:
        failure = error
    if forks.in_child:
        forks.exit_child(failure)
    try:
        return value, failure
    finally:
        # The failure's traceback holds this frame.
        value = failure = None


def run_coroutine(call, coroutine):
    """Returns (value, exception) like run_interruptible; the interrupt is the task's cancellation."""
    target = loop()
    context = copy_context()
    done = threading.Lock()
    done.acquire()
    tasks = []

    def start():
        task = context.run(target.create_task, _contained(coroutine))
        tasks.append(task)
        task.add_done_callback(lambda _: done.release())

    target.call_soon_threadsafe(start)
    # After `start` in the loop's queue; a loop that is stuck does neither, and the caller hears that the call runs on.
    call.gate.append(lambda: target.call_soon_threadsafe(lambda: tasks[0].cancel()))
    done.acquire()
    try:
        call.gate.pop()
    except IndexError:
        pass
    task = tasks[0]
    if task.cancelled():
        return None, None
    return task.result()
