"""A root file system from Debian's packages, for any architecture, without running anything of it."""

import os
import subprocess

from . import Failed
from .layer import unpack
from .settle import lines

SUITE = "bookworm"
HOOKS = "/usr/share/mmdebstrap/hooks/merged-usr"
# Nothing is installed in dpkg's sense, so nobody writes what is there: for the label, and for scanners.
STATUS = (
    'for deb in "$1"/var/cache/apt/archives/*.deb; do dpkg-deb -f "$deb"; echo "Status: install ok installed"; echo; done '
    '> "$1/var/lib/dpkg/status"'
)
WITHOUT_ROOT = "\nrun it as root, or install uidmap and give this user a range in /etc/subuid and /etc/subgid"


def packages(status):
    """`name=version` of each package in a dpkg status text, sorted."""
    found = []
    for paragraph in status.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and not line.startswith(" "))
        if "Version" in fields and fields.get("Package") != "usr-is-merged":
            found.append(f"{fields['Package']}={fields['Version']}")
    return sorted(found)


def make(program, arch, root, work):
    """Lays down the root; tells the packages that are in it. `program` is mmdebstrap."""
    archive = work / "debian.tar"
    command = [program, "--quiet", "--variant=extract", f"--architectures={arch}", f"--include={','.join(lines('debian.txt'))}"]
    command += [f"--hook-dir={HOOKS}", f"--extract-hook={STATUS}", "--format=tar", SUITE, archive]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        hint = "" if os.geteuid() == 0 else WITHOUT_ROOT
        raise Failed(f"mmdebstrap failed: {done.stderr.strip()[-600:]}{hint}")
    unpack(archive, root)
    archive.unlink()
    status = root / "var/lib/dpkg/status"
    text = status.read_text()
    found = packages(text)
    if not found:
        raise Failed("mmdebstrap laid down no packages")
    return found
