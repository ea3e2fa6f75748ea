"""Makes a root file system what a pod needs, and no more."""

import fnmatch
import os
import re
import shutil
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The user of an image that runs by itself; pods and builds get user ids from their node-agent.
USER, USER_ID = "troupe", 65532
SERVER = "opt/troupe/troupe_pod"
PACKAGES = "opt/troupe/packages"
# Where a node-agent mounts something: a root that is read-only cannot grow them.
MOUNT_POINTS = ("build", "dev", "function", "proc", "run/pod", "sys", "tmp", "var/tmp")


class Rules:
    """What is left out; see strip.txt."""

    def __init__(self, text):
        lines = [line.strip() for line in text.splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        self.dropped = self._pattern(line for line in lines if not line.startswith("!"))
        self.kept = self._pattern(line[1:] for line in lines if line.startswith("!"))

    @staticmethod
    def _pattern(globs):
        return re.compile("|".join(fnmatch.translate(one) for glob in globs for one in (glob, f"{glob}/*")) or r"(?!)")

    def drops(self, path):
        """Whether a path, relative to the root, is left out."""
        return bool(self.dropped.match(path)) and not self.kept.match(path)


def lines(name):
    """The lines of a list beside this file, without comments."""
    found = (line.split("#")[0].strip() for line in (HERE / name).read_text().splitlines())
    return [line for line in found if line]


def strip(root, rules):
    """Takes out what the rules drop, and directories that are empty for it."""
    for folder, folders, files in os.walk(root, topdown=False):
        here = Path(folder)
        for name in [*files, *folders]:
            path = here / name
            if not rules.drops(str(path.relative_to(root))):
                continue
            if path.is_symlink() or not path.is_dir():
                path.unlink()
            elif not any(path.iterdir()):
                path.rmdir()


def _accounts(root):
    etc = root / "etc"
    for name, line in (("passwd", f"{USER}:x:{USER_ID}:{USER_ID}:{USER}:/tmp:/usr/sbin/nologin\n"), ("group", f"{USER}:x:{USER_ID}:\n")):
        file, master = etc / name, root / "usr/share/base-passwd" / f"{name}.master"
        text = (file if file.exists() else master).read_text()
        if f"{USER}:" not in text:
            file.write_text(text + line)
    # No account has a password, and the files that would hold one differ from day to day.
    for name in ("shadow", "gshadow", "passwd-", "group-", "shadow-", "gshadow-"):
        (etc / name).unlink(missing_ok=True)


def _certificates(root):
    """The bundle that the package's set-up script would make, where OpenSSL looks for it."""
    bundle, source = root / "etc/ssl/certs/ca-certificates.crt", root / "usr/share/ca-certificates"
    if not bundle.exists():
        bundle.parent.mkdir(parents=True, exist_ok=True)
        bundle.write_bytes(b"".join(path.read_bytes() for path in sorted(source.rglob("*.crt"))))
    openssl = root / "usr/lib/ssl"
    if openssl.is_dir() and not (openssl / "cert.pem").is_symlink():
        (openssl / "cert.pem").symlink_to("/etc/ssl/certs/ca-certificates.crt")


def settle(root):
    """Strips the root and lays down accounts, certificates and mount points."""
    _accounts(root)
    _certificates(root)
    strip(root, Rules((HERE / "strip.txt").read_text()))
    for name in MOUNT_POINTS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (root / name).chmod(0o1777)


def lay_server(server, place):
    """The Python server, as it stands in the source tree, without what was compiled there."""
    shutil.copytree(server, place, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [place, *place.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
