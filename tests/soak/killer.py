"""Kills pods at random, whatever runs them: the process that listens on a pod's socket, with SIGKILL."""

import json
import os
import random
import signal
import socket
import struct
import threading

EVERY_SECONDS = (0.3, 2.5)


def listener(path):
    """The process that listens on a socket; None when nobody does any more."""
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(1)
        try:
            one.connect(str(path))
        except OSError:
            return None
        process, _, _ = struct.unpack("3i", one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        return process


class Killer:
    """Runs until `end`; `killed` has the names of the pods."""

    def __init__(self, cluster, seed):
        self.killed = set()
        self.problem = None
        self._cluster = cluster
        self._chance = random.Random(f"{seed} killer")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="killer")

    def start(self):
        self._thread.start()

    def end(self):
        self._over.set()
        self._thread.join()

    def _run(self):
        try:
            while not self._over.wait(self._chance.uniform(*EVERY_SECONDS)):
                self._kill_one()
        except Exception as error:
            # The soak is worth nothing without it; it is told at the end.
            self.problem = error

    def _kill_one(self):
        pods = json.loads(self._cluster.run(["kubectl", "get", "pods", "-o", "json"]))["items"]
        if not pods:
            return
        pod = self._chance.choice(pods)
        path = self._cluster.home / "agent" / "pods" / pod["metadata"]["uid"] / "run" / "http.sock"
        process = listener(path)
        if process:
            # Noted first: a call may fail at once.
            self.killed.add(pod["metadata"]["name"])
            os.kill(process, signal.SIGKILL)
