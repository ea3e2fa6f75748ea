"""What the logs, etcd and the disks of a fleet say."""

import re
from datetime import datetime
from pathlib import Path

from leaks import mounts, processes

from names import AGENTS, DOCKERD, IN_CONTAINERS, MASTERS
from programs import engine_home
from record import Link

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
LINKED = re.compile(r"^(\S+)Z .*linked to the master .*epoch=(\d+)")


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
    problems += [f"left behind: process {one}" for one in processes(fleet.home) if not is_forgotten(one.split(":")[0])]
    for host in fleet.hosts.values():
        problems += [f"left behind on {host.name}: process {one}" for one in host.processes() if not is_forgotten(one)]
    return problems


def is_forgotten(process):
    """Whether it is what an engine forgets that is killed while it starts a container: nothing in that ever ran."""
    try:
        said = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return True
    return said[0].endswith(b"containerd-shim-runc-v2") or said[:2] == [b"runc", b"init"]
