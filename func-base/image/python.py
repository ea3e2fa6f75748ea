"""The Python inside a root file system, run without entering it.

No root, no chroot, no binfmt: for this machine's architecture the root's own loader starts it, for another
one qemu's user emulation does.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from . import EPOCH, Failed

EMULATORS = {"amd64": "qemu-x86_64-static", "arm64": "qemu-aarch64-static"}
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
LIBRARIES = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
LOADERS = {"amd64": "ld-linux-x86-64.so.2", "arm64": "ld-linux-aarch64.so.1"}


def machine():
    """This machine's architecture, as images call it."""
    name = os.uname().machine
    if name not in MACHINES:
        raise Failed(f"this machine is {name}; images are made on x86_64 and aarch64")
    return MACHINES[name]


class Python:
    """The interpreter of a root file system."""

    def __init__(self, root, arch):
        self.root, self.arch = root, arch
        self.program = self._program()
        self.home = self.program.parent.parent
        found = re.fullmatch(r"python(3\.\d+)", self.program.name)
        self.version = found[1]

    def _program(self):
        for place in ("usr/local/bin", "usr/bin"):
            found = sorted(path for path in (self.root / place).glob("python3.*") if re.fullmatch(r"python3\.\d+", path.name))
            if found:
                return found[-1]
        raise Failed(f"{self.root} has no Python")

    def _start(self):
        if self.arch == machine():
            libraries = self.root / "usr/lib" / LIBRARIES[self.arch]
            path = f"{self.home / 'lib'}:{libraries}"
            return [libraries / LOADERS[self.arch], "--library-path", path, self.program]
        emulator = shutil.which(EMULATORS[self.arch])
        if emulator is None:
            raise Failed(f"{EMULATORS[self.arch]} is missing: install qemu-user-static")
        return [emulator, "-L", self.root, self.program]

    def run(self, arguments, **variables):
        """Runs it; what it printed."""
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONHOME": str(self.home), "PYTHONHASHSEED": "0"}
        environment.update(PYTHONDONTWRITEBYTECODE="1", SOURCE_DATE_EPOCH=str(EPOCH), **variables)
        command = [*self._start(), *arguments]
        done = subprocess.run(command, env=environment, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()[-1000:]
            raise Failed(f"python {' '.join(map(str, arguments[:4]))} … in the {self.arch} image: exit {done.returncode}: {said}")
        return done.stdout

    def libraries(self):
        """The directories with the standard library and, on Debian, the distribution's packages."""
        return [self.home / "lib" / f"python{self.version}", *(path for path in [self.home / "lib/python3"] if path.is_dir())]

    def compile(self, directory, base):
        """Compiles all Python files of a directory, as they will be named without `base`.

        Unchecked: the files' dates are not those they were compiled at, and nobody changes them.
        """
        flags = ["-q", "-q", "-f", "--invalidation-mode=unchecked-hash", "-s", base, "-p", "/", directory]
        try:
            self.run(["-s", "-m", "compileall", *flags])
        except Failed:
            # Templates and files for other Pythons do not compile, and need not.
            if not any(Path(directory).rglob("*.pyc")):
                raise
