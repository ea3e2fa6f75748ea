"""Programs that get on slowly, as on a disk or a processor that others use up."""

import threading

RUNS_SECONDS = 0.05
STANDS_SECONDS = 0.2


class Slow:
    """Stops and continues them in turn."""

    def __init__(self, members):
        self._members = members
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slow", daemon=True)

    def begin(self):
        self._thread.start()

    def end(self):
        self._over.set()
        self._thread.join()

    def _run(self):
        while not self._over.wait(RUNS_SECONDS):
            for member in self._members:
                member.pause()
            self._over.wait(STANDS_SECONDS)
            for member in self._members:
                member.wake()
