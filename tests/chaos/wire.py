"""The way from an agent to its engine, which is a socket on one machine: held up in either direction, and slow."""

import socket
import threading
import time
from contextlib import suppress

CHUNK = 1 << 16


class Way:
    """One direction of it."""

    def __init__(self):
        self.seconds = 0.0
        self._open = threading.Event()
        self._open.set()

    def begin(self):
        """Nothing gets through, and nobody hears that."""
        self._open.clear()

    def end(self):
        self._open.set()

    def carry(self, source, target):
        """Passes on what comes, until its end."""
        try:
            while data := source.recv(CHUNK):
                if self.seconds:
                    time.sleep(self.seconds)
                self._open.wait()
                target.sendall(data)
            self._open.wait()
            target.shutdown(socket.SHUT_WR)
        except OSError:
            # One of the two is gone: the other hears it, as if there were nothing between them.
            for one in (source, target):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)


class Slow:
    """All that goes through comes late by so many seconds."""

    def __init__(self, way, seconds):
        self._way = way
        self._seconds = seconds

    def begin(self):
        self._way.seconds = self._seconds

    def end(self):
        self._way.seconds = 0.0


class Wire:
    """Listens on `place` in the engine's stead."""

    def __init__(self, place, engine):
        self.there = Way()
        self.back = Way()
        self._engine = engine
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(place))
        self._server.listen(128)
        threading.Thread(target=self._accept, name="wire", daemon=True).start()

    def _accept(self):
        while True:
            try:
                agent, _ = self._server.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            try:
                engine.connect(str(self._engine))
            except OSError:
                agent.close()
                engine.close()
                continue
            for way, source, target in ((self.there, agent, engine), (self.back, engine, agent)):
                threading.Thread(target=way.carry, args=(source, target), name="wire", daemon=True).start()

    def close(self):
        self._server.close()
