"""From a tar to a directory, and from a directory to a layer: a tar whose bytes depend on names, contents and modes alone."""

import hashlib
import os
import stat
import tarfile
from pathlib import Path

from . import EPOCH

# Setuid and setgid are of no use to a pod; the sticky bit is, on a directory for all.
MODES = 0o1777


class _Hashing:
    def __init__(self, file):
        self.file = file
        self.sha256 = hashlib.sha256()
        self.size = 0

    def write(self, data):
        self.sha256.update(data)
        self.size += len(data)
        return self.file.write(data)


def _paths(root):
    """All paths beneath a directory, relative, parents first, in the order of their bytes."""
    for folder, folders, files in os.walk(root):
        folders.sort(key=os.fsencode)
        here = Path(folder).relative_to(root)
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        if here.parts:
            yield here
        yield from (here / name for name in sorted([*files, *links], key=os.fsencode))


def _entry(path, name, seen):
    """The entry of a path; None for what has no place in an image, such as sockets."""
    found = path.lstat()
    info = tarfile.TarInfo(name)
    info.mtime = EPOCH
    info.mode = stat.S_IMODE(found.st_mode) & MODES
    if stat.S_ISDIR(found.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(found.st_mode):
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, os.readlink(path), 0o777
    elif stat.S_ISREG(found.st_mode):
        first = seen.setdefault((found.st_dev, found.st_ino), name) if found.st_nlink > 1 else name
        if first != name:
            info.type, info.linkname = tarfile.LNKTYPE, first
        else:
            info.size = found.st_size
    else:
        return None
    return info


def write(root, prefix, file):
    """Writes `root` with its names under `prefix` into a file; the digest of it and its size.

    The directories of the prefix are entries too, so that the layer stands by itself.
    """
    with open(file, "wb") as output:
        hashing = _Hashing(output)
        with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            parts = Path(prefix).parts
            for depth in range(1, len(parts) + 1):
                info = tarfile.TarInfo("/".join(parts[:depth]))
                info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, EPOCH
                tar.addfile(info)
            seen = {}
            for path in _paths(root):
                info = _entry(root / path, str(Path(prefix) / path), seen)
                if info is None:
                    continue
                if info.isreg():
                    with open(root / path, "rb") as content:
                        tar.addfile(info, content)
                else:
                    tar.addfile(info)
    return f"sha256:{hashing.sha256.hexdigest()}", hashing.size


def unpack(archive, root):
    """Unpacks a root file system, all but devices, so that this user can read and change all of it."""
    root.mkdir(parents=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isdev() or Path(member.name).parts[:1] == ("dev",):
                continue
            member.mode = member.mode & 0o755 | (0o700 if member.isdir() else 0o600)
            # Links of a root lead where they lead; in what mmdebstrap and Docker write, nothing climbs out.
            extra = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
            tar.extract(member, root, set_attrs=not member.issym(), **extra)
