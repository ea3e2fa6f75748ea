"""The cluster that is measured, and what it says of itself."""

import json
import os
import re
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(HERE.parent)]

from cluster import Cluster, Failure, started  # noqa: E402
import load  # noqa: E402


@contextmanager
def cluster(programs, **settings):
    """A fresh cluster; settings as the environment gives them to the master."""
    named = {f"TROUPE_MASTER__{key.upper()}": value for key, value in settings.items()}
    before = {key: os.environ.get(key) for key in named}
    os.environ.update(named)
    try:
        with started(Cluster(programs)) as one:
            yield one
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})


def apply(cluster, name, text):
    path = cluster.home / f"{name}.json"
    path.write_text(text)
    cluster.run(["kubectl", "apply", path])


def run(cluster, name, wait=30):
    """Runs a state machine to its end: its output, and how long it took in seconds."""
    headers = {"Content-Type": "application/json", "Prefer": f"wait={wait}"}
    request = urllib.request.Request(f"{cluster.gateway}/state_machine/{name}", b'{"x": 1}', headers)
    begun = time.monotonic()
    with urllib.request.urlopen(request, timeout=wait + 30) as answer:
        body, status = json.load(answer), answer.status
    if status == 202:
        body = end(cluster, body["run"], wait)
    return body, time.monotonic() - begun


def end(cluster, run, wait):
    """The output of a run that is still going."""
    until = time.monotonic() + wait
    while time.monotonic() < until:
        with urllib.request.urlopen(f"{cluster.gateway}/runs/{run}", timeout=30) as answer:
            found = json.load(answer)
        if found["phase"] == "Succeeded":
            return found["output"]
        if found["phase"] not in ("Pending", "Running"):
            raise Failure(f"run {run}: {found}")
        time.sleep(0.1)
    raise Failure(f"run {run} goes on after {wait} s")


def counted(cluster):
    """Commits and syncs of the store since the master's start."""
    text = cluster.run(["kubectl", "get", "--raw", "/metrics"])
    return {name: int(re.search(rf"(?m)^troupe_store_{name}_total(?:{{}})? (\d+)", text)[1]) for name in ("commits", "syncs")}


def memory(cluster):
    """Bytes of memory that the master holds: now, and at most so far."""
    text = Path(f"/proc/{cluster.processes['master'].pid}/status").read_text()
    return {name: int(re.search(rf"{field}:\s+(\d+) kB", text)[1]) * 1024 for name, field in (("now", "VmRSS"), ("peak", "VmHWM"))}


def wrk(url, script, clients, seconds):
    return load.wrk(url, HERE / script, clients, seconds, timeout=30)
