"""Masters with many simulated nodes, in one directory, on loopback."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tools"))

from api import Api  # noqa: E402
from cluster import Cluster, Failure, free_ports  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
# A pod takes 64 MiB of a node's 32 GiB.
SPEC = {"image": "registry.example/simulated@sha256:" + "0" * 64, "port": 8080, "resources": {"cpu": "10m", "memory": "64Mi"}}


class Village(Cluster):
    """Nodes in one process (bench/fleet), and one master with the embedded store, or two over an etcd."""

    def __init__(self, programs, nodes, etcd):
        super().__init__(programs, settings='registry = "none"\n')
        self.nodes = nodes
        self.second = None
        if etcd:
            self._prepare_etcd()
        self.first = self.kubeconfig
        self.apis = {}

    def _prepare_etcd(self):
        client, peer, api, gateway = (f"127.0.0.1:{port}" for port in free_ports(4))
        secret = self.home / "secret"
        secret.write_text("secret" * 8)
        secret.chmod(0o600)
        self.settings += f'store = "etcd://{client}"\nblobs = "{self.home / "blobs"}"\ncluster-secret-file = "{secret}"\n'
        self.etcd = (client, peer)
        self.second = (api, gateway)

    def start(self):
        """Until all nodes hold a link. `empty` is what the master holds without any, `joined` the seconds that they took."""
        if self.second:
            client, peer = (f"http://{address}" for address in self.etcd)
            flags = ("--name", "one", "--data-dir", self.home / "etcd", "--listen-client-urls", client, "--advertise-client-urls", client)
            peers = ("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"one={peer}")
            self._spawn("etcd", *flags, *peers, program="etcd")
        self._start_master()
        self._wait("the master is up", 60, self._api_answers)
        if self.second:
            self._start_second()
        time.sleep(1)
        self.empty, begun = self.master(), time.monotonic()
        self._start_agent()
        self._wait(f"{self.nodes} nodes hold a link", 300, self.all_linked)
        self.joined = since(begun)

    def _start_second(self):
        api, gateway = self.second
        place = ("--data-dir", self.home / "second", "--api-listen", api, "--gateway-listen", gateway)
        self._spawn("second", "--config", self.home / "master.toml", *place, program=self.programs / "master")
        self._wait("the second master stands by", 60, (self.home / "second" / "admin.kubeconfig").exists)

    def _start_agent(self):
        masters = [f"127.0.0.1:{self.api}"] + ([self.second[0]] if self.second else [])
        place = ("--data-dir", self.home / "fleet", "--nodes", str(self.nodes))
        self._spawn("fleet", "--master", ",".join(f"https://{one}" for one in masters), *place, TROUPE_FLEET_TOKEN=self.token())

    def _api_answers(self):
        return self.kubeconfig.exists() and self.ask("/api/v1/namespaces")

    def ask(self, path, method="GET"):
        """Asks the master that leads."""
        if self.kubeconfig not in self.apis:
            self.apis[self.kubeconfig] = Api(self.kubeconfig)
        return self.apis[self.kubeconfig].ask(path, method)

    def fleet(self):
        """Nodes with a link, pods on the nodes, and those that are ready, as the nodes say."""
        lines = self.log("fleet").read_text().splitlines()
        found = re.fullmatch(r"(\d+) nodes linked, (\d+) pods, (\d+) ready", lines[-1] if lines else "")
        if not found:
            raise Failure(f"the fleet says {lines[-1:]}")
        return tuple(map(int, found.groups()))

    def all_linked(self):
        linked = self.fleet()[0]
        if linked == self.nodes:
            return True
        raise Failure(f"{linked} nodes linked")

    def all_ready(self, pods):
        """The nodes have just these pods, and the functions say that all of them are ready."""
        there = self.fleet()
        functions = self.ask("/api/v1/namespaces/default/functions")["items"]
        ready = sum(one.get("status", {}).get("readyReplicas", 0) for one in functions)
        if ready == pods and there == (self.nodes, pods, pods):
            return True
        raise Failure(f"{ready} pods ready; (nodes, their pods, ready): {there}")

    def pods(self):
        """Names and nodes of all pods, for which the store is read."""
        items = self.ask("/api/v1/namespaces/default/pods")["items"]
        return {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in items}

    def master(self):
        """Bytes that the master holds, and seconds of CPU that it has taken."""
        pid = self.processes["second" if self.kubeconfig != self.first else "master"].pid
        return {"memory": memory(pid), "cpu_seconds": cpu(pid)}

    def simulation(self):
        """Bytes that all the nodes hold together."""
        return memory(self.processes["fleet"].pid)["now"]

    def watched(self, seconds, work):
        """What the master takes while `work` is done for so long, in shares of a core."""
        before, begun = self.master(), time.monotonic()
        while time.monotonic() - begun < seconds:
            work()
        after, took = self.master(), time.monotonic() - begun
        return {"cores": round((after["cpu_seconds"] - before["cpu_seconds"]) / took, 3), "memory": after["memory"]}

    def apply(self, functions, pods):
        """Functions with so many pods each."""
        scaling = {"minReplicas": pods, "maxReplicas": pods}
        items = [{"apiVersion": "v1", "kind": "Function", "metadata": {"name": f"f{number}"}, "spec": {**SPEC, "scaling": scaling}} for number in range(functions)]
        path = self.home / "functions.json"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        self.run(["kubectl", "apply", "--wait=false", "-f", path])

    def until_ready(self, pods, seconds):
        """Waits until all pods are ready: the time, and the CPU of the master."""
        begun, before = time.monotonic(), self.master()["cpu_seconds"]
        self._wait(f"{pods} pods are ready", seconds, lambda: self.all_ready(pods))
        took = time.monotonic() - begun
        return {"pods": pods, "seconds": round(took, 2), "pods_per_second": round(pods / took), "master_cpu_seconds": round(self.master()["cpu_seconds"] - before, 2)}

    def delete(self, pod):
        self.ask(f"/api/v1/namespaces/default/pods/{pod}", "DELETE")

    def call(self):
        """Calls a function; the pod answers."""
        request = urllib.request.Request(f"{self.gateway}/function/f0", b"{}", {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["pod"]
        except OSError as error:
            raise Failure(f"call: {error}") from error

    def recover(self, pods):
        """The leader is killed and, alone, started again at once: when what works again, in seconds."""
        before = set(self.pods())
        master = self.processes.pop("master")
        master.kill()
        begun = time.monotonic()
        master.wait()
        if self.second:
            self.kubeconfig, self.gateway = self.home / "second" / "admin.kubeconfig", f"http://{self.second[1]}"
        else:
            self._start_master()
        found = {}
        for what, look in {
            "api": self._api_answers,
            "call": self.call,
            "all_linked": self.all_linked,
            "all_ready": lambda: self.all_ready(pods),
        }.items():
            self._wait(what, 120, look)
            found[f"{what}_seconds"] = since(begun)
        after = set(self.pods())
        found["pods_lost"], found["pods_begun"] = len(before - after), len(after - before)
        return {**found, **self.master()}


def since(begun):
    return round(time.monotonic() - begun, 2)


def memory(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return {name: int(re.search(rf"{field}:\s+(\d+) kB", text)[1]) * 1024 for name, field in (("now", "VmRSS"), ("peak", "VmHWM"))}


def cpu(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def build_fleet(profile):
    command = ["cargo", "build", "-p", "fleet", *(["--release"] if profile == "release" else [])]
    if subprocess.run(command, cwd=HERE.parent.parent).returncode != 0:
        raise Failure(f"{' '.join(command)} failed")
