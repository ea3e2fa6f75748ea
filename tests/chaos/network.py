"""Hosts that are network namespaces, and a bridge between them that is in one, too.

Nothing of it is on the machine's own network, and nothing stays: a namespace ends with its last process.
"""

import ctypes
import os
import signal
import subprocess
import threading
from pathlib import Path

from cluster import Failure
from leaks import mounts

CLONE_NEWNET = 0x40000000
SUBNET = "10.90.0"


def run(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class Namespace:
    """A network namespace, kept by a process that ends when this one does, however it ends."""

    def __init__(self):
        self._keeper = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        # `cat` answers once it is inside.
        self._keeper.stdin.write(b"\n")
        self._keeper.stdin.flush()
        if not self._keeper.stdout.readline():
            raise Failure("no network namespace can be made: root (CAP_NET_ADMIN and CAP_SYS_ADMIN) is needed")
        self.keeper = self._keeper.pid
        self.path = f"/proc/{self.keeper}/ns/net"
        self.id = os.readlink(self.path)

    def inside(self, *command):
        """The command line that runs a command in it; the process keeps its id."""
        return ["nsenter", f"--net={self.path}", *map(str, command)]

    def run(self, *command):
        return run(*self.inside(*command))

    def enter(self):
        """Moves the calling thread into it: sockets that it opens from now on are on this host."""
        with open(self.path, "rb") as file:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"enter {self.path}")

    def within(self, work, *arguments):
        """Does something in it, in a thread of its own, and waits for that."""

        def run():
            self.enter()
            work(*arguments)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()

    def processes(self):
        """Ids of the processes in it, its keeper left out."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(place / "ns" / "net") == self.id and int(place.name) != self.keeper:
                    found.append(int(place.name))
            except OSError:
                continue
        return found

    def close(self):
        self._keeper.stdin.close()
        self._keeper.stdout.close()
        self._keeper.wait()


class Host(Namespace):
    """A machine of its own: a name, an address. Containers that have mounts from `disk` are on it, too."""

    def __init__(self, name, address, disk=None):
        super().__init__()
        self.name = name
        self.address = address
        self.disk = disk

    def processes(self):
        found = super().processes()
        if self.disk:
            found += sorted(containers_from(self.disk) - set(found))
        return found

    def power_off(self):
        """Nothing on it runs or answers any more, not even by refusing."""
        self.run("ip", "link", "set", "eth0", "down")
        self.kill_all()
        self.unmount()

    def power_on(self):
        self.run("ip", "link", "set", "eth0", "up")

    def unmount(self):
        """What was mounted from its disk or on it is no more."""
        for mount in reversed(mounts(self.disk) if self.disk else []):
            subprocess.run(["umount", "--lazy", mount], stderr=subprocess.DEVNULL)

    def kill_all(self):
        """Kills whatever runs on it; what was started meanwhile is killed too."""
        while processes := [one for one in self.processes() if not is_zombie(one)]:
            for process in processes:
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    continue


def containers_from(disk):
    """Ids of the processes that see other mounts than this one, and among them some from a directory."""
    found, own = set(), os.readlink("/proc/self/ns/mnt")
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(place / "ns" / "mnt") != own and f"{disk}/" in (place / "mountinfo").read_text():
                found.add(int(place.name))
        except OSError:
            continue
    return found


def is_zombie(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


class Network:
    """A bridge, and hosts at it."""

    def __init__(self):
        self.hosts = {}
        self._bridge = Namespace()
        self._bridge.run("ip", "link", "add", "bridge", "type", "bridge")
        self._bridge.run("ip", "link", "set", "bridge", "up")

    def add(self, name, disk=None):
        """A new host, reachable from all others."""
        host = Host(name, f"{SUBNET}.{len(self.hosts) + 1}", disk)
        self.hosts[name] = host
        port = f"p{len(self.hosts)}"
        self._bridge.run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(host.keeper))
        self._bridge.run("ip", "link", "set", port, "master", "bridge", "up")
        host.run("ip", "address", "add", f"{host.address}/24", "dev", "eth0")
        host.run("ip", "link", "set", "eth0", "up")
        host.run("ip", "link", "set", "lo", "up")
        return host

    def close(self):
        """Ends it; whatever still runs on a host is killed."""
        for host in self.hosts.values():
            host.kill_all()
            host.unmount()
            host.close()
        self._bridge.close()
