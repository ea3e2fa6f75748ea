"""A package index over HTTPS, with a few packages of every kind, until its input ends.

Arguments: the directory for the packages, a list of requirements to have packages for, the file with
certificate and key, and the address to listen on. Prints its port.
"""

import functools
import http.server
import io
import pathlib
import re
import shutil
import ssl
import sys
import tarfile
import threading
import zipfile

ELF = b"\x7fELF\x02\x01\x01"
# Builds a wheel from within a source distribution, without setuptools and without the network.
BACKEND = '''
import os, zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    name, files = {name!r}, {files!r}
    file = name + "-{version}-{tag}.whl"
    with zipfile.ZipFile(os.path.join(directory, file), "w") as wheel:
        for path, content in files.items():
            wheel.writestr(path, content)
        wheel.writestr(name + "-{version}.dist-info/METADATA", "Metadata-Version: 2.1\\nName: " + name + "\\nVersion: {version}\\n")
        wheel.writestr(name + "-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: {tag}\\n")
        wheel.writestr(name + "-{version}.dist-info/RECORD", "")
    return file
'''
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "{name}"\nversion = "1.0"\n'


def backend(name, tag, files, version="1.0"):
    return BACKEND.format(name=name, tag=tag, files=files, version=version)


def wheel(place, name, tag, files, version="1.0"):
    space = {}
    exec(backend(name, tag, files, version), space)
    space["build_wheel"](place)


def sdist(place, name, tag, files):
    with tarfile.open(place / f"{name}-1.0.tar.gz", "w:gz") as tar:
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        for path, text in (("PKG-INFO", metadata), ("pyproject.toml", PYPROJECT.format(name=name)), ("backend.py", backend(name, tag, files))):
            info = tarfile.TarInfo(f"{name}-1.0/{path}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))


def fill(root):
    def package(name):
        place = root / "simple" / name.replace("_", "-")
        place.mkdir(parents=True)
        return place

    wheel(package("in_python"), "in_python", "py3-none-any", {"in_python.py": "VALUE = 42\n"})
    place = package("in_machine_code")
    for machine in ("x86_64", "aarch64"):
        files = {"in_machine_code/__init__.py": f"MACHINE = '{machine}'\n", "in_machine_code/code.so": ELF + machine.encode()}
        wheel(place, "in_machine_code", f"py3-none-manylinux_2_17_{machine}", files)
    sdist(package("source_only"), "source_only", "py3-none-any", {"source_only.py": "VALUE = 43\n"})
    sdist(package("source_of_machine_code"), "source_of_machine_code", "py3-none-any", {"x/code.so": ELF})
    for line in pathlib.Path(sys.argv[2]).read_text().splitlines():
        found = re.match(r"([\w.-]+)==([\w.]+)", line)
        if found:
            name, version = found.groups()
            module = line.partition("# import ")[2] or name.lower().replace("-", "_")
            place = root / "simple" / name.lower().replace("_", "-")
            place.mkdir(exist_ok=True)
            wheel(place, name.replace("-", "_"), "py3-none-any", {f"{module}.py": f"PINNED = '{version}'\n"}, version)
    # The same for those who have no index.
    (root / "files").mkdir()
    for file in (root / "simple").glob("*/*-*"):
        shutil.copy(file, root / "files" / file.name)
    for place in (root / "simple").iterdir():
        links = "".join(f'<a href="{file.name}">{file.name}</a>\n' for file in sorted(place.iterdir()))
        (place / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def main():
    directory, _, certificate, host = sys.argv[1:]
    fill(pathlib.Path(directory))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    handler = functools.partial(Quiet, directory=directory)
    server = http.server.ThreadingHTTPServer((host, 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


main()
