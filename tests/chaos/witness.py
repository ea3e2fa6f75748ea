"""To whom functions tell that they run, wherever they do: from a container no file of the machine can be written."""

import json
import socket
import threading
from collections import Counter

from record import Execution

PORT = 7070
PATIENCE_SECONDS = 2.0


class Witness:
    """Listens on a host that no fault is at, from `start` on; `executions` has what was told."""

    def __init__(self, host, hosts):
        self.executions = []
        self.address = (host.address, PORT)
        self._host = host
        self._names = {one.address: one.name for one in hosts}
        self._told = set()
        self._times = Counter()
        self._listening = threading.Event()
        self._lock = threading.Lock()

    def start(self):
        threading.Thread(target=self._run, name="witness", daemon=True).start()
        self._listening.wait()

    def _run(self):
        self._host.enter()
        with socket.create_server(self.address, backlog=128) as server:
            self._listening.set()
            while True:
                connection, (address, _) = server.accept()
                threading.Thread(target=self._hear, args=(connection, address), daemon=True).start()

    def _hear(self, connection, address):
        with connection:
            try:
                connection.settimeout(PATIENCE_SECONDS)
                line = connection.makefile().readline()
                connection.sendall(f"{self.note(json.loads(line), address)}\n".encode())
            except (OSError, ValueError):
                # It is told again, or the one who told it is gone.
                pass

    def note(self, told, address):
        """Notes a line once, however often it is told; how often this step had been told before."""
        at, key, step, sign = told
        with self._lock:
            before = self._times[key, step]
            if sign in self._told:
                return before - 1
            self._told.add(sign)
            self._times[key, step] += 1
            self.executions.append(Execution(at, key, step, self._names.get(address, address)))
            return before
