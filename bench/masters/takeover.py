#!/usr/bin/env python3
"""How soon another master leads when the leader is killed, and when it falls silent without closing anything.

Two masters on one etcd and an agent with a pod. Clients call by the standby's gateway, which needs the leader for each
call, all the while. Per fault: seconds until the first call that was begun after the fault is answered, and the longest
time in which no call was answered; and whether the pod ran on. The goal is the lease of 5 s and one more.
"""

import argparse
import http.client
import json
import secrets
import signal
import ssl
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from cluster import STOP_SECONDS, Cluster, Failure, build, end_on_signals, free_ports, started  # noqa: E402
from packages import Lacking, need  # noqa: E402

FUNCTION = """\
apiVersion: v1
kind: Function
metadata: { name: f }
spec:
  source: { inline: { func.py: "def main(params):\\n    return params['x'] + 1\\n" } }
  scaling: { minReplicas: 1, maxReplicas: 1 }
  concurrency: 16
"""
FAULTS = {"killed": signal.SIGKILL, "silent": signal.SIGSTOP}
GOAL_SECONDS = 6
CLIENTS = 4
# Longer than a standby holds a call.
PATIENCE = 30


class Pair(Cluster):
    """Two masters, which are `master` and `second`, on an etcd of one member."""

    def __init__(self, programs):
        super().__init__(programs)
        self.etcd, self.peer, api, gateway = free_ports(4)
        self.ports = {"master": (self.api, self.gateway_port), "second": (api, gateway)}
        secret, ours = self.home / "secret", {}
        secret.write_text(secrets.token_hex(32))
        ours["store"] = f"etcd://127.0.0.1:{self.etcd}"
        ours["blobs"] = str(self.home / "blobs")
        ours["cluster-secret-file"] = str(secret)
        ours["registry"] = "none"
        self.settings = "".join(f"{key} = {json.dumps(value)}\n" for key, value in ours.items())

    def start(self):
        self._start_etcd()
        self.start_master("master")
        self._wait("the first master leads", 60, lambda: self.kubeconfig.exists() and self.role("master") == "leader")
        self._start_agent()
        self._wait("node node-1 is Ready", 120, self._is_ready)
        self.start_master("second")
        self.await_role("second", "standby")

    def _start_etcd(self):
        need("etcd", "etcd-server", "the store of several masters")
        client, peer = (f"http://127.0.0.1:{port}" for port in (self.etcd, self.peer))
        command = ["etcd", "--data-dir", self.home / "etcd", "--listen-client-urls", client, "--advertise-client-urls", client]
        command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
        with open(self.log("etcd"), "ab") as log:
            self.processes["etcd"] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def start_master(self, name):
        file = self.home / "master.toml"
        file.write_text(self.settings)
        api, gateway = self.ports[name]
        listen = ("--api-listen", f"127.0.0.1:{api}", "--gateway-listen", f"127.0.0.1:{gateway}")
        running = {other: process for other, process in self.processes.items() if other != name}
        self._spawn("master", "--config", file, "--data-dir", self.home / name, *listen)
        started_now = self.processes["master"]
        self.processes = {**running, name: started_now}

    def _start_agent(self):
        masters = ",".join(f"https://127.0.0.1:{api}" for api, _ in self.ports.values())
        flags = ("--data-dir", self.home / "agent", "--master", masters, "--name", "node-1", "--runtime", "process")
        self._spawn("node-agent", *flags, TROUPE_AGENT__TOKEN=self.token(), TROUPE_AGENT__POOL__SIZE="0")

    def stop(self):
        last = ("etcd", "master", "second", "node-agent")
        self.processes = {name: self.processes[name] for name in last if name in self.processes}
        return super().stop()

    def role(self, name):
        """What a master says of itself; `None` while it does not answer."""
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.ports[name][0], timeout=2, context=trusting)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            return answer.headers.get("X-Troupe-Role") if answer.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def await_role(self, name, role):
        self._wait(f"{name} is {role}", 60, lambda: self.role(name) == role)

    def pods(self):
        found = json.loads(self.run(["kubectl", "get", "pods", "-l", "troupe.dev/function=f", "-o", "json"]))["items"]
        return {one["metadata"]["uid"] for one in found}


