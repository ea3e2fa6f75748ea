#!/usr/bin/env python3
"""func-base against Flask under gunicorn (one sync worker) and functions-framework, side by side.

All servers run at once; rounds measure them in turn, starting with another one each time, so that a
ratio compares neighbours in time. The load is wrk's, over TCP. `cpu` is the processor time that a server
takes for one call: unlike the rest it does not depend on what else the machine is doing. wrk has no Unix sockets: func-base over
one is measured by a client in Python, as a ratio to the same client over TCP.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

from load import figures  # noqa: E402

POD = ROOT / "func-base" / "troupe_pod"
VENV = ROOT / "target" / "bench-func-base"
BODY = b'{"x": 1, "y": 2}'
WANTED = {"x": 3, "y": -1}
CLIENTS = (1, 16, 64)
FUNC_BASE = "func-base"


def environment():
    """A private venv with the servers to compare with."""
    stamp = VENV / "installed"
    wanted = (HERE / "requirements.txt").read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(VENV, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([VENV / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "-r", HERE / "requirements.txt"], check=True)
        stamp.write_text(wanted)
    return VENV / "bin"


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Servers:
    """The servers' processes, each in a session of its own so that it can be ended with its workers."""

    def __init__(self, bin, home):
        self.home = home
        self.socket = str(home / "s")
        self.ports = {}
        self.sessions = {}
        self.processes = []
        python = str(bin / "python")
        shutil.copy(HERE / "func.py", home)
        self._start(FUNC_BASE, lambda port: [python, "-I", str(POD), "--listen", f"127.0.0.1:{port}", "--function", str(home)])
        self._start("flask+gunicorn", lambda port: [str(bin / "gunicorn"), "-w", "1", "-k", "sync", "-b", f"127.0.0.1:{port}", "flask_app:app"])
        self._start(
            "functions-framework",
            lambda port: [str(bin / "functions-framework"), "--target", "call", "--source", "framework_app.py", "--host", "127.0.0.1", "--port", str(port)],
        )
        self._spawn([python, "-I", str(POD), "--socket", self.socket, "--function", str(home)], "unix")

    def _spawn(self, command, name):
        log = open(self.home / f"{name}.log", "wb")
        self.processes.append(subprocess.Popen(command, cwd=HERE, stdout=log, stderr=log, start_new_session=True))
        self.sessions[name] = self.processes[-1].pid

    def _start(self, name, command):
        port = self.ports[name] = free_port()
        self._spawn(command(port), name)
        until = time.monotonic() + 60
        while True:
            try:
                request = urllib.request.Request(f"http://127.0.0.1:{port}/", BODY, {"Content-Type": "application/json"})
                found = json.load(urllib.request.urlopen(request, timeout=10))
                break
            except OSError:
                if time.monotonic() > until:
                    sys.exit(f"{name} does not answer: {(self.home / f'{name}.log').read_text()[-2000:]}")
                time.sleep(0.05)
        if found != WANTED:
            sys.exit(f"{name} answers {found}, wanted {WANTED}")

    def stop(self):
        for process in self.processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def processor_seconds(session):
    """Of all processes of a session so far, workers included."""
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def wrk(port, session, clients, seconds):
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "--timeout", "10s", "-s", str(HERE / "call.lua"), f"http://127.0.0.1:{port}/"]
    before = processor_seconds(session)
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    spent = processor_seconds(session) - before
    if "Non-2xx" in out:
        sys.exit(f"wrong answers:\n{out}")
    found = figures(out)
    requests = found.pop("requests")
    return {**found, "cpu_us": spent / requests * 1e6}


def python_client(address, seconds):
    """Calls per second of one client that waits for each answer."""
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as sock:
        sock.connect(address)
        if not isinstance(address, str):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
        calls, began = 0, time.monotonic()
        while time.monotonic() - began < seconds:
            sock.sendall(request)
            if not sock.recv(65536).endswith(b'{"x":3,"y":-1}'):
                sys.exit(f"wrong answer at {address}")
            calls += 1
        return calls / (time.monotonic() - began)


