"""A cluster over several hosts: etcd members, masters, agents, each on one of its own, and a client's."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from cluster import Failure, tail
from packages import Lacking, is_root, need

import programs
from network import Network

MASTERS = ("master-1", "master-2")
AGENTS = ("agent-1", "agent-2", "agent-3")
ETCDS = ("etcd-1", "etcd-2", "etcd-3")
LEADER_KEY = "/troupe/k/troupe/leader"
START_SECONDS = 120


def need_programs():
    """What this takes beyond Rust and Python; raises Lacking with the reason."""
    if not is_root():
        raise Lacking("hosts are network namespaces: run it as root (CAP_NET_ADMIN and CAP_SYS_ADMIN are needed)")
    for program, package, why in (
        ("etcd", "etcd-server", "the store of several masters"),
        ("etcdctl", "etcd-client", "to see which master leads"),
        ("ip", "iproute2", "hosts that are network namespaces"),
        ("nsenter", "util-linux", "hosts that are network namespaces"),
        ("iptables", "iptables", "cut, lossy and slow connections"),
        ("openssl", "openssl", "etcd's certificates"),
    ):
        need(program, package, why)


class Fleet:
    """Started as a whole; members are then killed, paused and cut off from outside."""

    def __init__(self, programs_in):
        need_programs()
        self.programs = programs_in
        # Pods run under users of their own: they must be able to pass.
        self.home = Path(tempfile.mkdtemp(prefix="troupe-chaos-"))
        self.home.chmod(0o711)
        self.network = Network()
        for name in ("client", "observer", *ETCDS, *MASTERS, *AGENTS):
            self.network.add(name)
        self.hosts = self.network.hosts
        self.client = self.hosts["client"]
        self.members = {}
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def start(self):
        """Everything, from nothing to three nodes that are Ready."""
        programs.write_certificates(self.home, [self.hosts[name].address for name in ETCDS])
        programs.write_secret(self.home)
        for name in ETCDS:
            self._add(programs.etcd(self, name, ETCDS))
        self.wait("etcd has a leader", self._etcd_answers)
        for name in MASTERS:
            self._add(programs.master(self, name))
        self.wait("a master leads", self.leader)
        self.wait("the leader has written its kubeconfig", self._copy_kubeconfig)
        token = self.wait("a join token", self._token)
        for name in AGENTS:
            self._add(programs.agent(self, name, AGENTS.index(name), token))
        self._keeper.start()
        self.wait("all nodes are Ready", self.nodes_are_ready)

    def _add(self, member):
        self.members[member.name] = member
        member.start()

    def _keep(self):
        while not self._over.wait(0.2):
            for member in list(self.members.values()):
                member.keep()

    def wait(self, what, look, seconds=START_SECONDS):
        """Waits until `look` returns something; fails with the last thing it raised."""
        until = time.monotonic() + seconds
        seen = "nothing"
        while time.monotonic() < until:
            try:
                found = look()
                if found:
                    return found
            except Failure as failure:
                seen = failure
            time.sleep(0.2)
        raise Failure(f"waited {seconds} s until {what}; last seen: {seen}")

    @property
    def gateways(self):
        return [(name, self.hosts[name].address, programs.GATEWAY_PORT) for name in MASTERS]

    @property
    def kubeconfig(self):
        return self.home / "admin.kubeconfig"

    def _copy_kubeconfig(self):
        found = [self.home / name / "admin.kubeconfig" for name in MASTERS]
        for file in found:
            if file.exists():
                shutil.copy(file, self.kubeconfig)
                return True
        return False

    def _token(self):
        return self.on_leader("master", "token", "create").strip()

    def on_leader(self, program, *arguments):
        """What a command of the master's says on the leader's host."""
        name = self.leader()
        if name is None:
            raise Failure("nobody leads")
        return self._said(self.hosts[name].inside(self.programs / program, *arguments, "--data-dir", self.home / name))

    def _said(self, command, seconds=60, **variables):
        environment = {**os.environ, "KUBECACHEDIR": str(self.home / "cache"), **variables}
        try:
            done = subprocess.run(command, cwd=self.home, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired as expired:
            raise Failure(f"{command[2:]}: nothing after {seconds} s") from expired
        if done.returncode != 0:
            raise Failure(f"{' '.join(map(str, command[2:]))}: exit {done.returncode}\n{done.stdout}{done.stderr}".rstrip())
        return done.stdout

    def etcdctl(self, *arguments, members=ETCDS, seconds=10):
        endpoints = ",".join(f"https://{self.hosts[name].address}:{programs.ETCD_PORT}" for name in members)
        flags = ["--endpoints", endpoints, "--cacert", self.home / "ca.pem", "--dial-timeout", "1s", "--command-timeout", "1s"]
        return self._said(self.hosts["observer"].inside("etcdctl", *flags, *arguments), seconds, ETCDCTL_API="3")

    def _etcd_answers(self):
        return self.etcdctl("get", LEADER_KEY, members=ETCDS[:1]) == ""

    def leader(self):
        """The name of the master that holds the lead, by what etcd says; None when nobody does."""
        failure = None
        for name in ETCDS:
            try:
                found = re.search(r"process (\d+)", self.etcdctl("get", LEADER_KEY, "--print-value-only", members=[name], seconds=3))
                return self._of_process(int(found[1])) if found else None
            except Failure as one:
                failure = one
        raise failure

    def _of_process(self, process):
        return next((name for name in MASTERS if self.members[name].process == process), None)

    def kubectl(self, *arguments, seconds=60):
        """Runs a command line on the client's host, against the first master that answers."""
        failure = None
        for name in MASTERS:
            server = f"https://{self.hosts[name].address}:{programs.API_PORT}"
            command = [self.programs / "kubectl", "--kubeconfig", self.kubeconfig, "--server", server, *arguments]
            try:
                return self._said(self.client.inside(*command), seconds)
            except Failure as one:
                failure = one if failure is None or "onnect" in str(failure) else failure
        raise failure

    def apply(self, *documents):
        """Applies objects."""
        self._write("apply", documents)

    def _write(self, verb, documents):
        file = self.home / f"{verb}-{threading.get_ident()}.json"
        file.write_text("\n---\n".join(map(json.dumps, documents)))
        return self.kubectl(verb, "-f", file, seconds=20)

    def persist(self, verb, document, over):
        """Applies or deletes an object, again and again until it is done; False when `over` was set before."""
        while not over.is_set():
            try:
                self._write(verb, [document])
                return True
            except Failure as failure:
                if verb == "delete" and "not found" in str(failure).lower():
                    return True
                over.wait(0.5)
        return False

    def items(self, kind, *arguments):
        return json.loads(self.kubectl("get", kind, "-o", "json", *arguments))["items"]

    def nodes_are_ready(self):
        ready = [node["metadata"]["name"] for node in self.items("nodes") if is_true(node, "Ready")]
        if sorted(ready) != sorted(AGENTS):
            raise Failure(f"Ready: {ready}")
        return True

    def stop(self):
        """Agents first, so that they drain; what each said that did not end in order."""
        self._over.set()
        if self._keeper.is_alive():
            self._keeper.join()
        problems, threads = [], []

        def stop(name):
            code = self.members[name].stop()
            if code != 0:
                problems.append(f"{name} ended with {code}, not in order")

        for names in (AGENTS, MASTERS):
            threads = [threading.Thread(target=stop, args=(name,)) for name in names if name in self.members]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
        for name in ETCDS:
            if name in self.members:
                # It leaves by the signal, after its own clean-up.
                self.members[name].stop()
        return sorted(problems)

    def close(self, keep=False):
        """Ends what still runs, and removes all but, if wanted, the directory with the logs."""
        self._over.set()
        for member in self.members.values():
            member.kill()
        self.network.close()
        if not keep:
            shutil.rmtree(self.home, ignore_errors=True)

    def show_logs(self, lines=25):
        for member in self.members.values():
            print(f"\n--- the end of {member.name}'s log ---\n{tail(member.log, lines)}", flush=True)


def is_true(thing, wanted):
    conditions = thing.get("status", {}).get("conditions", [])
    return any(one.get("type") == wanted and one.get("status") == "True" for one in conditions)