def call(port):
    """The status of one call; `None` when no answer came."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("POST", "/function/f", '{"x": 1}', {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def caller(port, end, calls):
    """Calls again and again; notes when each began and ended, and its status."""
    while not end.is_set():
        began = time.monotonic()
        status = call(port)
        calls.append((began, time.monotonic(), status))
        time.sleep(0.01)


def fault(cluster, leader, standby, how):
    """One leader less, under load; what the clients saw."""
    before, end, calls = cluster.pods(), threading.Event(), []
    threads = [threading.Thread(target=caller, args=(cluster.ports[standby][1], end, calls)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    process = cluster.processes.pop(leader)
    struck = time.monotonic()
    process.send_signal(FAULTS[how])
    try:
        cluster.await_role(standby, "leader")
        time.sleep(1)
        end.set()
        for thread in threads:
            thread.join()
    finally:
        end.set()
        # A silent one wakes up, finds that it does not lead any more, and ends.
        process.send_signal(signal.SIGCONT)
        process.wait(STOP_SECONDS)
    answered = sorted((done, began) for began, done, status in calls if status == 200)
    times = [done for done, _ in answered]
    new = [done for done, began in answered if began > struck]
    if not new:
        raise Failure("no call that began after the fault was answered")
    cluster.kubeconfig = cluster.home / standby / "admin.kubeconfig"
    return {
        "takeover_s": round(min(new) - struck, 2),
        "longest_silence_s": round(max(b - a for a, b in zip(times, times[1:])), 2),
        "refused": sum(status != 200 for _, _, status in calls),
        "answered": len(times),
        "pod_ran_on": before <= cluster.pods(),
    }


def measure(programs, count):
    found = {how: [] for how in FAULTS}
    with started(Pair(programs)) as cluster:
        file = cluster.home / "function.yaml"
        file.write_text(FUNCTION)
        cluster.run(["kubectl", "apply", "-f", file])
        cluster._wait("the function answers", 120, lambda: call(cluster.gateway_port) == 200)
        leader, standby = "master", "second"
        for turn in range(2 * count):
            how = list(FAULTS)[turn % 2]
            found[how].append(fault(cluster, leader, standby, how))
            print(f"{how}: {found[how][-1]}", flush=True)
            cluster.start_master(leader)
            cluster.await_role(leader, "standby")
            leader, standby = standby, leader
    return found


def summary(rows):
    fields = ("takeover_s", "longest_silence_s")
    one = {field: {"median": statistics.median(row[field] for row in rows), "most": max(row[field] for row in rows)} for field in fields}
    return {"n": len(rows), **one, "refused": sum(row["refused"] for row in rows), "pods_ran_on": all(row["pod_ran_on"] for row in rows), "rows": rows}


def show(found):
    print(f"\n{'leader':10}{'n':>4}{'takeover s':>12}{'most':>8}{'silence s':>12}{'most':>8}{'refused':>9}   pods ran on; the goal is {GOAL_SECONDS} s")
    for how, one in found.items():
        takeover, silence = one["takeover_s"], one["longest_silence_s"]
        print(f"{how:10}{one['n']:>4}{takeover['median']:>12.2f}{takeover['most']:>8.2f}{silence['median']:>12.2f}{silence['most']:>8.2f}{one['refused']:>9}   {one['pods_ran_on']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", metavar="FILE", help="write the result as JSON")
    parser.add_argument("--count", type=int, default=5, help="faults of each kind")
    parser.add_argument("--profile", choices=("release", "debug"), default="release")
    flags = parser.parse_args()
    end_on_signals()
    try:
        found = {how: summary(rows) for how, rows in measure(build(flags.profile), flags.count).items()}
    except (Failure, Lacking) as failure:
        sys.exit(f"bench: {failure}")
    show(found)
    if flags.output:
        Path(flags.output).write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
