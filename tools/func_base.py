#!/usr/bin/env python3
"""Makes the function base: target/func-base/ARCH.tar, or ARCH-full.tar with the flavour `full`.

From python:3-slim where Docker can pull it, else from Debian's packages with mmdebstrap, for a foreign
architecture too.
"""

import argparse
import filecmp
import sys
import time

from cluster import ROOT, target
from packages import Lacking, need

sys.path.insert(0, str(ROOT / "func-base"))

from image import Failed, image  # noqa: E402
from image.archive import read_config  # noqa: E402
from image.python import EMULATORS, machine  # noqa: E402

SERVER = ROOT / "func-base" / "troupe_pod"
ARCHITECTURES = tuple(EMULATORS)
WHY = {
    "mmdebstrap": ("mmdebstrap", "lays down Debian's packages for the function base"),
    **{program: ("qemu-user-static", f"runs Python for {arch} to compile its libraries") for arch, program in EMULATORS.items()},
}


def _tool(program):
    package, why = WHY[program]
    return need(program, package, why)


def file_of(arch, flavour="slim"):
    """Where an image's file is."""
    return target() / "func-base" / (f"{arch}.tar" if flavour == "slim" else f"{arch}-{flavour}.tar")


def make(arch, flavour="slim", source="auto", file=None):
    """Makes an image and tells its file and its digest. Raises Lacking or Failed."""
    if arch != machine():
        _tool(EMULATORS[arch])
    file = file or file_of(arch, flavour)
    recipe = image.recipe_digest(SERVER)
    digest = image.make(arch, flavour, SERVER, file, source, _tool)
    _stamp(file).write_text(recipe)
    return file, digest


def _stamp(file):
    """Beside an image, what it was made from."""
    return file.with_suffix(".recipe")


def cached(arch, flavour="slim"):
    """The image's file, made only when its recipe changed since the last time. Raises Lacking."""
    file = file_of(arch, flavour)
    recipe, stamp = image.recipe_digest(SERVER), _stamp(file)
    if not (file.exists() and stamp.exists() and stamp.read_text() == recipe):
        print(f"making {file}", flush=True)
        try:
            make(arch, flavour)
        except Failed as failed:
            raise Lacking(str(failed)) from failed
    return file


def differs(arch, flavour="slim"):
    """Makes the image of this recipe again, once: how the second differs from the first, or None.

    Debian may publish an update between the two; then there is a third.
    """
    file = cached(arch, flavour)
    stamp, recipe = file.with_suffix(".again"), image.recipe_digest(SERVER)
    if stamp.exists() and stamp.read_text() == recipe:
        return None
    others = [file.with_suffix(f".again-{number}") for number in (1, 2)]
    try:
        first = file
        for other in others:
            make(arch, flavour, file=other)
            if filecmp.cmp(first, other, shallow=False):
                stamp.write_text(recipe)
                return None
            if read_config(first)["config"]["Labels"] == read_config(other)["config"]["Labels"]:
                break
            first = other
        one, two = (read_config(made)["rootfs"]["diff_ids"] for made in (first, other))
        return f"made of the same, and yet the layers differ: {one} and {two}"
    finally:
        for other in others:
            other.unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=ARCHITECTURES, help="default: this machine's")
    parser.add_argument("--flavour", choices=image.FLAVOURS, default="slim", help="full: with packages that functions often use")
    parser.add_argument("--from", dest="source", choices=("auto", "upstream", "debian"), default="auto", help="upstream: python:3-slim")
    flags = parser.parse_args()
    began = time.monotonic()
    try:
        file, digest = make(flags.arch or machine(), flags.flavour, flags.source)
    except (Failed, Lacking) as problem:
        print(f"func-base: {problem}", file=sys.stderr)
        return 1
    print(f"{file}: {file.stat().st_size / 1e6:.0f} MB, {digest}, made in {time.monotonic() - began:.0f} s")
    print(f"node-agent --runtime docker --base-image {file}" if flags.flavour == "slim" else f"docker load --input {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
