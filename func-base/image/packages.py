"""The packages of the flavour `full`, as wheels for the image's Python and architecture."""

import os
import re
import shutil
from pathlib import Path

from . import settle

REQUIREMENTS = Path(__file__).resolve().parent / "full.txt"
# What of this machine's settings pip is to know.
PASSED = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_TRUSTED_HOST", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
# Numbers and dates of an installation, and scripts that name its Python.
LEFT_OUT = ("direct_url.json", "INSTALLER", "REQUESTED", "RECORD")


def _variables(work):
    passed = {key: value for key, value in os.environ.items() if key.upper() in PASSED}
    bundle = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    if bundle:
        # Under emulation a path that the root has too would be the root's.
        passed["PIP_CERT"] = shutil.copy(bundle, work / "trusted.pem")
    return passed


def installed(place):
    """`name==version` of each package in a directory."""
    found = []
    for metadata in sorted(place.glob("*.dist-info/METADATA")):
        text = metadata.read_text(errors="replace")
        found.append("==".join(re.search(rf"^{field}: (.*)$", text, re.M)[1].strip() for field in ("Name", "Version")))
    return sorted(found, key=str.lower)


def install(python, work):
    """Installs them beneath `work`/packages, where the image has them; tells which there are."""
    place = work / "packages" / settle.PACKAGES
    place.mkdir(parents=True)
    flags = ["--disable-pip-version-check", "--no-input", "--no-cache-dir", "--no-compile", "--only-binary=:all:", "--retries=2"]
    flags += ["--root-user-action=ignore", "--progress-bar=off", f"--target={place}", f"--requirement={REQUIREMENTS}"]
    home = work / "home"
    home.mkdir()
    python.run(["-s", "-m", "pip", "install", *flags], HOME=str(home), TMPDIR=str(home), PIP_CONFIG_FILE=os.devnull, **_variables(work))
    shutil.rmtree(place / "bin", ignore_errors=True)
    for path in sorted(place.rglob("*"), reverse=True):
        if path.is_dir() and path.name in ("tests", "test") and (path / "__init__.py").exists():
            shutil.rmtree(path)
        elif path.parent.name.endswith(".dist-info") and path.name in LEFT_OUT:
            path.unlink()
    python.compile(place, work / "packages")
    for path in [place, *place.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    return installed(place)
