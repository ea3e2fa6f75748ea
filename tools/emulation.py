"""Programs of the other architecture on this machine: qemu's user emulation, known to the kernel."""

import subprocess
from contextlib import contextmanager
from pathlib import Path

from packages import Lacking, is_root, need

NAMES = {"amd64": "qemu-x86_64", "arm64": "qemu-aarch64"}
KNOWN = Path("/proc/sys/fs/binfmt_misc")


def _update(verb, name):
    program = need("update-binfmts", "binfmt-support", "tells the kernel of the emulation")
    done = subprocess.run([program, verb, name], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.stderr.strip()


def _is_known(name):
    entry = KNOWN / name
    return entry.exists() and entry.read_text().startswith("enabled")


@contextmanager
def emulation(arch):
    """Programs of `arch` run, also in containers, as long as the block does."""
    name = NAMES[arch]
    if _is_known(name):
        yield
        return
    if not is_root():
        raise Lacking(f"programs for {arch} do not run here, and only root may make them: install qemu-user-static and binfmt-support")
    need(f"{name}-static", "qemu-user-static", f"runs programs for {arch}")
    mounted = False
    if not (KNOWN / "register").exists():
        mounted = subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", KNOWN], capture_output=True).returncode == 0
    try:
        said = _update("--enable", name)
        if not _is_known(name):
            raise Lacking(f"the kernel does not take the emulation of {arch}: {said or 'no binfmt_misc'}")
        yield
    finally:
        _update("--disable", name)
        if mounted:
            subprocess.run(["umount", KNOWN], capture_output=True)
