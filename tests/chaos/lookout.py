"""Looks out who leads, and tells when it changes."""

import threading

from cluster import Failure

EVERY_SECONDS = 0.5


class Lookout:
    """From `start` to `end`; `tell` hears of each change."""

    def __init__(self, fleet, tell):
        self._fleet = fleet
        self._tell = tell
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lookout", daemon=True)

    def start(self):
        self._thread.start()

    def end(self):
        self._over.set()
        self._thread.join()

    def _run(self):
        last = self._leader()
        while not self._over.wait(EVERY_SECONDS):
            now = self._leader()
            if now and now != last:
                self._tell(f"{now} leads now")
                last = now

    def _leader(self):
        try:
            return self._fleet.leader()
        except Failure:
            # etcd does not say; a moment later it may.
            return None
