"""A Docker engine of its own for tests."""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from cluster import Failure, end, tail, wait_until
from packages import Lacking, is_root, need

START_SECONDS = 60
STOP_SECONDS = 60


def answers(host):
    """Whether an engine is there and says so."""
    done = subprocess.run(["docker", "-H", host, "version"], stdin=subprocess.DEVNULL, capture_output=True)
    return done.returncode == 0


def command(home, *more):
    """The command line of a dockerd that keeps all it has in `home`, with these flags; its socket is there, too."""
    need("iptables", "iptables", "the network of the container tests")
    need("ip", "iproute2", "the machines beyond that containers reach or do not")
    program = need("dockerd", "docker.io", "the engine of the container tests")
    flags = ["--data-root", home / "data", "--exec-root", home / "exec", "--pidfile", home / "pid", "-H", f"unix://{home}/docker.sock", *more]
    # /usr/sbin may not be on PATH, and dockerd looks for its helpers there.
    return ["env", f"PATH={os.environ.get('PATH', '')}:/usr/sbin:/sbin", program, *flags]


@contextmanager
def engine(*more):
    """A dockerd in private directories, with these flags; its address. It ends with the block, its containers too."""
    if not is_root():
        raise Lacking("only root may run a Docker engine")
    home = Path(tempfile.mkdtemp(prefix="troupe-engine-"))
    host = f"unix://{home}/docker.sock"
    log = home / "log"
    with open(log, "wb") as output:
        process = subprocess.Popen(command(home, *more), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)

    def alive():
        if process.poll() is not None:
            raise Failure("it ended")

    try:
        try:
            wait_until("dockerd is up", lambda: answers(host), START_SECONDS, alive)
        except Failure as failure:
            raise Lacking(f"{failure}:\n{tail(log, 5)}") from failure
        yield host
    finally:
        end(process, STOP_SECONDS)
        shutil.rmtree(home, ignore_errors=True)
