"""Puts the parts together."""

import hashlib
import json
import os
import tempfile
from pathlib import Path

from . import Failed, archive, debian, layer, packages, settle, upstream
from .python import Python

FLAVOURS = ("slim", "full")


def server_digest(server):
    """Names a version of the server; the node-agent computes the same of the one it carries."""
    sha256 = hashlib.sha256()
    for path in sorted(server.rglob("*.py")):
        content = path.read_bytes()
        sha256.update(str(path.relative_to(server)).encode())
        sha256.update(len(content).to_bytes(8, "little"))
        sha256.update(content)
    return sha256.hexdigest()


def _settings(python, labels):
    home = "/" + str(python.home.relative_to(python.root) / "bin")
    path = ["/usr/local/bin", home, "/usr/bin", "/bin"]
    # The packages may also be mounted there by a node-agent.
    environment = {"PATH": ":".join(dict.fromkeys(path)), "LANG": "C.UTF-8", "HOME": "/tmp", "TROUPE_PACKAGES": f"/{settle.PACKAGES}"}
    return {
        "Env": [f"{key}={value}" for key, value in environment.items()],
        "Entrypoint": ["python3", "-I", f"/{settle.SERVER}"],
        "User": f"{settle.USER_ID}:{settle.USER_ID}",
        "WorkingDir": "/",
        "StopSignal": "SIGTERM",
        "Labels": labels,
    }


def make(arch, flavour, server, file, source, tools):
    """Makes an image; returns its manifest's digest.

    `source` is `auto`, `upstream` or `debian`; `tools` finds a program by name, or raises.
    """
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="troupe-func-base-") as directory:
        work = Path(directory)
        root = work / "root"
        found = upstream.find(arch) if source != "debian" else None
        if found is None and source == "upstream":
            raise Failed(f"{upstream.IMAGE} for {arch} cannot be had through Docker; make it from Debian's packages: --from debian")
        origin, made_of = (upstream.IMAGE, upstream.make(found, root, work)) if found else (
            f"Debian {debian.SUITE}",
            debian.make(tools("mmdebstrap"), arch, root, work),
        )
        settle.settle(root)
        python = Python(root, arch)
        place = work / "server" / settle.SERVER
        settle.lay_server(server, place)
        for libraries in python.libraries():
            python.compile(libraries, root)
        python.compile(place, work / "server")
        layers = [(*layer.write(root, "", work / "root.layer"), work / "root.layer")]
        layers.append((*layer.write(work / "server", "", work / "server.layer"), work / "server.layer"))
        history = [f"{origin}, with Python {python.version}", "the function server"]
        labels = {
            "org.opencontainers.image.title": "Troupe function base",
            "org.opencontainers.image.base.name": origin,
            "troupe.dev/flavour": flavour,
            "troupe.dev/python": python.version,
            "troupe.dev/server": server_digest(server),
            "troupe.dev/made-of": " ".join(made_of),
        }
        if flavour == "full":
            installed = packages.install(python, work)
            layers.append((*layer.write(work / "packages", "", work / "packages.layer"), work / "packages.layer"))
            history.append("packages that functions often use")
            labels["troupe.dev/packages"] = " ".join(installed)
        settings = _settings(python, labels)
        partial = file.with_suffix(".partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        digest = archive.write(partial, f"{flavour}-{arch}", archive.config(arch, layers, settings, history), layers)
        partial.rename(file)
        return digest


def recipe_digest(server):
    """Changes when what an image is made from does, as far as it stands in this source tree."""
    here = Path(__file__).resolve().parent
    files = sorted(path for path in here.iterdir() if path.suffix in (".py", ".txt"))
    parts = [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
    return hashlib.sha256(json.dumps([parts, server_digest(server)]).encode()).hexdigest()
