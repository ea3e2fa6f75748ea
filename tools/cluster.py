"""A one-machine cluster of the real programs, in a directory of its own, on free loopback ports."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ("master", "node-agent", "kubectl", "kubectl-execute")
# A drain takes up to 20 s, and the agent promises to be gone within 30.
STOP_SECONDS = 40


class Failure(Exception):
    """Something is not as it should be; the text is for people."""


def end_on_signals():
    """SIGTERM and SIGHUP end a program the way Ctrl-C does, also in the background: what it started is stopped."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def target():
    return Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()


def build(profile):
    """Builds the four programs and tells where they are."""
    command = ["cargo", "build", "--bins"] + (["--release"] if profile == "release" else [])
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        raise Failure(f"{' '.join(command)} failed")
    place = target() / profile
    lacking = [name for name in PROGRAMS if not (place / name).exists()]
    if lacking:
        raise Failure(f"{place} has no {', '.join(lacking)}")
    return place


def free_ports(count):
    """None of those that the system gives to outgoing connections, which take a port while a program that was killed is started again."""
    try:
        begin = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        begin = 32768
    candidates = list(range(10000, begin if begin > 11000 else 32768))
    random.shuffle(candidates)
    sockets = []
    try:
        for port in candidates:
            if len(sockets) == count:
                break
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
                sockets.append(one)
            except OSError:
                one.close()
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def wait_until(what, look, seconds, alive=lambda: None):
    """Waits until `look` returns something, and returns that; fails with the last Failure it raised.

    What `alive` raises ends the waiting at once.
    """
    until = time.monotonic() + seconds
    seen = "nothing"
    while time.monotonic() < until:
        alive()
        try:
            found = look()
            if found:
                return found
        except Failure as failure:
            seen = failure
        time.sleep(0.1)
    raise Failure(f"waited {seconds} s until {what}; last seen: {seen}")


def end(process, seconds=STOP_SECONDS):
    """Ends a program with SIGTERM; its exit code, None when it had to be killed."""
    process.terminate()
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def tail(path, lines=40):
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return str(error)


@contextmanager
def started(cluster):
    """The cluster from Ready to its removal; what it logged is shown when something fails."""
    try:
        cluster.start()
        yield cluster
    except Failure:
        cluster.show_logs()
        raise
    finally:
        cluster.stop()
        cluster.remove()


class Cluster:
    """Master and node-agent, from nothing to Ready and back to nothing."""

    def __init__(self, programs, runtime="process", ports=None, step_functions=False, settings="", near=True):
        self.programs = programs
        self.runtime = runtime
        # Pods run under users of their own when root starts them: they must be able to pass.
        self.home = Path(tempfile.mkdtemp(prefix="troupe-"))
        self.home.chmod(0o711)
        self.api, self.gateway_port = ports or free_ports(2)
        self.gateway = f"http://127.0.0.1:{self.gateway_port}"
        self.step_functions = f"http://127.0.0.1:{free_ports(1)[0]}" if step_functions else None
        self.kubeconfig = self.home / "master" / "admin.kubeconfig"
        self.processes = {}
        self.base_image = ()
        # The master's, as in config/master.toml.
        self.settings = settings
        # Whether the gateway reaches the pods' sockets itself, as it does where both share a machine.
        self.near = near

    def environment(self):
        path = f"{self.programs}{os.pathsep}{os.environ.get('PATH', '')}"
        # Discovery is cached by address, and ports come again.
        return {**os.environ, "PATH": path, "KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.home / "cache")}

    def log(self, name):
        return self.home / f"{name}.log"

    def _spawn(self, name, *flags, program=None, **variables):
        with open(self.log(name), "ab") as log:
            # A session of its own: Ctrl-C reaches this program first, which then stops things in order.
            self.processes[name] = subprocess.Popen(
                [program or self.programs / name, *flags],
                cwd=self.home,
                env={**self.environment(), **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait(self, what, seconds, look):
        def alive():
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise Failure(f"{name} ended with {process.returncode} before {what}")

        wait_until(what, look, seconds, alive)

    def start(self):
        # First: it may take its time, and fail.
        self.base_image = self._base_image()
        self._start_master()
        self._wait("the master is up", 60, self.kubeconfig.exists)
        self._start_agent()
        self._wait("node node-1 is Ready", 120, self._is_ready)

    def restart(self, name, how=signal.SIGTERM):
        """Ends a program with a signal, starts it again and waits until all is well."""
        process = self.processes.pop(name)
        process.send_signal(how)
        process.wait(STOP_SECONDS)
        self._start_master() if name == "master" else self._start_agent()
        self._wait("node node-1 is Ready again", 120, self._is_ready)

    def _start_master(self):
        master = self.home / "master"
        file = self.home / "master.toml"
        file.write_text(self.settings)
        self._spawn(
            "master",
            *("--config", file),
            *("--data-dir", master),
            *("--api-listen", f"127.0.0.1:{self.api}"),
            *("--gateway-listen", f"127.0.0.1:{self.gateway_port}"),
            *(("--sfn-listen", self.step_functions.removeprefix("http://")) if self.step_functions else ()),
            TROUPE_MASTER__GATEWAY__LOCAL_PODS_DIR=str(self.home / "agent" / "pods") if self.near else "",
            TROUPE_MASTER__RUNS__DATA_DIR=str(self.home / "buckets"),
        )

    def _start_agent(self):
        self._spawn(
            "node-agent",
            *("--data-dir", self.home / "agent"),
            *("--master", f"https://127.0.0.1:{self.api}"),
            *("--name", "node-1"),
            *("--runtime", self.runtime),
            *self.base_image,
            TROUPE_AGENT__TOKEN=self.token(),
        )

    def _base_image(self):
        if self.runtime != "docker":
            return ()
        # Not at the top: it is built on this module.
        import func_base

        try:
            return ("--base-image", func_base.cached(func_base.machine()))
        except (func_base.Failed, func_base.Lacking) as problem:
            raise Failure(f"make func-base: {problem}") from problem

    def token(self):
        """A join token for one more agent."""
        return self.run([self.programs / "master", "token", "create", "--data-dir", self.home / "master"]).strip()

    def _is_ready(self):
        node = json.loads(self.run(["kubectl", "get", "node", "node-1", "-o", "json"]))
        conditions = node.get("status", {}).get("conditions", [])
        if any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions):
            return True
        raise Failure(f"conditions {conditions}")

    def run(self, command, cwd=None):
        """Runs a program against this cluster; its output, or a Failure with what it said."""
        program = shutil.which(str(command[0]), path=self.environment()["PATH"])
        done = subprocess.run([program, *command[1:]], cwd=cwd, env=self.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}".rstrip())
        return done.stdout

    def stop(self):
        """Agent first, so that it drains while its master listens. True when all ended by themselves."""
        in_order = True
        for name, process in reversed(list(self.processes.items())):
            if process.poll() is None and end(process) is None:
                print(f"{name} did not end within {STOP_SECONDS} s of SIGTERM", file=sys.stderr)
                in_order = False
        return in_order

    def remove(self):
        shutil.rmtree(self.home, ignore_errors=True)

    def show_logs(self):
        for name in self.processes:
            print(f"\n--- the end of {name}'s log ---\n{tail(self.log(name))}", file=sys.stderr)
