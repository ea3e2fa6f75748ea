"""A call from its request to its answer."""

from __future__ import annotations

import itertools
import os
import time
from contextvars import copy_context
from types import CoroutineType

from troupe_pod import forks, logs
from troupe_pod.call import Call, current
from troupe_pod.coroutines import run_coroutine
from troupe_pod.errors import as_log, error_document, hidden, unserializable
from troupe_pod.http_answer import JSON_TYPE, answer, json_bytes, status
from troupe_pod.http_request import BadRequest
from troupe_pod.interrupt import CallTimeout, run_interruptible
from troupe_pod.slots import MAX_WAITING, Busy
from troupe_pod.watcher import timeout_answer

monotonic = time.monotonic
RETRY_AFTER = b"Retry-After: 1\r\n"
_IDS = os.urandom(12).hex() + "%08x"
"""For calls without an id, made by hand: os.urandom gives up the interpreter lock, which a call cannot afford."""
_numbers = itertools.count()


def invoke(pod, connection, request) -> bytes | None:
    """The answer, or None when there is nobody to answer (any more) and the connection is to be closed."""
    fields = request.fields
    limit = pod.settings.timeout
    told = fields.get(b"x-troupe-deadline-ms")
    if told is not None and told.isdigit():
        limit = min(limit, int(told) / 1e3)
    id = fields.get(b"x-invocation-id")
    call = Call(
        _IDS % next(_numbers) if id is None else id.decode("latin-1"),
        connection,
        request.method == b"HEAD",
        monotonic(),
        limit,
    )
    pod.calls.add(call)
    if pod.watcher.idle:
        pod.watcher.wake()
    try:
        return _answer(pod, call, request, JSON_TYPE if id else JSON_TYPE + b"X-Invocation-Id: %b\r\n" % call.id.encode())
    finally:
        pod.calls.discard(call)


def _answer(pod, call, request, headers: bytes) -> bytes | None:
    function = pod.function
    if function is None:
        pod.loaded.wait(call.limit)
        function = pod.function
        if function is None:
            return _not_loaded(pod, call, request, headers)
    try:
        arguments = function.style.arguments(request, call)
        if not function.slots.acquire(call, call.deadline - monotonic()):
            return None if call.abandoned else _timed_out(call, request, 0.0)
    except BadRequest as error:
        body = json_bytes(status(error.code, error.reason, str(error)))
        return answer(error.code, headers, body, b"badrequest", 0.0, request.keep, call.head_only)
    except Busy:
        body = json_bytes(status(503, "Busy", f"{MAX_WAITING} calls are waiting already"))
        return answer(503, headers + RETRY_AFTER, body, b"busy", 0.0, request.keep, call.head_only)
    try:
        began = monotonic()
        if began >= call.deadline:
            return _timed_out(call, request, 0.0)
        value, failure = _run(call, function.entry, arguments)
        run_ms = (monotonic() - began) * 1e3
    finally:
        function.slots.release()

    shaped = refused = None
    if failure is None and call.interrupted is None:
        # What was returned may have methods of its own.
        shaped, refused = run_interruptible(call, function.style.answer, (value, request))
    call.ended = True
    if pod.draining:
        request.keep = False
    if call.interrupted is not None:
        return _interrupted(call, request, run_ms)
    if failure is not None:
        failure = function.style.failed(failure, call)
        return answer(500, headers, json_bytes(failure), b"error", run_ms, request.keep, call.head_only)
    if refused is not None:
        body = json_bytes(unserializable(refused))
        return answer(500, headers, body, b"unserializable", run_ms, request.keep, call.head_only)
    code, kind, body = shaped
    if headers is not JSON_TYPE:
        kind += headers[len(JSON_TYPE) :]
    return answer(code, kind, body, b"ok", run_ms, request.keep, call.head_only)


def _run(call, entry, arguments):
    """Returns (value, error document); the call's prints and its error are in the log by then."""
    current.set(call)
    try:
        # Context variables that a call sets are its own, as they are in a coroutine.
        value, failure = run_interruptible(call, copy_context().run, (entry, *arguments))
        if value.__class__ is CoroutineType and call.interrupted is None:
            value, failure = run_coroutine(call, value)
        if forks.in_child:
            forks.exit_child(failure)
        if failure is not None:
            document, _ = run_interruptible(call, error_document, (failure,))
            failure = document or hidden(failure)
            logs.stderr.write(as_log(failure))
        if call.partial:
            logs.flush_call(call)
        return value, failure
    finally:
        current.set(None)


def _timed_out(call, request, run_ms: float) -> bytes:
    request.keep = False
    return timeout_answer(call, b"", run_ms)


def _interrupted(call, request, run_ms: float) -> bytes | None:
    if call.interrupted is not CallTimeout:
        return None
    try:
        call.reply.pop()
    except IndexError:
        while not call.answered:
            time.sleep(0.001)
        return None
    return _timed_out(call, request, run_ms)


def _not_loaded(pod, call, request, headers: bytes) -> bytes:
    if pod.failure is None:
        return _timed_out(call, request, 0.0)
    request.keep = False
    return answer(503, headers, json_bytes(pod.failure), b"error", 0.0, False, call.head_only)
