#!/usr/bin/env python3
"""The first call to a function with no pod, through the gateway, against `docker run` of Flask in the same run.

Many functions of one layer are applied; each is called once, from nothing, when a generic pod waits on the node (a
hit), and a few more when the pool is off (misses). Between them many calls come at once to a function with no pod (a
burst), and to Flask when it has just been started. Per runtime: medians, p99, ratios to Flask, the phases as the
gateway tells them, memory of one generic pod and of one idle function.

Figures count only from a machine that does nothing else: run it alone, with a release build.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import nullcontext
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from cluster import Cluster, Failure, build, end_on_signals, free_ports  # noqa: E402
from engine import engine  # noqa: E402
from packages import Lacking  # noqa: E402

FUNCTION = """\
apiVersion: v1
kind: Function
metadata: {{ name: {name} }}
spec:
  source: {{ inline: {{ func.py: "import json, re\\ndef main(params):\\n    return params['x'] + 1\\n" }} }}
  scaling: {{ windowSeconds: 2 }}
---
"""
FLASK = """\
import flask
app = flask.Flask(__name__)
@app.post("/")
def main():
    return flask.jsonify(flask.request.get_json()["x"] + 1)
app.run("0.0.0.0", 8080)
"""
BODY = json.dumps({"x": 1})
GOAL = {"p50_ms": 10, "p99_ms": 50}
WAYS = ("hits", "misses", "burst")


def call(port, path):
    """Milliseconds until the answer, and what Server-Timing says."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    began = time.perf_counter()
    connection.request("POST", path, BODY, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    body = answer.read()
    took = (time.perf_counter() - began) * 1e3
    connection.close()
    if (answer.status, body.strip()) != (200, b"2"):
        raise Failure(f"{path}: {answer.status} {body[:500]}")
    timing = dict(re.findall(r"(\w+);dur=([\d.]+)", answer.headers.get("Server-Timing", "")))
    return took, {name: float(value) for name, value in timing.items()}


def pool(cluster):
    """Generic pods that wait, and how many were used so far."""
    text = cluster.run(["kubectl", "get", "--raw", "/api/v1/nodes/node-1/proxy/metrics"])
    sizes = re.findall(r"(?m)^troupe_node_pool_size\{[^}]*\} (\d+)", text)
    return sum(map(int, sizes)), int(re.search(r'(?m)^troupe_node_pool_claims_total\{outcome="hit"\} (\d+)', text)[1])


def until_it_waits(cluster):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        waiting, hits = pool(cluster)
        if waiting:
            return hits
        time.sleep(0.1)
    raise Failure("no generic pod waits")


def apply(cluster, names):
    file = cluster.home / "functions.yaml"
    file.write_text("".join(FUNCTION.format(name=name) for name in names))
    cluster.run(["kubectl", "apply", "-f", file])
    until = time.monotonic() + 300
    while time.monotonic() < until:
        found = json.loads(cluster.run(["kubectl", "get", "functions", "-o", "json"]))["items"]
        built = {one["metadata"]["name"] for one in found if any(c["type"] == "Built" and c["status"] == "True" for c in one.get("status", {}).get("conditions", []))}
        if built.issuperset(names):
            return
        time.sleep(0.5)
    raise Failure(f"{len(names)} functions are not built")


def resident(pid):
    """Kilobytes that would be free without a process; what it shares is shared out."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"(?m)^Pss:\s+(\d+)", text)[1])


def children():
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                found.setdefault(int(stat[1]), []).append(int(entry.name))
            except OSError:
                pass
    return found


def tree(pid, parents):
    return [pid] + [one for child in parents.get(pid, ()) for one in tree(child, parents)]


def generic_memory():
    """Of the processes of one generic pod with the one that watches over them, in KiB."""
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdigit() or b"TROUPE_GENERIC=1" not in (entry / "environ").read_bytes().split(b"\0"):
                continue
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            return sum(resident(pid) for pid in tree(parent, children()))
        except OSError:
            pass
    return None


def summary(samples):
    values = sorted(took for took, _ in samples)
    phases = {name: round(statistics.median(timing.get(name, 0) for _, timing in samples), 2) for name in ("queue", "cold", "run")}
    at = lambda part: round(values[min(len(values) - 1, int(len(values) * part))], 2)
    return {"n": len(values), "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": round(values[-1], 2), "phases_p50_ms": phases}


def first_calls(cluster, names, hit):
    """One call each; those that were not what they should be are told apart."""
    port, found, others = cluster.gateway_port, [], []
    for name in names:
        before = until_it_waits(cluster) if hit else pool(cluster)[1]
        time.sleep(0.3)  # What was started just now has settled.
        sample = call(port, f"/function/{name}")
        (found if (pool(cluster)[1] > before) == hit else others).append(sample)
    return found, others


def at_once(port, path, clients, waited=0.0):
    """That many calls begun together, each by a client of its own; `waited` milliseconds had passed before."""
    gate, samples, failures = threading.Barrier(clients), [], []

    def client():
        gate.wait()
        try:
            began = time.perf_counter()
            _, timing = call(port, path)
            samples.append(((time.perf_counter() - began) * 1e3 + waited, timing))
        except (Failure, OSError, http.client.HTTPException) as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise Failure(f"{len(failures)} of {clients} calls at once failed: {failures[0]}")
    return summary(samples)


def burst(cluster, name, clients):
    """Calls at once to a function with no pod, and how many pods it got by then."""
    until_it_waits(cluster)
    time.sleep(1)
    found = at_once(cluster.gateway_port, f"/function/{name}", clients)
    pods = json.loads(cluster.run(["kubectl", "get", "pods", "-l", f"troupe.dev/function={name}", "-o", "json"]))
    return {**found, "pods": len(pods["items"])}


def measure(programs, runtime, count, clients):
    cluster = Cluster(programs, runtime)
    try:
        cluster.start()
        master = cluster.processes["master"].pid
        apply(cluster, ["first"])
        call(cluster.gateway_port, "/function/first")
        before = resident(master)
        names = [f"f{number}" for number in range(count)]
        apply(cluster, names)
        function = (resident(master) - before) / count
        until_it_waits(cluster)
        memory = generic_memory()
        hits, others = first_calls(cluster, names, True)
        apply(cluster, ["burst"])
        many = burst(cluster, "burst", clients)
        os.environ["TROUPE_AGENT__POOL__SIZE"] = "0"
        cluster.restart("node-agent")
        missing = [f"m{number}" for number in range(max(10, count // 10))]
        apply(cluster, missing)
        misses, _ = first_calls(cluster, missing, False)
        found = {"hits": summary(hits), "misses": summary(misses), "burst": many, "not_from_the_pool": len(others)}
        found["generic_pod_kib"], found["idle_function_kib"] = memory, round(function, 1)
        return found
    except Failure:
        cluster.show_logs()
        raise
    finally:
        os.environ.pop("TROUPE_AGENT__POOL__SIZE", None)
        cluster.stop()
        cluster.remove()


def flask(host, image, times, clients):
    """`docker run` of Flask's own server until its first answer, and until it has answered many at once."""
    home = Path(tempfile.mkdtemp(prefix="troupe-flask-"))
    # The image's user is nobody in particular.
    home.chmod(0o755)
    try:
        (home / "app.py").write_text(FLASK)
        installed = subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--break-system-packages", "--target", home / "site", "flask"], capture_output=True, text=True)
        if installed.returncode != 0:
            raise Failure(f"install Flask:\n{installed.stderr}")
        samples, docker = [], ["docker", "-H", host]
        for turn in range(times + 1):
            (port,) = free_ports(1)
            command = [*docker, "run", "-d", "--rm", "-p", f"127.0.0.1:{port}:8080", "-v", f"{home}:/app:ro", "-e", "PYTHONPATH=/app/site", "--entrypoint", "python3", image, "/app/app.py"]
            began = time.perf_counter()
            container = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
            while True:
                try:
                    call(port, "/")
                    break
                except (OSError, http.client.HTTPException):
                    if time.perf_counter() - began > 60:
                        raise Failure("Flask does not answer") from None
                    time.sleep(0.002)
            took = (time.perf_counter() - began) * 1e3
            if turn < times:
                samples.append((took, {}))
            else:
                many = at_once(port, "/", clients, took)
            subprocess.run([*docker, "rm", "-f", container], check=True, capture_output=True)
        return {**summary(samples), "burst": many}
    finally:
        shutil.rmtree(home, ignore_errors=True)


def bases(host):
    text = subprocess.run(["docker", "-H", host, "images", "--format", "{{.Repository}}:{{.Tag}}", "troupe/func-base"], check=True, capture_output=True, text=True).stdout
    return text.split()


def compare(flags):
    programs, found = build(flags.profile), {}
    for runtime in flags.runtimes:
        with engine() if runtime == "docker" else nullcontext() as host:
            if host:
                os.environ["DOCKER_HOST"] = host
            found[runtime] = measure(programs, runtime, flags.count, flags.burst)
            if host:
                found["flask"] = flask(host, bases(host)[0], flags.flask, flags.burst)
                del os.environ["DOCKER_HOST"]
    theirs = found.get("flask")
    for runtime in flags.runtimes if theirs else ():
        for way in WAYS:
            ours, other = found[runtime][way], theirs["burst"] if way == "burst" else theirs
            ours["ratio"] = {field: round(other[field] / ours[field], 1) for field in GOAL}
    return found


def show(found):
    print(f"{'':24}{'n':>5}{'p50 ms':>10}{'p99 ms':>10}   faster than docker run of Flask by: p50, p99")
    for runtime, row in found.items():
        for way, one in ({"": row, "burst": row["burst"]} if runtime == "flask" else {way: row[way] for way in WAYS}).items():
            line = f"{runtime + ' ' + way:24}{one['n']:>5}{one['p50_ms']:>10.1f}{one['p99_ms']:>10.1f}"
            ratio = one.get("ratio")
            print(line + (f"   {ratio['p50_ms']:>8.1f}x{ratio['p99_ms']:>8.1f}x" if ratio else ""))
        if runtime != "flask":
            print(f"{'':24}phases {row['hits']['phases_p50_ms']}; a generic pod {row['generic_pod_kib']} KiB, an idle function {row['idle_function_kib']} KiB; {row['not_from_the_pool']} calls missed the pool; a burst's pods: {row['burst']['pods']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", metavar="FILE", help="write the result as JSON")
    parser.add_argument("--count", type=int, default=200, help="functions that are called first")
    parser.add_argument("--flask", type=int, default=20, help="starts of Flask")
    parser.add_argument("--burst", type=int, default=200, help="calls that come at once")
    parser.add_argument("--runtimes", nargs="+", choices=("process", "docker"), default=("process", "docker"))
    parser.add_argument("--profile", choices=("release", "debug"), default="release")
    flags = parser.parse_args()
    end_on_signals()
    try:
        found = compare(flags)
    except (Failure, Lacking) as failure:
        sys.exit(f"bench: {failure}")
    show(found)
    if flags.output:
        Path(flags.output).write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
