"""What tests and benchmarks need beyond Rust and Python, from Debian's packages where it is missing."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path


class Lacking(Exception):
    """Something is not there and could not be installed; the text says why."""


@functools.lru_cache(maxsize=None)
def _as_root():
    """What to put before a command that root must run; None when nobody here may."""
    if os.geteuid() == 0:
        return ()
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ("sudo", "-n")
    return None


def is_root():
    return os.geteuid() == 0


@functools.lru_cache(maxsize=None)
def update():
    """Fetches the lists of Debian's packages, once."""
    subprocess.run([*_as_root(), "apt-get", "update", "-q"], capture_output=True)


def _where(program):
    # Servers are in directories that not everybody's PATH has.
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


@functools.lru_cache(maxsize=None)
def need(program, package, why):
    """The path of `program`, installed from `package` if need be."""
    found = _where(program)
    if found:
        return found
    if shutil.which("apt-get") is None:
        raise Lacking(f"{program} is missing, and there is no apt-get to install {package} with")
    if _as_root() is None:
        raise Lacking(f"{program} is missing, and only root may install {package}")
    print(f"installing {package}: {why}", flush=True)
    update()
    # Servers that a package brings would start by themselves, unless the machine is in single-user mode.
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"]
    command = [*_as_root(), *quiet, "apt-get", "install", "-y", "-q", "--no-install-recommends", package]
    done = subprocess.run(command, capture_output=True, text=True)
    found = _where(program)
    if not found:
        raise Lacking(f"{program} is missing, and installing {package} failed: {done.stderr.strip()[-300:]}")
    return found


def python_with(modules, *requirements, home):
    """A Python that has these modules: this one, or a private environment in `home` with what they require."""
    if subprocess.run([sys.executable, "-c", f"import {modules}"], capture_output=True).returncode == 0:
        return sys.executable
    home = Path(home) / f"python-{modules.replace(', ', '-')}"
    python = home / "bin" / "python"
    wanted = "\n".join(requirements or modules.split(", "))
    stamp = home / "installed"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(home, ignore_errors=True)
        install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted.splitlines()]
        for command in ([sys.executable, "-m", "venv", home], install):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                raise Lacking(f"no {modules}, and {' '.join(map(str, command))} failed: {done.stderr.strip()[-300:]}")
        stamp.write_text(wanted)
    return python
