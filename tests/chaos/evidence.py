"""What the logs, etcd and the disks of a fleet say."""

import base64
import json
import re
import subprocess
from datetime import datetime

from cluster import Failure
from leaks import mounts, processes

from fleet import LEADER_KEY
from names import AGENTS, DOCKERD, ETCDS, IN_CONTAINERS, MASTERS
from programs import ETCD_PORT, engine_home
from record import Link, Term

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
LINKED = re.compile(r"^(\S+)Z .*linked to the master .*epoch=(\d+)")
WATCH_SECONDS = 3


def lines(member):
    return COLOUR.sub("", member.log.read_text(errors="replace")).splitlines()


def links(fleet):
    """Each welcome that an agent took, by the agents' logs."""
    found = []
    for name in AGENTS:
        for line in lines(fleet.members[name]):
            linked = LINKED.match(line)
            if linked:
                # Fractions of a second have more digits than every Python reads.
                at = datetime.strptime(linked[1][:26] + "+0000", "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
                found.append(Link(at, name, int(linked[2])))
    return sorted(found, key=lambda link: link.at)


def terms(fleet):
    """Every change of the leader's key, by etcd's history."""
    endpoints = ",".join(f"https://{fleet.hosts[name].address}:{ETCD_PORT}" for name in ETCDS)
    command = ["etcdctl", "--endpoints", endpoints, "--cacert", fleet.home / "ca.pem", "watch", LEADER_KEY, "--rev", "1", "-w", "json"]
    try:
        # A watch has no end; the past comes at once.
        said = subprocess.run(fleet.hosts["observer"].inside(*command), capture_output=True, timeout=WATCH_SECONDS).stdout
    except subprocess.TimeoutExpired as expired:
        said = expired.stdout or b""
    found = []
    for line in said.decode().splitlines():
        for event in json.loads(line).get("Events") or ():
            kv = event["kv"]
            who = base64.b64decode(kv.get("value", "")).lstrip(b"\0").decode()
            found.append(Term(int(kv["mod_revision"]), "" if event.get("type") in (1, "DELETE") else who))
    if not found:
        raise Failure("etcd tells nothing of the masters that led")
    return found


def objects(fleet):
    """Node and uid of the pods that the cluster knows: of those that are not over, and of those that failed and are kept to be looked at."""
    found, failed = [], []
    for pod in fleet.items("pods", "-A"):
        kind = failed if pod.get("status", {}).get("phase") == "Failed" else found
        kind.append((pod["spec"].get("nodeName", ""), pod["metadata"]["uid"]))
    return found, failed


def directories(fleet):
    """Node and uid of the pods that are on a node's disk; those that wait for a function are nobody's."""
    found = []
    for name in AGENTS:
        found += [(name, pod.name) for pod in places(fleet, name) if not pod.name.startswith("generic-")]
    return found


def is_empty(fleet):
    """Whether no pod is left, neither in the cluster nor on a disk."""
    return objects(fleet) == ([], []) and not directories(fleet)


def places(fleet, name):
    """The directories of a node's pods."""
    return list((fleet.hosts[name].disk / "agent" / "pods").iterdir())


def containers(fleet):
    """What the engine calls the containers it has, and what the agent says that it has there; both empty without an engine."""
    if DOCKERD not in fleet.members:
        return [], []
    return fleet.containers(), [born(place) for place in places(fleet, IN_CONTAINERS)]


def born(place):
    """What a pod's container is called: a pod that was generic before keeps that name there."""
    file = place / "born"
    return file.read_text().strip() if file.exists() else place.name


def troubles(fleet):
    """Programs that ended by themselves and should not have, and panics."""
    problems = []
    for member in fleet.members.values():
        said = lines(member)
        problems += [f"{member.name}: {line}" for line in said if "panicked at" in line]
        for at, code in member.ended:
            # A master that lost the lead ends, and is started again.
            if member.name not in MASTERS or code < 0:
                problems.append(f"{member.name} ended by itself at {at:.1f} with {code}")
    return problems


def leavings(fleet):
    """What is left when all programs have been stopped."""
    # An engine that was killed leaves what it had mounted over its own directory.
    of_engine = str(engine_home(fleet) / "data")
    problems = [f"left behind: mount {one}" for one in mounts(fleet.home) if one != of_engine]
    problems += [f"left behind: process {one}" for one in processes(fleet.home)]
    for host in fleet.hosts.values():
        problems += [f"left behind on {host.name}: process {one}" for one in host.processes()]
    return problems
