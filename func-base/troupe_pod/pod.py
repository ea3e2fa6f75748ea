"""The server as a whole: what its threads share, its start and its end."""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import sys
import threading
import time

from troupe_pod import forks, logs
from troupe_pod.connection import Connection
from troupe_pod.errors import as_log, error_document
from troupe_pod.http_answer import control_answer, status
from troupe_pod.listener import listen, name_of
from troupe_pod.settings import SettingsError
from troupe_pod.watcher import Watcher

MAX_CONNECTIONS = 2048
EXIT_USAGE = 64
EXIT_IMPORT_FAILED = 70
FAILURE_SHOWN = 5.0
"""Seconds for which a pod whose import failed stays up so that the reason can be read."""
DRAIN_TICK = 0.01
ENDING = (signal.SIGTERM, signal.SIGINT)


def _raise_descriptor_limit() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MAX_CONNECTIONS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class Pod:
    """The main thread imports the function, as user code may expect; connections are accepted by another from the start."""

    def __init__(self, settings):
        self.settings = settings
        self.calls: set = set()
        self.connections: set = set()
        self.function = None
        self.failure = None
        self.loaded = threading.Event()
        self.awaits_specialize = settings.generic
        self.preloaded = not settings.generic
        self.draining = False
        self.drained = threading.Event()
        self.watcher = Watcher(self)
        self._specialize_lock = threading.Lock()
        self._specialized = threading.Event()
        self._environment: dict = {}

    def run(self) -> None:
        """Never returns: ends the process."""
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        # The signal's number goes to the accepting thread even when the main thread, which alone runs handlers, is inside C code.
        signal.set_wakeup_fd(self._wake_writer.fileno(), warn_on_full_buffer=False)
        for number in ENDING:
            signal.signal(number, self._on_signal)
        try:
            self.listener = listen(self.settings)
        except SettingsError as error:
            sys.stderr.write(f"troupe_pod: {error}\n")
            sys.exit(EXIT_USAGE)
        if self.settings.listen and not self.settings.socket:
            sys.stderr.write(f"listening on {name_of(self.listener)}\n")
        _raise_descriptor_limit()
        logs.install()
        forks.guard(self)
        self.watcher.start()
        threading.Thread(target=self._accept, name="accept", daemon=True).start()
        if self.awaits_specialize:
            self._preload()
            self.preloaded = True
            self._specialized.wait()
            os.environ.update(self._environment)
            if "TZ" in self._environment:
                time.tzset()
        self._load()
        self.drained.wait()
        atexit._run_exitfuncs()
        os._exit(0)

    def specialize(self, document: dict, environment: dict) -> bool:
        """Gives a generic pod its function; False when it has one. Raises SettingsError and then changes nothing.

        TROUPE_ variables in the environment say what they say at a plain start.
        """
        with self._specialize_lock:
            if not self.awaits_specialize:
                return False
            settings = type(self.settings)()
            vars(settings).update(vars(self.settings))
            settings.read_document(document)
            settings.read_environment(environment)
            self.settings = settings
            self._environment = environment
            self.awaits_specialize = False
        self._specialized.set()
        return True

    def forget_sockets(self) -> None:
        """In a forked child: its copies would keep connections and the listener open."""
        self.listener.close()
        for connection in list(self.connections):
            connection.sock.close()

    @staticmethod
    def _preload() -> None:
        """While nobody waits: what a function or an unhappy call would import later."""
        import ast  # noqa: F401
        import asyncio  # noqa: F401
        import ctypes  # noqa: F401
        import traceback  # noqa: F401

        from troupe_pod import entry  # noqa: F401
        from troupe_pod.styles import env, lambda_, params  # noqa: F401

    def _load(self) -> None:
        from troupe_pod.loader import load

        try:
            self.function = load(self.settings)
            # Scripts give the signal its default back: here every reader that goes away would end the pod.
            if signal.getsignal(signal.SIGPIPE) is signal.SIG_DFL:
                signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        except BaseException as error:
            if forks.in_child:
                forks.exit_child(error)
            self.failure = error_document(error)
            logs.stderr.write(as_log(self.failure))
        if forks.in_child:
            forks.exit_child(None)
        self.loaded.set()
        if self.failure is not None:
            self.drained.wait(FAILURE_SHOWN)
            os._exit(EXIT_IMPORT_FAILED)

    def _on_signal(self, number, frame) -> None:
        """Wakes the accepting thread also where user code took the wakeup descriptor for itself."""
        try:
            self._wake_writer.send(bytes([number]))
        except OSError:
            pass

    def _accept(self) -> None:
        poller = select.poll()
        poller.register(self.listener, select.POLLIN)
        poller.register(self._wake_reader, select.POLLIN)
        self.listener.setblocking(False)
        while not self.draining:
            poller.poll()
            self.draining = self._was_told_to_end()
            self._accept_waiting()
        self.listener.close()
        self._drain()

    def _was_told_to_end(self) -> bool:
        try:
            return any(number in ENDING for number in self._wake_reader.recv(4096))
        except BlockingIOError:
            return False

    def _accept_waiting(self) -> None:
        """Also those that arrived just before a drain."""
        while True:
            try:
                sock, _ = self.listener.accept()
            except BlockingIOError:
                return
            except OSError:
                time.sleep(DRAIN_TICK)  # Out of descriptors, most likely: others must end first.
                return
            sock.setblocking(True)
            connection = Connection(self, sock)
            try:
                if len(self.connections) >= MAX_CONNECTIONS:
                    raise RuntimeError
                thread = threading.Thread(target=connection.serve, name="connection", daemon=True)
                self.connections.add(connection)
                thread.start()
            except RuntimeError:
                self.connections.discard(connection)
                self._turn_away(sock)

    @staticmethod
    def _turn_away(sock) -> None:
        document = status(503, "Busy", "too many connections")
        try:
            sock.send(control_answer(503, document, keep=False, outcome=b"busy"), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            pass
        sock.close()

    def _drain(self) -> None:
        until = time.monotonic() + self.settings.drain
        time.sleep(DRAIN_TICK)  # A request that has come may not have been seen yet.
        while time.monotonic() < until and any(connection.busy for connection in list(self.connections)):
            time.sleep(DRAIN_TICK)
        if not self.loaded.is_set():
            os._exit(0)  # The main thread is in user code, or waits for some.
        self.drained.set()
