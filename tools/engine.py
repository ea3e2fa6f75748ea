"""A Docker engine of its own for tests."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from cluster import tail
from packages import Lacking, is_root, need

START_SECONDS = 60


def _answers(host):
    done = subprocess.run(["docker", "-H", host, "version"], stdin=subprocess.DEVNULL, capture_output=True)
    return done.returncode == 0


@contextmanager
def engine(*more):
    """A dockerd in private directories, with these flags; its address. It ends with the block, its containers too."""
    if not is_root():
        raise Lacking("only root may run a Docker engine")
    need("iptables", "iptables", "the network of the container tests")
    need("ip", "iproute2", "the machines beyond that containers reach or do not")
    program = need("dockerd", "docker.io", "the engine of the container tests")
    home = Path(tempfile.mkdtemp(prefix="troupe-engine-"))
    host = f"unix://{home}/docker.sock"
    log = home / "log"
    flags = ["--data-root", home / "data", "--exec-root", home / "exec", "--pidfile", home / "pid", "-H", host, *more]
    with open(log, "wb") as output:
        # /usr/sbin may not be on PATH, and dockerd looks for its helpers there.
        environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
        process = subprocess.Popen([program, *flags], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True)
    try:
        until = time.monotonic() + START_SECONDS
        while not _answers(host):
            if process.poll() is not None or time.monotonic() > until:
                raise Lacking(f"dockerd does not come up:\n{tail(log, 5)}")
            time.sleep(0.2)
        yield host
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(home, ignore_errors=True)
