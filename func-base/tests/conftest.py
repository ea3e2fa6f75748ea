"""Real server processes over real Unix sockets."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "troupe_pod"
PATIENCE = 60
"""Seconds after which something that must happen is said not to happen; no test passes or fails by being fast."""
sys.path.insert(0, str(PACKAGE.parent))


def eventually(condition, what="condition"):
    until = time.monotonic() + PATIENCE
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(0.005)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("pod", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, response, body):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.all_headers = response.getheaders()
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def outcome(self):
        return self.headers.get("x-troupe-outcome")


class Pod:
    def __init__(self, home, files, env, arguments=()):
        self.home = home
        self.function = home / "function"
        self.function.mkdir()
        for name, text in files.items():
            file = self.function / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(text, bytes):
                file.write_bytes(text)
            else:
                file.write_text(textwrap.dedent(text))
        self.socket = env.get("TROUPE_SOCKET") or str(home / "s")
        self.log_file = home / "log"
        environment = {"PATH": os.environ["PATH"], "TROUPE_SOCKET": self.socket, "TROUPE_FUNCTION_DIR": str(self.function)}
        environment.update(env)
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(PACKAGE), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=open(self.log_file, "wb"),
            stderr=open(home / "stderr", "wb"),
        )

    def listening(self):
        eventually(lambda: self._listens() or self.process.poll() is not None, "the pod listens")

    def _listens(self):
        try:
            self.open().close()
            return True
        except OSError:
            return False

    def open(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(PATIENCE)
        sock.connect(self.socket)
        return sock

    def connection(self):
        return UnixConnection(self.socket)

    def ready(self):
        return self.call("/_troupe/ready?wait=60", method="GET")

    def call(self, path="/", body=None, method="POST", headers=None, connection=None):
        """`body`: bytes as they are, anything else as JSON."""
        own = connection is None
        connection = connection or self.connection()
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        answer = Answer(response, response.read())
        if own:
            connection.close()
        return answer

    def raw(self, data, half_close=False):
        """Sends bytes, returns everything until the server closes."""
        with self.open() as sock:
            try:
                sock.sendall(data)
                if half_close:
                    sock.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass
            found = b""
            try:
                while True:
                    part = sock.recv(65536)
                    if not part:
                        break
                    found += part
            except ConnectionResetError:
                pass
            return found

    def ended(self, id):
        return self.call(f"/_troupe/calls/{id}?wait=60000", method="GET").json["ended"]

    def log(self):
        return self.log_file.read_bytes().decode()

    def lines(self):
        """(stream, id, text) of each tagged line."""
        return [tuple(line.split(" ", 3)[1:]) for line in self.log().split("\n")[:-1]]

    def mark(self, name):
        (self.home / name).touch()

    def marked(self, name):
        eventually((self.home / name).exists, name)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        return self.process.wait(PATIENCE)


@pytest.fixture
def start():
    """Starts pods: start({"func.py": "…"}, TROUPE_…="…"). {home} in a file is the pod's private directory."""
    pods = []

    def make(files, *arguments, wait=True, **env):
        home = Path(tempfile.mkdtemp(prefix="pod"))
        if isinstance(files, str):
            files = {"func.py": files}
        files = {name: HEADER.format(home=str(home)) + textwrap.dedent(text) if isinstance(text, str) and "wait_for(" in text else text for name, text in files.items()}
        pod = Pod(home, files, env, arguments)
        pods.append(pod)
        pod.listening()
        if wait:
            answer = pod.ready()
            assert answer.status == 200, answer.body
        return pod

    yield make
    for pod in pods:
        pod.process.kill()
        pod.process.wait()
        shutil.rmtree(pod.home, ignore_errors=True)


HEADER = """
import os, time

def mark(name):
    open("{home}/" + name, "w").close()

def wait_for(name):
    while not os.path.exists("{home}/" + name):
        time.sleep(0.002)
"""
