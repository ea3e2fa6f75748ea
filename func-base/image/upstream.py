"""A root file system from `python:3-slim`, where a registry that has it is reachable."""

import json
import shutil
import subprocess

from .layer import unpack

IMAGE = "python:3-slim"
# Where there is no registry, the answer is a hang as often as a no.
PULL_SECONDS = 90
ANSWER_SECONDS = 10


def _docker(*arguments, seconds=ANSWER_SECONDS, **options):
    try:
        return subprocess.run(["docker", *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, **options)
    except subprocess.TimeoutExpired:
        return None


def _reachable(image):
    """Whether a registry answers for the image, in less time than a pull may take."""
    said = _docker("manifest", "inspect", image)
    return said is not None and said.returncode == 0


def _inspect(image):
    said = _docker("image", "inspect", image)
    return json.loads(said.stdout)[0] if said is not None and said.returncode == 0 else None


def find(arch, image=IMAGE):
    """What Docker says of the image for this architecture, pulled if need be; None when it cannot be had."""
    if shutil.which("docker") is None:
        return None
    version = _docker("version")
    if version is None or version.returncode != 0:
        return None
    if _reachable(image):
        _docker("pull", "--quiet", "--platform", f"linux/{arch}", image, seconds=PULL_SECONDS)
    found = _inspect(image)
    return found if found and found["Architecture"] == arch else None


def make(found, root, work):
    """Lays down the root of an image that `find` found; tells what it is made of."""
    archive = work / "upstream.tar"
    # A container that is never started is the way to a flat tar of an image.
    container = _docker("create", found["Id"], "true", seconds=60).stdout.decode().strip()
    try:
        with open(archive, "wb") as output:
            subprocess.run(["docker", "export", container], stdin=subprocess.DEVNULL, stdout=output, check=True)
    finally:
        _docker("rm", container, seconds=60)
    unpack(archive, root)
    archive.unlink()
    return sorted(found.get("RepoDigests") or [found["Id"]])
