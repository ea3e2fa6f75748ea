"""wrk's load on a server, and its report as numbers."""

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

from cluster import Failure  # noqa: E402
from packages import need  # noqa: E402

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


def milliseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * UNITS[unit]


def figures(report):
    """What wrk printed with `--latency`."""
    return {
        "requests": int(re.search(r"(\d+) requests in", report)[1]),
        "calls_per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", report)[1]),
        "p50_ms": milliseconds(re.search(r"(?m)^ +50% +(\S+)", report)[1]),
        "p99_ms": milliseconds(re.search(r"(?m)^ +99% +(\S+)", report)[1]),
    }


def wrk(url, script, clients, seconds, timeout):
    """The figures of one load; `timeout` is how many seconds an answer may take. A wrong answer is a Failure."""
    program = need("wrk", "wrk", "the load of benchmarks")
    command = [program, "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "--timeout", f"{timeout}s", "-s", script, url]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in report or "Socket errors" in report:
        raise Failure(f"wrong answers from {url}:\n{report}")
    return figures(report)
