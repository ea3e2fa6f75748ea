"""A cluster over several hosts: etcd members, masters, agents, each on one of its own, and a client's."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from cluster import Failure, tail, wait_until
from engine import answers
from func_base import cached, machine
from packages import Lacking, is_root, need

import programs
from history import history
from names import AGENTS, DOCKERD, ETCDS, IN_CONTAINERS, MASTERS
from network import Network
from record import LEADER_KEY
from wire import Wire
from witness import Witness

POD_LABEL = "troupe.dev/pod"
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
        ("umount", "mount", "hosts that lose power"),
    ):
        need(program, package, why)


class Fleet:
    """Started as a whole; members are then killed, paused and cut off from outside.

    With an engine the last agent's pods are its containers, else all pods are processes.
    """

    def __init__(self, programs_in, with_engine=False):
        need_programs()
        self.programs = programs_in
        # Pods run under users of their own: they must be able to pass.
        self.home = Path(tempfile.mkdtemp(prefix="troupe-chaos-"))
        self.home.chmod(0o711)
        self.network = Network()
        for name in ("client", "observer", *ETCDS, *MASTERS):
            self.network.add(name)
        for name in AGENTS:
            self.network.add(name, disk=self.home / name)
        self.hosts = self.network.hosts
        self.client = self.hosts["client"]
        self.witness = Witness(self.hosts["observer"], self.hosts.values())
        self.wire = None
        self._base = cached(machine()) if with_engine else None
        self.members = {}
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def start(self):
        """Everything, from nothing to three nodes that are Ready."""
        self.witness.start()
        for name in AGENTS:
            self.hosts[name].disk.mkdir(mode=0o711)
        if self._base:
            self._add(programs.dockerd(self))
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
            self._add(programs.agent(self, name, AGENTS.index(name), token, self._runtime(name)))
        self._keeper.start()
        self.wait("all nodes are Ready", self.nodes_are_ready)

    def _runtime(self, name):
        """An agent's settings: what runs its pods."""
        if not self._base or name != IN_CONTAINERS:
            return {"RUNTIME": "process"}
        self.wait("the engine is up", self.engine_answers)
        place = self.home / "wire.sock"
        self.wire = Wire(place, programs.engine_socket(self))
        return {"RUNTIME": "docker", "DOCKER__HOST": f"unix://{place}", "DOCKER__BASE_IMAGE": str(self._base)}

    def engine_answers(self):
        return answers(f"unix://{programs.engine_socket(self)}")

    def containers(self):
        """By the engine: of which pod each container is, ended ones too."""
        command = ["docker", "-H", f"unix://{programs.engine_socket(self)}", "ps", "-a", "--filter", f"label={POD_LABEL}"]
        return self._said([*command, "--format", f'{{{{.Label "{POD_LABEL}"}}}}'], 20).split()

    def crash(self, name):
        """A host loses power: whatever runs on it is gone, and what is in memory only."""
        host = self.hosts[name]
        for member in self.on(host):
            member.forget()
        host.power_off()
        if name == IN_CONTAINERS:
            programs.forget_engine(self)

    def boot(self, name):
        """It has power again, and starts what it had: the engine first."""
        host = self.hosts[name]
        host.power_on()
        for member in self.on(host):
            member.start()
            if member.name == DOCKERD:
                self.wait("the engine is up again", self.engine_answers)

    def on(self, host):
        """The members on a host, in the order of their start."""
        return [member for member in self.members.values() if member.host is host]

    def _add(self, member):
        self.members[member.name] = member
        member.start()

    def _keep(self):
        while not self._over.wait(0.2):
            for member in list(self.members.values()):
                member.keep()

    def wait(self, what, look, seconds=START_SECONDS):
        """Waits until `look` returns something, and returns that; fails with the last thing it raised."""
        return wait_until(what, look, seconds)

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

    def writes(self):
        """All that was written to etcd until now."""
        header = json.loads(self.etcdctl("get", LEADER_KEY, "-w", "json"))["header"]
        return history(self, header["revision"])

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
            if names is AGENTS and self._base:
                problems += [f"left in the engine: container of {pod}" for pod in self.containers()]
        for name in (*ETCDS, DOCKERD):
            if name in self.members:
                # etcd leaves by the signal, after its own clean-up.
                self.members[name].stop()
        return sorted(problems)

    def close(self, keep=False):
        """Ends what still runs, and removes all but, if wanted, the directory with the logs."""
        self._over.set()
        for member in self.members.values():
            member.kill()
        if self.wire:
            self.wire.close()
        self.network.close()
        if not keep:
            shutil.rmtree(self.home, ignore_errors=True)

    def show_logs(self, lines=25):
        for member in self.members.values():
            print(f"\n--- the end of {member.name}'s log ---\n{tail(member.log, lines)}", flush=True)


def is_true(thing, wanted):
    conditions = thing.get("status", {}).get("conditions", [])
    return any(one.get("type") == wanted and one.get("status") == "True" for one in conditions)
