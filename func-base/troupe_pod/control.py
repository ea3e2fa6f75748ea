"""/_troupe/…: what the node agent asks the server itself."""

from __future__ import annotations

import json
import os
import time

from troupe_pod.http_answer import control_answer, json_bytes, status
from troupe_pod.settings import SettingsError

MAX_WAIT = 600.0
POLL = 0.005


def handle(pod, connection, request) -> bytes:
    path, _, query = request.target.partition(b"?")
    name = path[len(b"/_troupe/") :]
    if name == b"ready":
        code, document = _ready(pod, _wait(query))
    elif name.startswith(b"calls/"):
        code, document = _ended(pod, name[len(b"calls/") :].decode("latin-1"), _wait(query) / 1e3)
    elif name == b"clock":
        connection.is_lane = True
        code, document = 200, {"monotonicNs": time.monotonic_ns()}
    elif name == b"specialize":
        code, document = _specialize(pod, request, _wait(query))
    else:
        code, document = _refusal(404, "NotFound", f"there is no {path.decode('latin-1')}")
    request.keep = request.keep and not pod.draining
    return control_answer(code, document, request.keep)


def _refusal(code: int, reason: str, message: str):
    return code, status(code, reason, message)


def _wait(query: bytes) -> float:
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        if name == b"wait":
            try:
                return min(max(float(value), 0.0), MAX_WAIT)
            except ValueError:
                return 0.0
    return 0.0


def _ready(pod, seconds: float):
    pod.loaded.wait(seconds)
    function = pod.function
    if function is not None:
        return 200, {
            "ready": True,
            "handler": function.handler,
            "style": function.style_name,
            "concurrency": function.slots.count,
            "pid": os.getpid(),
            "coldMs": function.cold_ms,
        }
    if pod.failure is not None:
        return 503, dict(pod.failure, ready=False)
    if pod.awaits_specialize:
        return 503, {"ready": False, "reason": "waiting" if pod.preloaded else "starting"}
    return 503, {"ready": False, "reason": "importing"}


def _ended(pod, id: str, seconds: float):
    """True also for an id that is not known: nothing of it runs here."""
    until = time.monotonic() + seconds
    while True:
        running = any(call.id == id and not call.ended for call in list(pod.calls))
        if not running or time.monotonic() >= until:
            return 200, {"ended": not running}
        time.sleep(POLL)


def _specialize(pod, request, seconds: float):
    """202: the import has begun, /_troupe/ready tells its end. Who waits for it is told here what /_troupe/ready would say."""
    if request.method != b"POST":
        return _refusal(405, "MethodNotAllowed", "wanted POST")
    try:
        document = json.loads(request.body)
        if not isinstance(document, dict):
            raise SettingsError(f"found {json_bytes(document)[:100].decode()}, wanted an object")
        environment = document.pop("env", None) or {}
        if not isinstance(environment, dict) or not all(isinstance(value, str) and key and "=" not in key for key, value in environment.items()):
            raise SettingsError("env: wanted an object of texts")
        if not pod.specialize(document, environment):
            return _refusal(409, "Conflict", "this pod has its function already")
    except (ValueError, RecursionError, SettingsError) as error:
        return _refusal(400, "BadRequest", f"specialize: {error}")
    return _ready(pod, seconds) if seconds > 0 else (202, {"accepted": True})
