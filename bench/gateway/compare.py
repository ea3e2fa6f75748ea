#!/usr/bin/env python3
"""Our gateway in front of one pod against nginx in front of the same pod and the pod itself, side by side.

One cluster, one function, one pod; two loads: a call that computes and one that sleeps 50 ms. The gateway reaches
the pod's Unix socket itself, as it does where both share a machine; nginx has that socket as its upstream, with kept
connections and as many workers; the way straight to the pod is a second server of the same code on a TCP port,
because wrk speaks no Unix sockets. Rounds measure all in turn, starting with another one each time, so that a ratio
compares neighbours in time. The load is wrk's.

Figures count only from a machine that does nothing else: run it alone, with a release build.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(HERE.parent)]

from cluster import Cluster, Failure, build, end_on_signals, free_ports  # noqa: E402
from packages import Lacking, need  # noqa: E402

import load  # noqa: E402

BODY = b'{"x": 1, "y": 2}'
WANTED = {"x": 3, "y": -1}
CLIENTS = (1, 16, 64)
LOADS = {"computes": HERE.parent / "func_base" / "call.lua", "sleeps": HERE / "sleep.lua"}
CONCURRENCY = 8
FUNCTION = HERE / "function.yaml"

NGINX = """\
daemon off;
worker_processes {workers};
pid {home}/nginx.pid;
error_log {home}/nginx.log;
{user}
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {home}/nginx-body;
  proxy_temp_path {home}/nginx-proxy;
  fastcgi_temp_path {home}/nginx-fastcgi;
  uwsgi_temp_path {home}/nginx-uwsgi;
  scgi_temp_path {home}/nginx-scgi;
  upstream pod {{ server unix:{socket}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://pod;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
}}
"""


def ask(url):
    request = urllib.request.Request(url, BODY, {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request, timeout=60))


def the_pod(cluster):
    """The socket of the function's only pod."""
    cluster.run(["kubectl", "apply", FUNCTION])
    if ask(f"{cluster.gateway}/function/bench") != WANTED:
        raise Failure("the function gives a wrong answer")
    until = time.monotonic() + 60
    while time.monotonic() < until:
        sockets = list(cluster.home.glob("agent/pods/*/run/http.sock"))
        if len(sockets) == 1:
            return sockets[0]
        time.sleep(0.1)
    raise Failure(f"one pod was expected, found {sockets}")


def start_nginx(home, socket):
    (port,) = free_ports(1)
    config = home / "nginx.conf"
    # Only root, or the pod's own user, may connect to a pod's socket.
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(NGINX.format(home=home, workers=os.cpu_count(), port=port, socket=socket, user=user))
    program = need("nginx", "nginx", "the proxy to compare the gateway with")
    process = subprocess.Popen([program, "-c", config, "-p", home], stdin=subprocess.DEVNULL, start_new_session=True)
    until = time.monotonic() + 20
    while True:
        try:
            if ask(f"http://127.0.0.1:{port}/") == WANTED:
                return process, f"http://127.0.0.1:{port}/"
        except OSError as error:
            if process.poll() is not None or time.monotonic() > until:
                raise Failure(f"nginx does not answer: {error}") from error
        time.sleep(0.05)


def start_straight(home):
    """The pod's server with the same code on a port of its own."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "troupe_pod", "--listen", f"127.0.0.1:{port}", "--function", HERE / "code", "--concurrency", str(CONCURRENCY)]
    with open(home / "straight.log", "ab") as log:
        process = subprocess.Popen(command, cwd=ROOT / "func-base", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}/"
    until = time.monotonic() + 20
    while True:
        try:
            if ask(url) == WANTED:
                return process, url
        except OSError as error:
            if process.poll() is not None or time.monotonic() > until:
                raise Failure(f"the pod's server does not answer: {error}") from error
        time.sleep(0.05)


def wrk(url, name, clients, seconds):
    found = load.wrk(url, LOADS[name], clients, seconds, timeout=10)
    return {field: found[field] for field in ("calls_per_second", "p50_ms", "p99_ms")}


def measure(urls, rounds, seconds):
    samples = {what: {clients: {name: [] for name in urls} for clients in CLIENTS} for what in LOADS}
    names = sorted(urls)
    for url in urls.values():
        wrk(url, "computes", 16, 1)
    for number in range(rounds):
        turn = number % len(names)
        for what, by_clients in samples.items():
            for clients, by_name in by_clients.items():
                for name in names[turn:] + names[:turn]:
                    by_name[name].append(wrk(urls[name], what, clients, seconds))
        print(f"round {number + 1} of {rounds} done", file=sys.stderr)
    return samples


def ratio(ours, theirs):
    """Medians of the rounds' ratios; above 1: the gateway is better."""
    pairs = list(zip(ours, theirs))
    return {
        "calls_per_second": round(statistics.median(a["calls_per_second"] / b["calls_per_second"] for a, b in pairs), 2),
        "p50": round(statistics.median(b["p50_ms"] / a["p50_ms"] for a, b in pairs), 2),
        "p99": round(statistics.median(b["p99_ms"] / a["p99_ms"] for a, b in pairs), 2),
    }


def summary(samples):
    """By load and number of clients: medians of each way, and the gateway's ratios to the others."""
    found = {}
    for load, by_clients in samples.items():
        for clients, by_name in by_clients.items():
            medians = {name: {field: round(statistics.median(one[field] for one in rounds), 3) for field in rounds[0]} for name, rounds in by_name.items()}
            ratios = {name: ratio(by_name["gateway"], by_name[name]) for name in by_name if name != "gateway"}
            found.setdefault(load, {})[f"c{clients}"] = {**medians, "ratio": ratios}
    return found


def show(found):
    print(f"{'load':10}{'clients':>8}{'way':>10}{'calls/s':>10}{'p50 ms':>9}{'p99 ms':>9}   the gateway is better by: calls/s, p99")
    for load, by_clients in found.items():
        for clients, row in by_clients.items():
            for name in ("gateway", "nginx", "straight"):
                one = row[name]
                line = f"{load:10}{clients[1:]:>8}{name:>10}{one['calls_per_second']:>10.0f}{one['p50_ms']:>9.2f}{one['p99_ms']:>9.2f}"
                if name != "gateway":
                    line += f"{row['ratio'][name]['calls_per_second']:>10.2f}x{row['ratio'][name]['p99']:>8.2f}x"
                print(line)


def compare(flags):
    nginx = straight = cluster = None
    try:
        cluster = Cluster(build(flags.profile))
        cluster.start()
        nginx, proxied = start_nginx(cluster.home, the_pod(cluster))
        straight, direct = start_straight(cluster.home)
        urls = {"gateway": f"{cluster.gateway}/function/bench", "nginx": proxied, "straight": direct}
        return measure(urls, flags.rounds, flags.seconds)
    except Failure:
        if cluster:
            cluster.show_logs()
        raise
    finally:
        for process in filter(None, (nginx, straight)):
            process.send_signal(signal.SIGTERM)
            process.wait(20)
        if cluster:
            cluster.stop()
            cluster.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", metavar="FILE", help="write the result as JSON")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="per server and number of clients in a round")
    parser.add_argument("--profile", choices=("release", "debug"), default="release")
    flags = parser.parse_args()
    end_on_signals()
    try:
        found = summary(compare(flags))
    except (Failure, Lacking) as failure:
        sys.exit(f"bench: {failure}")
    show(found)
    if flags.output:
        Path(flags.output).write_text(json.dumps({"rounds": flags.rounds, "seconds": flags.seconds, "loads": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
