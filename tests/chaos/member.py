"""A program on a host, looked after as a service manager does: one that ends is started again."""

import os
import signal
import subprocess
import threading
import time

from cluster import end

# Before a program that ended by itself is started again.
PAUSE_SECONDS = 1.0


class Member:
    def __init__(self, name, host, command, home, **variables):
        self.name = name
        self.host = host
        self.log = home / f"{name}.log"
        # When it ended without being told to, and with which code.
        self.ended = []
        self._command = command
        self._home = home
        self._variables = variables
        self._process = None
        self._wanted = False
        self._due = 0.0
        self._lock = threading.Lock()

    @property
    def process(self):
        """Its process id; None while it does not run."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running else None

    def start(self):
        with self._lock:
            self._wanted = True
            if self.process is None:
                self._start()

    def _start(self):
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                self.host.inside(*self._command),
                cwd=self._home,
                env={**os.environ, "NO_COLOR": "1", **self._variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def keep(self):
        """Starts it again if it ended by itself; to be called a few times a second."""
        with self._lock:
            if not self._wanted or self._process is None or self._process.poll() is None:
                return
            if not self._due:
                self.ended.append((time.time(), self._process.returncode))
                self._due = time.monotonic() + PAUSE_SECONDS
            elif time.monotonic() > self._due:
                self._due = 0.0
                self._start()

    def kill(self):
        """Ends it at once; it stays down until `start`."""
        with self._lock:
            self._wanted = False
            if self.process is not None:
                self._process.kill()
                self._process.wait()

    def forget(self):
        """Nobody starts it again when it ends, until `start`."""
        with self._lock:
            self._wanted = False

    def pause(self):
        self._signal(signal.SIGSTOP)

    def wake(self):
        self._signal(signal.SIGCONT)

    def _signal(self, number):
        with self._lock:
            if self.process is not None:
                self._process.send_signal(number)

    def stop(self):
        """Ends it in order; its exit code, None when it had to be killed."""
        with self._lock:
            self._wanted = False
            if self._process is None:
                return 0
            self._process.send_signal(signal.SIGCONT)
            return end(self._process)