def measure(servers, rounds, seconds):
    names = list(servers.ports)
    samples = {clients: {name: [] for name in names} for clients in CLIENTS}
    unix = []
    for number in range(rounds):
        for clients in CLIENTS:
            for name in names[number % len(names) :] + names[: number % len(names)]:
                samples[clients][name].append(wrk(servers.ports[name], servers.sessions[name], clients, seconds))
        over_tcp = python_client(("127.0.0.1", servers.ports[FUNC_BASE]), seconds)
        unix.append(python_client(servers.socket, seconds) / over_tcp)
        print(f"round {number + 1} of {rounds} done", file=sys.stderr)
    return samples, unix


def summary(samples, unix):
    """Medians, and the medians of the rounds' ratios to func-base (above 1: func-base is better)."""
    found = {}
    for clients, by_name in samples.items():
        ours = by_name[FUNC_BASE]
        for name, theirs in by_name.items():
            found.setdefault(name, {})[f"c{clients}"] = {
                **{field: round(statistics.median(sample[field] for sample in theirs), 3) for field in ours[0]},
                "ratio": {
                    "calls_per_second": round(statistics.median(a["calls_per_second"] / b["calls_per_second"] for a, b in zip(ours, theirs)), 2),
                    "cpu": round(statistics.median(b["cpu_us"] / a["cpu_us"] for a, b in zip(ours, theirs)), 2),
                    "p50": round(statistics.median(b["p50_ms"] / a["p50_ms"] for a, b in zip(ours, theirs)), 2),
                    "p99": round(statistics.median(b["p99_ms"] / a["p99_ms"] for a, b in zip(ours, theirs)), 2),
                },
            }
    return {"servers": found, "unix_over_tcp": round(statistics.median(unix), 2)}


def show(result):
    print(f"{'':20}{'clients':>8}{'calls/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'cpu us':>9}   func-base is better by")
    print(f"{'':65}{'calls/s':>10}{'p50':>8}{'p99':>8}{'cpu':>8}")
    for name, by_clients in result["servers"].items():
        for clients, found in by_clients.items():
            line = f"{name:20}{clients[1:]:>8}{found['calls_per_second']:>10.0f}{found['p50_ms']:>9.2f}{found['p99_ms']:>9.2f}{found['cpu_us']:>9.0f}"
            if name != FUNC_BASE:
                ratio = found["ratio"]
                line += f"{ratio['calls_per_second']:>9.1f}x" + "".join(f"{ratio[field]:>7.1f}x" for field in ("p50", "p99", "cpu"))
            print(line)
    print(f"func-base over a Unix socket against TCP, 1 client: {result['unix_over_tcp']:.2f}x calls/s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", metavar="FILE", help="write the result as JSON")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="per server and number of clients in a round")
    parser.add_argument("--at-least", type=float, metavar="RATIO", help="exit 1 when calls/s against flask+gunicorn is below this at any number of clients")
    parser.add_argument("--cpus", choices=("one", "free"), default="one")
    flags = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: install Debian's package wrk")
    bin = environment()
    if flags.cpus == "one":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as home:
        servers = Servers(bin, Path(home))
        try:
            samples, unix = measure(servers, flags.rounds, flags.seconds)
        finally:
            servers.stop()
    result = {"cpus": flags.cpus, "rounds": flags.rounds, "seconds": flags.seconds, **summary(samples, unix)}
    show(result)
    if flags.output:
        Path(flags.output).write_text(json.dumps(result, indent=2) + "\n")
    worst = min(found["ratio"]["calls_per_second"] for found in result["servers"]["flask+gunicorn"].values())
    if flags.at_least and worst < flags.at_least:
        sys.exit(f"calls/s against flask+gunicorn: {worst} times, wanted {flags.at_least}")


if __name__ == "__main__":
    main()
